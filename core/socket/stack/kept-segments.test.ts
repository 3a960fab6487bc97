// Kept segments against a plain map of bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KEEPING, KEPT_SEGMENTS_MIN, KeptSegments } from '#core/socket/stack/kept-segments.ts';
import {
  NetworkClasses,
  NO_NETWORK,
  WINDOW_BYTES_MAX,
} from '#core/socket/stack/network-classes.ts';
import { Segment, TCP_FLAG } from '#core/socket/stack/packet.ts';
import { sequenceAdd } from '#core/socket/stack/sequence.ts';
import { TcpOptions } from '#core/socket/stack/tcp-options.ts';
import { TcpTable } from '#core/socket/stack/tcp-table.ts';

const CONN = 3;
const SPAN = 3000;
const NETWORKS = new NetworkClasses(undefined, 8);
/** The stream; byte n is always the same. */
const STREAM = Uint8Array.from({ length: SPAN + 600 }, (_, n) => (n * 7 + (n >> 8)) & 255);

function segmentAt(first: number, at: number, count: number, hasFin = false): Segment {
  const segment = new Segment();
  segment.sequence = sequenceAdd(first, at);
  segment.dataStart = at;
  segment.dataEnd = at + count;
  segment.flags = hasFin ? TCP_FLAG.fin : 0;
  return segment;
}

test('pieces in any order, overlapping, come out as the stream; reports name what lies beyond gaps', () => {
  const pieces = fc.array(
    fc.tuple(fc.integer({ min: 0, max: SPAN - 1 }), fc.integer({ min: 1, max: 500 })),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(fc.constantFrom(0, 2 ** 32 - 1500, 77), pieces, (first, list) => {
      const table = new TcpTable(8);
      const kept = new KeptSegments(table, NETWORKS);
      table.expected[CONN] = first;
      const has = new Set<number>();
      let expected = 0;
      const out: number[] = [];
      for (const [at, count] of list) {
        const from = Math.max(at, expected);
        if (from >= at + count) continue;
        const segment = segmentAt(first, at, count);
        const keeping = kept.keep(CONN, segment, STREAM, sequenceAdd(first, from));
        const before = has.size;
        for (let n = from; n < at + count; n++) has.add(n);
        // With this few pieces there is always room.
        assert.equal(keeping, has.size > before ? KEEPING.kept : KEEPING.known);
        const options = new TcpOptions();
        kept.report(CONN, sequenceAdd(first, from), options, 4);
        for (let block = 0; block < options.sackCount; block++) {
          const start = (options.sacks[2 * block]! - first) >>> 0;
          const end = (options.sacks[2 * block + 1]! - first) >>> 0;
          assert.ok(start > expected && start < end);
          for (let n = start; n < end; n++) assert.ok(has.has(n), `${n} has come`);
          assert.ok(!has.has(end) && !has.has(start - 1), 'a block is whole');
          if (block === 0 && from > expected)
            assert.ok(from >= start && from < end, 'the latest is first');
        }
        table.expected[CONN] = kept.reach(CONN, table.expected[CONN]!);
        for (let slot = kept.ready(CONN); slot >= 0; slot = kept.ready(CONN)) {
          const start = kept.start[slot]!;
          out.push(...kept.memory.subarray(start, start + kept.length[slot]!));
          kept.removeFirst(CONN);
        }
        while (has.has(expected)) expected++;
        assert.equal(table.expected[CONN], sequenceAdd(first, expected));
        assert.equal(out.length, expected);
      }
      assert.deepEqual(out, [...STREAM.subarray(0, expected)]);
      kept.forget(CONN);
      assert.equal(kept.connections, 0);
      assert.equal(table.marks[CONN], 0);
    }),
  );
});

test('FIN is kept behind its bytes, and what came again directly is cut off', () => {
  const table = new TcpTable(8);
  const kept = new KeptSegments(table, NETWORKS);
  assert.equal(kept.keep(CONN, segmentAt(0, 100, 50, true), STREAM, 100), KEEPING.kept);
  kept.dropBelow(CONN, 120);
  table.expected[CONN] = kept.reach(CONN, 120);
  assert.equal(table.expected[CONN], 150);
  const slot = kept.ready(CONN);
  assert.deepEqual([kept.sequence[slot], kept.length[slot], kept.hasFin[slot]], [120, 30, 1]);
  kept.given(slot);
  assert.deepEqual([kept.ready(CONN), kept.length[slot]], [slot, 0], 'its FIN is left');
  kept.removeFirst(CONN);
  assert.equal(kept.ready(CONN), -1);
});

test('one connection has at most so many; others still find room', () => {
  const kept = new KeptSegments(new TcpTable(8), NETWORKS);
  const keep = (conn: number, at: number): number =>
    kept.keep(conn, segmentAt(0, at, 10), STREAM, at);
  for (let piece = 0; piece < KEPT_SEGMENTS_MIN; piece++) {
    assert.equal(keep(CONN, 10 + 20 * piece), KEEPING.kept);
  }
  assert.equal(keep(CONN, 2000), KEEPING.refused);
  assert.equal(keep(CONN, 10), KEEPING.known, 'nothing new needs no room');
  assert.equal(keep(4, 2000), KEEPING.kept);
  assert.equal(kept.connections, 2);
});

test('a window has room for all the full segments that fit into it', () => {
  const network = { ...NO_NETWORK, windowBytes: WINDOW_BYTES_MAX };
  const networks = new NetworkClasses({ classes: [network], seed: 1 }, 8);
  const table = new TcpTable(8);
  const kept = new KeptSegments(table, networks);
  const [bytes, count] = [1460, Math.floor(WINDOW_BYTES_MAX / 1460)];
  const piece = (index: number): number => {
    const segment = segmentAt(0, 0, bytes);
    segment.sequence = index * bytes;
    return kept.keep(CONN, segment, STREAM, index * bytes);
  };
  for (let index = 1; index < count; index++) assert.equal(piece(index), KEEPING.kept);
  assert.equal(kept.reach(CONN, bytes), count * bytes);
  kept.forget(CONN);
  assert.equal(kept.connections, 0);
});
