// The scoreboard against a plain set of sequence numbers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BOARDS_MAX, RANGES_MAX, SackScoreboard } from '#core/socket/stack/sack-scoreboard.ts';
import { sequenceAdd } from '#core/socket/stack/sequence.ts';

const SPAN = 60;
/** Near the wrap, and far from it. */
const firsts = fc.constantFrom(0, 12_345, 2 ** 32 - 20, 2 ** 31 - 10);
const steps = fc.array(
  fc.record({ at: fc.integer({ min: 1, max: SPAN - 1 }), count: fc.integer({ min: 1, max: 9 }) }),
  { maxLength: 40 },
);

test('what has arrived, and what is missing, is what a set of numbers says', () => {
  fc.assert(
    fc.property(firsts, steps, fc.integer({ min: 0, max: 20 }), (first, reports, acknowledged) => {
      const board = new SackScoreboard(4);
      const has = new Set<number>();
      for (const { at, count } of reports) {
        const wasNew = Array.from({ length: count }, (_, i) => at + i).some((n) => !has.has(n));
        const refused = board.refused;
        const isNews = board.add(2, sequenceAdd(first, at), sequenceAdd(first, at + count));
        if (board.refused > refused) continue;
        assert.equal(isNews, wasNew);
        for (let n = at; n < at + count; n++) has.add(n);
      }
      const isReneging = has.has(acknowledged);
      board.advance(2, sequenceAdd(first, acknowledged));
      assert.equal(board.reneged, isReneging ? 1 : 0);
      if (isReneging) has.clear();
      for (const n of has) if (n < acknowledged) has.delete(n);
      const start = sequenceAdd(first, acknowledged);
      const offsets = Array.from({ length: SPAN + 10 }, (_, i) => i);
      const arrived = (offset: number): boolean => has.has(acknowledged + offset);
      for (const offset of offsets) {
        const count = offsets.filter((one) => one < offset && arrived(one)).length;
        assert.equal(board.arrived(2, start, 0, offset), count);
        const missing = offsets.concat(SPAN + 10).find((one) => one >= offset && !arrived(one));
        assert.equal(board.missingFrom(2, start, offset), missing);
      }
      assert.equal(board.boardOf[2] === 0, has.size === 0, 'a board only for who has gaps');
    }),
  );
});

test('lost is what three segments, or as many gaps, have arrived behind (RFC 6675)', () => {
  const board = new SackScoreboard(1);
  board.add(0, 1000, 1100);
  assert.equal(board.lostBefore(0, 0, 100), 0);
  board.add(0, 1100, 1200);
  assert.equal(board.lostBefore(0, 0, 100), 0);
  board.add(0, 1200, 1201);
  assert.equal(board.lostBefore(0, 0, 100), 1000);
  board.release(0);
  for (const start of [100, 200, 300]) board.add(0, start, start + 1);
  assert.equal(board.lostBefore(0, 0, 100), 100);
});

test('ranges and boards are bounded; what is refused is counted, and given back boards serve again', () => {
  const board = new SackScoreboard(BOARDS_MAX + 1);
  for (let range = 0; range <= RANGES_MAX; range++) board.add(0, range * 10 + 5, range * 10 + 6);
  assert.equal(board.refused, 1);
  assert.equal(board.arrived(0, 0, 0, 1000), RANGES_MAX);
  for (let flight = 1; flight <= BOARDS_MAX; flight++) board.add(flight, 5, 6);
  assert.equal(board.refused, 2);
  assert.equal(board.boardOf[BOARDS_MAX], 0);
  board.release(7);
  assert.ok(board.add(BOARDS_MAX, 5, 6));
});
