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
  assert.equal(one.lackBytes, 2_000_000 * 4000 + GIB - 10 * GIB);
  assert.equal(one.usersMax, Math.floor((9 * GIB) / 4000));
  const other = foresee(2_000_000, 'ring', steps, stop, { freeBytes: 10 * GIB });
  assert.equal(other.lackBytes, 2_000_000 * 8000 + GIB - 10 * GIB);
  assert.match(
    other.sentence,
    /2,000,000 users, needs about 15.9 GiB of free memory \(8,000 bytes a user and 1.0 GiB kept/,
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

test('a step without room is sized down to a round number, if that is still a step up', () => {
  const { sentence } = foresee(5, 'ring', [], stop, { freeBytes: 0 });
  const fit = (usersMax: number): { lackBytes: number; usersMax: number; sentence: string } => ({
    lackBytes: 1,
    usersMax,
    sentence,
  });
  assert.equal(sizeDown(fit(2_765_432), 2_400_000), 2_700_000);
  assert.equal(sizeDown(fit(2_765_432), 2_650_000), undefined);
  assert.equal(sizeDown(fit(47_111), 0), 46_000);
  assert.equal(sizeDown(fit(900), 0), undefined);
  assert.equal(sizeDown(fit(0), 0), undefined);
});
