import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { WsarError } from '#core/errors.ts';
import { formatIpv4 } from '#core/host/ipv4.ts';
import { parseBlock, parseSources } from '#loadgen/address-block.ts';
import { readHostPorts } from '#loadgen/host-ports.ts';
import {
  addressesUsed,
  type HostPorts,
  planSources,
  sourceAddress,
  sourcePort,
} from '#loadgen/source-plan.ts';
import { temporaryFolder } from '#test/command.ts';

const HOST: HostPorts = {
  listening: new Set([1883, 5432]),
  localMin: 32_768,
  localMax: 60_999,
  unprivilegedMin: 1024,
};
const PORTS = 32_768 - 1024 + (65_535 - 60_999) - 2;

test('no two users share a source, whichever attempt they are at', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3000 }),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (users, runDraw) => {
        const plan = planSources([parseBlock('127.1.0.0/24')], users, [1883], HOST, runDraw);
        const seen = new Set<number>();
        for (let attempt = 0; attempt < 3; attempt++) {
          for (let user = 0; user < users; user++) {
            const address = sourceAddress(plan, user, attempt);
            const port = sourcePort(plan, user, attempt);
            assert.ok(address > 0x7f010000 && address < 0x7f0100ff, formatIpv4(address));
            assert.ok(port >= 1024 && port <= 65_535);
            assert.ok(port < HOST.localMin || port > HOST.localMax, `port ${port}`);
            assert.ok(!HOST.listening.has(port));
            seen.add(address * 65_536 + port);
          }
        }
        assert.equal(seen.size, users * 3);
      },
    ),
  );
});

test('as many addresses as the ports need, and no more', () => {
  const block = parseBlock('127.1.0.0/16');
  assert.equal(addressesUsed(planSources([block], 1, [1883], HOST, 0)), 1);
  assert.equal(addressesUsed(planSources([block], PORTS, [1883], HOST, 0)), 1);
  assert.equal(addressesUsed(planSources([block], PORTS + 1, [1883], HOST, 0)), 2);
  assert.equal(addressesUsed(planSources([block], 1_000_000, [1883], HOST, 0)), 28);
});

test('a block that is too small is refused with what it has, before anything starts', () => {
  const one = parseBlock('127.1.2.3');
  assert.equal(planSources([one], PORTS, [1883], HOST, 0.7).users, PORTS);
  assert.throws(
    () => planSources([one], PORTS + 1, [1883], HOST, 0),
    (error) =>
      error instanceof WsarError &&
      error.code === 'WSAR_ERR_LIMIT' &&
      error.message.includes(`127.1.2.3/32 has ${PORTS} (1 addresses`),
  );
});

test('where the kernel hands out nearly every port, the lower half of its range is taken', () => {
  const wide = { ...HOST, localMin: 1024, localMax: 65_535 };
  const plan = planSources([parseBlock('127.1.0.0/16')], 10, [1883], wide, 0);
  assert.equal(plan.ports[0], 1024);
  assert.equal(plan.ports.at(-1), 33_279);
});

test('privileged ports are never used, also where they reach higher', () => {
  const plan = planSources(
    [parseBlock('127.1.0.0/16')],
    10,
    [1883],
    { ...HOST, unprivilegedMin: 5000 },
    0,
  );
  assert.equal(plan.ports[0], 5000);
});

test('with several target ports each has all sources, and no two users share one towards the same', () => {
  const blocks = parseSources('127.1.2.0/30,127.9.0.1');
  const plan = planSources(blocks, 1000, [1883, 1884, 1885], HOST, 0.999, { min: 2000, max: 2399 });
  const seen = new Set<string>();
  for (let attempt = 0; attempt < 2; attempt++) {
    for (let user = 0; user < 1000; user++) {
      const address = formatIpv4(sourceAddress(plan, user, attempt));
      seen.add(`${attempt} ${user % 3} ${address}:${sourcePort(plan, user, attempt)}`);
      assert.ok(['127.1.2.1', '127.1.2.2', '127.9.0.1'].includes(address), address);
    }
  }
  assert.equal(seen.size, 2000);
  assert.equal(addressesUsed(plan), 2);
});

test('blocks are read as people write them', () => {
  assert.deepEqual(parseBlock('127.1.2.3/16'), { address: 0x7f010000, prefixLength: 16 });
  assert.deepEqual(parseBlock(' 127.0.0.9 '), { address: 0x7f000009, prefixLength: 32 });
  assert.deepEqual(parseSources('127.0.0.1, 127.1.0.0/16').length, 2);
  assert.deepEqual(parseSources('lo'), [parseBlock('127.0.0.1')]);
  for (const twice of ['127.0.0.1,127.0.0.1', '127.1.0.0/16,127.1.7.7', 'lo,127.0.0.0/8']) {
    assert.throws(() => parseSources(twice), /twice/, twice);
  }
  assert.throws(() => parseSources('127.0.0.1,eth99'), /'eth99' is no block .* no interface/);
  for (const bad of ['', '127.1', '127.0.0.256/8', '127.0.0.1/33', '::1/128', 'localhost']) {
    assert.throws(() => parseBlock(bad), WsarError, bad);
  }
});

test('the ports of this host: a listener is seen, and reading stops at the first connection', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const host = readHostPorts('/proc');
  assert.ok(host.listening.has(port));
  assert.ok(host.localMin < host.localMax);
});

test('a host without /proc has the defaults', (t) => {
  const folder = temporaryFolder(t);
  assert.deepEqual(readHostPorts(folder), { ...HOST, listening: new Set() });
  mkdirSync(join(folder, 'net'));
  writeFileSync(
    join(folder, 'net/tcp'),
    '  sl  local_address rem_address   st\n' +
      '   0: 0100007F:075B 00000000:0000 0A 0\n' +
      '   1: 0100007F:0050 0100007F:C350 01 0\n' +
      '   2: 0100007F:0051 00000000:0000 0A 0\n',
  );
  assert.deepEqual([...readHostPorts(folder).listening], [1883]);
});
