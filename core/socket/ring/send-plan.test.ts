import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SendPlan } from '#core/socket/ring/send-plan.ts';

/** Of 1,000 sleeps after sends, how many had their sends leave first; every `period`th is long, or short. */
function firstOf(period: number, odd: number, others: number): number {
  const plan = new SendPlan(2000);
  let first = 0;
  for (let sleep = 0; sleep < 1000; sleep++) {
    if (plan.isFirst) first++;
    plan.slept(sleep % period === 0 ? odd : others);
  }
  return first;
}

test('on a quiet server sends leave first from the third on, also when some sleeps are short', () => {
  assert.equal(firstOf(1, 200_000, 0), 998);
  assert.ok(firstOf(5, 100, 9000) > 990);
});

test('on a busy server they leave with the sleep, also when some are long', () => {
  assert.equal(firstOf(1, 1999, 0), 0);
  assert.equal(firstOf(3, 200_000, 100), 0);
});
