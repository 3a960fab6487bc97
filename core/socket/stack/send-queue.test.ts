// The send queue against a plain array of bytes, and what it costs to find them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Flights } from '#core/socket/stack/flights.ts';
import { SendQueue } from '#core/socket/stack/send-queue.ts';
import { TcpTable } from '#core/socket/stack/tcp-table.ts';

const CHUNK_BYTES = 512;
const SOURCE = Uint8Array.from({ length: 4096 }, (_, n) => (n * 7 + (n >> 8)) & 255);

function queueOf(bytesMax: number): { flights: Flights; queue: SendQueue } {
  const table = new TcpTable(2);
  const flights = new Flights(table);
  return { flights, queue: new SendQueue(flights, bytesMax) };
}

test('whatever is appended, read anywhere and acknowledged on two flights: the bytes are theirs', () => {
  const part = fc.double({ min: 0, max: 1, noNaN: true });
  const step = fc.tuple(
    fc.constantFrom('append', 'read', 'read', 'consume', 'giveBack'),
    fc.nat({ max: 1 }),
    fc.tuple(part, part),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { flights, queue } = queueOf(2 ** 18);
      const plain: number[][] = [[], []];
      const target = new Uint8Array(2 ** 18);
      for (const [what, conn, [one, two]] of steps) {
        const flight = flights.borrow(conn);
        const held = plain[conn]!;
        if (what === 'append') {
          const start = Math.floor(one * 2000);
          const end = start + Math.floor(two * 2000);
          if (!queue.append(flight, SOURCE, start, end)) continue;
          held.push(...SOURCE.subarray(start, end));
        } else if (what === 'read') {
          const offset = Math.floor(one * held.length);
          const count = Math.floor(two * (held.length - offset));
          queue.copyOut(flight, offset, count, target, 3);
          assert.deepEqual([...target.subarray(3, 3 + count)], held.slice(offset, offset + count));
        } else {
          const count = what === 'giveBack' ? held.length : Math.floor(one * held.length);
          queue.consume(flight, count);
          held.splice(0, count);
          if (what === 'giveBack') flights.giveBack(flight);
        }
      }
    }),
  );
});

test('a long queue is not searched from its start for each segment', () => {
  const { flights, queue } = queueOf(2 ** 21);
  const flight = flights.borrow(0);
  const [total, segment, window] = [2 ** 20, 1460, 2 ** 19];
  for (let at = 0; at < total; at += SOURCE.length) queue.append(flight, SOURCE, 0, SOURCE.length);
  const target = new Uint8Array(segment);
  // Half of it is in flight; then each acknowledgement lets another segment out.
  let acknowledged = 0;
  for (let sent = 0; sent + segment <= total; sent += segment) {
    queue.copyOut(flight, sent - acknowledged, segment, target, 0);
    assert.equal(target[0], SOURCE[sent % SOURCE.length]);
    if (sent - acknowledged < window) continue;
    queue.consume(flight, segment);
    acknowledged += segment;
  }
  assert.ok(queue.passed <= total / CHUNK_BYTES, `${queue.passed} chunks passed over`);
});
