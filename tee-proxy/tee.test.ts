// The threads of a tee: the shadow plane may die, production may not notice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { startTee, type TeeOptions } from '#tee-proxy/tee.ts';
import { readFigures } from '#tee-proxy/tee-figures.ts';
import { answering, Client, quiet, startServer, until } from '#tee-proxy/test/peer-servers.ts';

const LOOPBACK = 0x7f000001;

function options(upstream: number, shadow: number): TeeOptions {
  return {
    listen: { host: '127.0.0.1', port: 0 },
    upstream: { name: 'upstream', address: LOOPBACK, port: upstream },
    shadows: [{ name: 'shadow', address: LOOPBACK, port: shadow }],
    share: 1,
    seed: 1,
    shadowBufferBytes: 1024 * 1024,
    workers: 1,
    connectionsMax: 100,
    engine: 'net',
    clock: systemClock,
    onTrouble: () => {},
  };
}

test('the shadow plane fails: production goes on, copies are lost and counted, new ones follow', {
  timeout: 60_000,
}, async (t) => {
  const upstream = await startServer(t, answering);
  const shadow = await startServer(t, quiet);
  const troubles: string[] = [];
  const tee = await startTee({
    ...options(upstream.port, shadow.port),
    onTrouble: (text) => troubles.push(text),
    shadowWorker: new URL('./test/failing-shadow-worker.ts', import.meta.url),
  });
  t.after(() => tee.stop());
  const figure = (name: string): number =>
    readFigures(tee.memory, { cpuUs: 0, rssBytes: 0 })[`wsar.tee.${name}`]!;
  const long = new Client(tee.port, 1);
  await long.say(1000);
  await until('the copy', () => shadow.seen.get(1)?.bytes === 1000);
  Atomics.store(tee.memory.control, 7, 1);
  await until('the fault', () => troubles.length > 0);
  assert.match(troubles[0]!, /injected fault.*started anew, production goes on/);
  await long.say(1000);
  await until('production answers', () => long.bytes === 2000);
  // One that begins while there is no plane is copied when there is one again.
  const next = new Client(tee.port, 2);
  await next.say(500);
  await until('copying is back', () => shadow.seen.get(2)?.bytes === 500, 30_000);
  for (const client of [long, next]) assert.equal((await client.finish()).error, undefined);
  await until('all is over', () => figure('shadow.completed') === 1);
  assert.equal(figure('shadow.shed_connections.lost'), 1);
  assert.equal(figure('shadow.offered_bytes'), 2500);
  assert.equal(figure('shadow.sent_bytes') + figure('shadow.shed_bytes'), 2500);
});

test('what keeps a reactor from starting is thrown, and no thread stays', async (t) => {
  const taken = await startServer(t);
  const wish = { ...options(1, 2), listen: { host: '127.0.0.1', port: taken.port } };
  await assert.rejects(startTee(wish), (error) => {
    assert.ok(error instanceof WsarError);
    assert.equal(error.code, 'WSAR_ERR_PORT_IN_USE');
    return true;
  });
});

test('a turned share is obeyed by every worker when the promise resolves', async (t) => {
  const tee = await startTee({ ...options(1, 2), workers: 2 });
  t.after(() => tee.stop());
  for (const share of [0.5, 0, 1, 0.25]) {
    await tee.setShare(share);
    assert.equal(tee.share, share);
    const version = Atomics.load(tee.memory.control, 2);
    assert.deepEqual([...tee.memory.obeyed], [version, version]);
  }
});
