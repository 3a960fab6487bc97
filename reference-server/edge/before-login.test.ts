// The bounds of who has not logged in, to the byte and to the tick: 5 s, a CONNECT of 4 KiB, and memory for what came;
// and that no password shows in $SYS, metrics, rows or talk.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeConnect } from '#core/wire/mqtt/encode.ts';
import { CLOSE_CAUSE } from '#reference-server/statistics/close-cause.ts';
import { STAT, STAT_CLOSED } from '#reference-server/statistics/worker-stats.ts';
import { client, startServer } from '#reference-server/test/running-server.ts';
import { SimulatedClient } from '#reference-server/test/simulated-client.ts';
import { simulateCluster } from '#reference-server/test/simulated-cluster.ts';
import { temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const HEADER_BYTES = 3;

/** A CONNECT of exactly so many bytes, filled up by its password. */
function connectOf(bytes: number): Uint8Array {
  const out = new Uint8Array(8192);
  const packet = { clientId: 'ann', keepAliveS: 60, cleanSession: true, username: 'ann' };
  const bare = encodeConnect(out, 0, { ...packet, password: new Uint8Array(200) });
  const password = new Uint8Array(200 + bytes - bare).fill(65);
  const end = encodeConnect(out, 0, { ...packet, password });
  assert.equal(end, bytes);
  return out.slice(0, end);
}

test('a CONNECT of 4,096 bytes logs in, cut or whole; one byte more is refused by its header', () => {
  for (const cuts of [[], [1, 2, 3, 700, 4000]]) {
    const cluster = simulateCluster(1);
    const right = new SimulatedClient(cluster.workers[0]!);
    right.sendBytes(connectOf(4096), cuts);
    const large = new SimulatedClient(cluster.workers[0]!);
    large.sendBytes(connectOf(4097).slice(0, HEADER_BYTES));
    for (let turn = 0; turn < 4; turn++) cluster.turn();
    right.read();
    assert.equal(right.connack?.code, 0);
    assert.ok(!large.isOpen);
    assert.equal(cluster.stat(STAT_CLOSED + CLOSE_CAUSE.tooLarge), 1);
    assert.equal(cluster.stat(STAT.logins), 1);
  }
});

test('what is held is what came: at most 512 bytes for 512, nothing when it ends; 5 s are 5 s', () => {
  const cluster = simulateCluster(1);
  const { partials } = cluster.workers[0]!.edge;
  const whole = connectOf(4096);
  let held = 0;
  const clients = [1, 16, 100, 512].map((bytes) => {
    const one = new SimulatedClient(cluster.workers[0]!);
    one.sendBytes(whole.slice(0, bytes));
    const more = partials.usedBytes - held;
    held = partials.usedBytes;
    assert.ok(
      more >= bytes && more <= Math.max(16, 2 * bytes) && more <= 512,
      `${more} for ${bytes}`,
    );
    return one;
  });
  cluster.clock.advance(4999);
  cluster.turn();
  assert.ok(clients.every(({ isOpen }) => isOpen));
  cluster.clock.advance(1);
  cluster.turn();
  assert.ok(clients.every(({ isOpen }) => !isOpen));
  assert.equal(cluster.stat(STAT_CLOSED + CLOSE_CAUSE.loginTimeout), clients.length);
  assert.equal(partials.usedBytes, 0);
});

test('no password, right or wrong, shows anywhere', {
  skip: needPrograms('mosquitto_passwd'),
}, async (t) => {
  const file = join(temporaryFolder(t), 'passwords');
  const [right, wrong] = ['the right secret', 'a wrong secret'];
  assert.equal(spawnSync('mosquitto_passwd', ['-b', '-c', file, 'root', right]).status, 0);
  const args = ['--password-file', file, '--admin', 'root', '--sys-interval', '1'];
  const server = await startServer(t, [...args, '--metrics-port', '0', '--workers', '1']);
  const seen: string[] = [];
  const root = await client(
    t,
    server,
    { clientId: 'root', username: 'root', password: right },
    ({ topic, text }) => void seen.push(`${topic} ${text}`),
  );
  await root.subscribeAsync('$SYS/#', { qos: 0 });
  const proof = { clientId: 'root', username: 'root', password: wrong };
  await assert.rejects(client(t, server, proof), /Not authorized/);
  await server.values((value) => value('logins.refused') === 1, 'new');
  while (!seen.some((text) => text.startsWith('$SYS/broker/logins/refused 1'))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [, url] = await server.command.line(/^metrics (http:.*)\n/m);
  seen.push(await (await fetch(url!)).text(), server.command.stdout(), server.command.stderr());
  for (const secret of [right, wrong]) {
    for (const form of [secret, Buffer.from(secret).toString('base64')]) {
      assert.ok(!seen.some((text) => text.includes(form)), 'a secret is never written');
    }
  }
});
