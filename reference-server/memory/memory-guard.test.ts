// When memory is short, with its hysteresis; and that a running server then refuses logins and messages, and nothing
// else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import mqtt from 'mqtt';
import { VirtualClock } from '#core/clock/clock.ts';
import { isShort, MemoryGuard } from '#reference-server/memory/memory-guard.ts';
import { readOptions } from '#reference-server/serve-command.ts';
import { Server } from '#reference-server/server.ts';
import { CLOSE_CAUSE } from '#reference-server/statistics/close-cause.ts';
import { STAT, STAT_CLOSED } from '#reference-server/statistics/worker-stats.ts';

test('short below the reserve until there is a quarter more; above the bound until nine tenths of it', () => {
  const bounds = { reserveBytes: 1000, residentBytes: 500 };
  const cases: [boolean, number | undefined, number, boolean][] = [
    [false, 1000, 500, false],
    [false, 999, 100, true],
    [true, 1249, 100, true],
    [true, 1250, 100, false],
    [false, 5000, 501, true],
    [true, 5000, 451, true],
    [true, 5000, 450, false],
    [false, undefined, 100, false],
  ];
  for (const [was, freeBytes, residentBytes, now] of cases) {
    assert.equal(isShort(was, bounds, { freeBytes, residentBytes }), now, `${freeBytes}`);
  }
  const none = { reserveBytes: 0, residentBytes: 0 };
  assert.equal(isShort(true, none, { freeBytes: 0, residentBytes: 1e12 }), false);
});

test('it is told once when it begins and once when it ends', (t) => {
  let freeBytes = 2000;
  const told: boolean[] = [];
  const clock = new VirtualClock();
  const guard = new MemoryGuard({
    clock,
    bounds: () => ({ reserveBytes: 1000, residentBytes: 0 }),
    tell: (isNow) => void told.push(isNow),
    read: () => ({ freeBytes, residentBytes: 1 }),
  });
  t.after(() => guard.close());
  for (const bytes of [2000, 900, 800, 1100, 1300, 1100, 999]) {
    freeBytes = bytes;
    clock.advance(200);
  }
  assert.deepEqual(told, [true, false, true]);
  guard.close();
  freeBytes = 2000;
  clock.advance(1000);
  assert.equal(told.length, 3);
});

test('a server whose host has too little left refuses logins and messages, and drains', async (t) => {
  const given = { port: [0], host: '127.0.0.1', workers: 1, connections: 100 };
  const server = await Server.start(readOptions(given));
  t.after(() => server.stop());
  const { stats } = server.figures[0]!;
  const url = `mqtt://127.0.0.1:${server.ports[0]}`;
  const options = { protocolVersion: 5, reconnectPeriod: 0 } as const;
  const ann = await mqtt.connectAsync(url, { ...options, clientId: 'ann' });
  t.after(() => void ann.end(true));
  await ann.publishAsync('m/ann', 'waits', { qos: 1 });
  // More than any host has.
  await server.change({ memoryReserveMib: 1024 * 1024 });
  assert.equal(server.memory.isShort, true);
  await assert.rejects(ann.publishAsync('m/ann', 'x', { qos: 1 }), { code: 0x97 });
  await assert.rejects(mqtt.connectAsync(url, { ...options, clientId: 'bob' }), { code: 0x89 });
  await assert.rejects(mqtt.connectAsync(url, { reconnectPeriod: 0, clientId: 'old' }), {
    code: 3,
  });
  const got = new Promise((resolve) => ann.once('message', (_, text) => resolve(String(text))));
  await ann.subscribeAsync('m/ann', { qos: 1 });
  assert.equal(await got, 'waits');
  // The answer arrives before the server counts the end.
  for (let look = 0; look < 500 && stats[STAT_CLOSED + CLOSE_CAUSE.memoryShort]! < 2; look++) {
    await setTimeout(10);
  }
  assert.equal(stats[STAT_CLOSED + CLOSE_CAUSE.memoryShort], 2);
  assert.equal(stats[STAT.memoryRefused], 1);
  // Less than this process has; and none.
  await server.change({ memoryReserveMib: 0, memoryResidentMib: 1 });
  assert.equal(server.memory.isShort, true);
  await assert.rejects(ann.publishAsync('m/ann', 'x', { qos: 1 }), { code: 0x97 });
  await server.change({ memoryResidentMib: 0 });
  const bob = await mqtt.connectAsync(url, { ...options, clientId: 'bob' });
  t.after(() => void bob.end(true));
  await ann.publishAsync('m/bob', 'x', { qos: 1 });
});
