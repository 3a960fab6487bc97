// What a turn of a busy server costs in calls: all that has come is read and answered in one, although the kernel
// brings 20 events in a call that waits for nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onRing } from '#core/socket/test/engine-variant.ts';
import { Subject } from '#core/socket/test/subject.ts';

const CLIENTS = 500;
/** Beside the receives, 64 at a time: what brings the events, hands the answers over, looks for the rest. */
const OTHER_ENTERS_MAX = 6;

onRing((variant) => {
  // Armed by recv, bytes come with the events themselves: no call waits for them.
  if (variant.name.endsWith('recv')) return;
  test('what came from 500 connections is read and answered in one turn', async (t) => {
    const size = { capacity: CLIENTS };
    // Of the receives of each turn, and of the calls until then.
    const turns: { receives: number; enters: number }[] = [];
    const server = new Subject(t, variant, size, {
      onData: (conn, bytes, start, end) => void server.reactor.send(conn, bytes, start, end),
      onTurn: () => {
        turns.push({ receives: server.stat('receives'), enters: server.stat('enters') });
        return Number.POSITIVE_INFINITY;
      },
    });
    // Sends at once, so that all of it lies in the server's sockets when its turn comes.
    const client = new Subject(t, variant, { ...size, flush: 'immediate' });
    const port = server.listen();
    const open = Array.from({ length: CLIENTS }, () => client.connectLater({ remotePort: port }));
    await client.until(() => open.every(({ isOpen }) => isOpen), 'connects');
    await server.until(() => server.announced.length === CLIENTS, 'accepts');
    const before = { receives: server.stat('receives'), enters: server.stat('enters') };
    for (const seen of open) client.send(seen, Buffer.from('message'));
    await client.until(() => open.every((seen) => seen.receivedBytes === 7), 'answers');
    const first = turns.findIndex(({ receives }) => receives > before.receives);
    assert.equal(turns[first]!.receives - before.receives, CLIENTS, 'receives of the first turn');
    const enters = turns[first]!.enters - turns[first - 1]!.enters;
    assert.ok(enters <= Math.ceil(CLIENTS / 64) + OTHER_ENTERS_MAX, `${enters} calls`);
  });
});
