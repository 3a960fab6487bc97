// Any two stacks over any bad way: every byte arrives once and in order, both ends are orderly, nothing stays behind,
// and no packet says anything that TCP does not allow (test/two-stacks.ts judges each).

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLOSE_REASON } from '#core/socket/reactor.ts';
import {
  type Side,
  type SideOptions,
  TwoStacks,
  type Way,
} from '#core/socket/stack/test/two-stacks.ts';
import { pattern } from '#core/socket/test/subject.ts';

const RUNS = Number(process.env['WSAR_TEST_RUNS'] ?? 150);
/** A window of 100 bytes over a way that loses a fifth: backed off again and again, some seconds a segment. */
const DAY_S = 86_400;
const TIME_WAIT_US = 60e6;

const ways: fc.Arbitrary<Way> = fc.record({
  seed: fc.integer({ min: 1, max: 1e6 }),
  lossRatio: fc.constantFrom(0, 0, 0.01, 0.05, 0.1, 0.2),
  twiceRatio: fc.constantFrom(0, 0.05, 0.3),
  lateRatio: fc.constantFrom(0, 0.5),
  lateMs: fc.constantFrom(100, 1000, 20_000),
  delayMs: fc.constantFrom(0, 1, 10, 40, 300),
  jitterMs: fc.constantFrom(0, 0, 2, 30, 500),
});

const options: fc.Arbitrary<SideOptions> = fc.record({
  tcp: fc.record({ sack: fc.boolean(), scaling: fc.boolean(), timestamps: fc.boolean() }),
  windowBytes: fc.constantFrom(100, 1000, 2000, 5000, 65_535, 65_536, 200_000, 2 ** 20),
  beforeWrap: fc.constantFrom(undefined, 0, 1, 2, 500, 3000, 40_000),
});

/** What a side does, and after how long. */
const acts = fc.array(
  fc.record({
    side: fc.constantFrom(0, 1),
    afterMs: fc.constantFrom(0, 0, 1, 5, 50, 300, 5000),
    what: fc.oneof(
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 1, max: 120_000 }),
      fc.constantFrom('pause', 'resume', 'endOutput'),
    ),
  }),
  { maxLength: 14 },
);

type Act = typeof acts extends fc.Arbitrary<(infer One)[]> ? One : never;

function perform(side: Side, what: Act['what'], seed: number): void {
  const { life } = side.stack;
  if (side.closeReason !== undefined) return;
  if (typeof what === 'number') side.write(pattern(what, seed));
  else if (what === 'pause') life.pauseReceive(side.conn);
  else if (what === 'resume') life.resumeReceive(side.conn);
  else life.endOutput(side.conn);
}

function run(way: Way, both: readonly [SideOptions, SideOptions], list: readonly Act[]): TwoStacks {
  const two = new TwoStacks(way, both);
  const { sides } = two;
  for (const side of sides) side.connect();
  for (const side of sides) side.turn(0);
  two.until(() => sides.every(({ connectErrno }) => connectErrno !== undefined), DAY_S);
  for (const { connectErrno } of sides) assert.equal(connectErrno, 0);
  for (const [index, { side, afterMs, what }] of list.entries()) {
    const untilUs = two.us + afterMs * 1000;
    while (two.us < untilUs) two.step(untilUs);
    perform(sides[side]!, what, index);
  }
  for (const side of sides) perform(side, 'resume', 0);
  for (const side of sides) perform(side, 'endOutput', 0);
  two.until(() => sides.every(({ closeReason }) => closeReason !== undefined), DAY_S);
  return two;
}

test('whatever is written on either side arrives over any way; both ends are orderly', (t) => {
  const seed = Number(process.env['WSAR_TEST_SEED'] ?? 42);
  t.diagnostic(`WSAR_TEST_SEED=${seed} WSAR_TEST_RUNS=${RUNS}`);
  const all = fc.property(ways, fc.tuple(options, options), acts, (way, both, list) => {
    const two = run(way, both, list);
    for (const side of two.sides) {
      // Who waits longer for the last acknowledgement than the other side remembers it (TIME_WAIT) meets a reset.
      const isLate = side.closedUs - side.other.closedUs > TIME_WAIT_US;
      const isReset = isLate && side.closeErrno === constants.errno.ECONNRESET;
      if (!isReset) assert.equal(side.closeReason, CLOSE_REASON.orderly);
      assert.equal(side.hasEnded, true);
      assert.equal(side.receivedBytes, side.other.stream.length);
    }
    // Old duplicates meet those that are over, too.
    two.until(() => two.underWay === 0, DAY_S);
    for (const { stack } of two.sides) {
      const rest = [stack.table.used, stack.flights, stack.outputBytes, stack.keeping];
      assert.deepEqual([...rest, stack.deadlines], [0, 0, 0, 0, 0]);
    }
  });
  fc.assert(all, { seed, numRuns: RUNS });
});

test('acknowledgements that were lost are no longer round trip, with timestamps', () => {
  const good = { ...{ seed: 1, lossRatio: 0, twiceRatio: 0, lateRatio: 0, lateMs: 0 }, delayMs: 5 };
  const side = { tcp: { timestamps: true }, windowBytes: 65_535, beforeWrap: 100 };
  const two = new TwoStacks({ ...good, jitterMs: 0 }, [side, side]);
  const [one, other] = two.sides;
  for (const each of two.sides) each.connect();
  for (const each of two.sides) each.turn(0);
  two.until(() => one.connectErrno === 0 && other.connectErrno === 0, 10);
  const before = one.stack.roundTripMs(one.conn);
  const { send } = other;
  other.send = () => true;
  one.write(pattern(10));
  one.turn(two.us);
  const fromUs = two.us;
  two.until(() => two.us - fromUs > 2e6, 10);
  other.send = send;
  two.until(() => one.stack.outputBytes === 0, 10);
  assert.ok(one.count('timeouts') >= 3);
  assert.equal(one.stack.roundTripMs(one.conn), before);
});
