import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LadderStep } from '#dashboards/report/ladder-record.ts';
import { foresee, sizeDown } from '#lab/ladder/step-room.ts';

const GIB = 1024 ** 3;
const stop = { freeBytesMin: GIB };
const step = (engine: string, connections: number, freeBytesPerUser: number): LadderStep =>
  ({ engine, connections, freeBytesPerUser }) as LadderStep;

test('a step is foreseen from the last large one with the same clients', () => {
  const steps = [
    step('stack', 1_000_000, 4000),
    step('ring', 500_000, 8000),
    step('stack', 20, 9e9),
  ];
  const one = foresee(2_000_000, 'stack', steps, stop, { freeBytes: 10 * GIB });
  // The processes cost the same whatever the step: a million users hold less of them each than twenty.
  const base = 300 * 1024 ** 2;
  assert.equal(Math.round(one.lackBytes), 2_000_000 * 4000 - base + GIB - 10 * GIB);
  assert.equal(one.usersMax, Math.floor((9 * GIB - base) / (4000 - base / 1e6)));
  const other = foresee(2_000_000, 'ring', steps, stop, { freeBytes: 10 * GIB });
  assert.equal(Math.round(other.lackBytes), 2_000_000 * 8000 - 3 * base + GIB - 10 * GIB);
  assert.equal(other.isWorthTrying, false);
  assert.match(
    other.sentence,
    /2,000,000 users, needs about 15.0 GiB of free memory \(7,371 bytes a user and 1.0 GiB kept/,
  );
});

test('without a measurement both ends in the kernel need about twice as much', () => {
  const need = (engine: 'stack' | 'ring'): number =>
    foresee(1_000_000, engine, [], stop, { freeBytes: 0 }).lackBytes;
  assert.ok(need('ring') > 1.7 * need('stack') && need('ring') < 2.2 * need('stack'));
  assert.equal(
    foresee(5, 'ring', [], stop, { freeBytes: null }).lackBytes,
    Number.NEGATIVE_INFINITY,
  );
});

test('what lacks little is tried', () => {
  const need = foresee(2_800_000, 'ring', [], stop, { freeBytes: 0 }).lackBytes;
  const isTried = (share: number): boolean =>
    foresee(2_800_000, 'ring', [], stop, { freeBytes: need * share }).isWorthTrying;
  assert.deepEqual([0.96, 0.98, 1, 2].map(isTried), [false, true, true, true]);
});

test('a step without room is sized down to a round number, if that is still a step up', () => {
  assert.equal(sizeDown(2_765_432, 2_400_000), 2_730_000);
  assert.equal(sizeDown(2_765_432, 2_650_000), undefined);
  assert.equal(sizeDown(47_111, 0), 46_600);
  assert.equal(sizeDown(900, 0), undefined);
  assert.equal(sizeDown(0, 0), undefined);
});
