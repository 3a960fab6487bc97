import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gathering } from '#core/socket/ring/gathering.ts';

/** How many of `sleeps` gathered, when a plain one brings `plain` events and one that gathers `gathered`. */
function gatheredOf(gathering: Gathering, sleeps: number, plain: number, gathered: number): number {
  let count = 0;
  for (let sleep = 0; sleep < sleeps; sleep++) {
    const { isOn } = gathering;
    if (isOn) count++;
    gathering.served(isOn ? gathered : plain);
  }
  return count;
}

test('where it brings more events a sleep, nineteen of twenty sleeps gather', () => {
  const count = gatheredOf(new Gathering(), 10_000, 1, 4);
  assert.ok(count > 9400 && count < 9500, `${count} of 10,000`);
});

test('where one answer waits for the other, one sleep in a hundred does, and in the end one in 500', () => {
  const gathering = new Gathering();
  assert.equal(gatheredOf(gathering, 8192 + 72, 2, 2), 72);
  assert.equal(gatheredOf(gathering, 41_040, 2, 2), 80);
});

test('traffic that begins to pay is noticed within 4,104 sleeps, one that ceases to within 280', () => {
  const gathering = new Gathering();
  gatheredOf(gathering, 50_000, 2, 2);
  let sleeps = 0;
  // A trial is shorter.
  for (let inARow = 0; inARow <= 8; sleeps++) inARow += gatheredOf(gathering, 1, 1, 4) || -inARow;
  assert.ok(sleeps <= 4096 + 8 + 1, `${sleeps} sleeps`);
  gatheredOf(gathering, 256 + 16 + 8, 2, 2);
  assert.equal(gathering.isOn, false);
});

test('sleeps that nothing but their time ended change nothing', () => {
  const gathering = new Gathering();
  assert.equal(gatheredOf(gathering, 1000, 0, 0), 0);
  assert.equal(gatheredOf(gathering, 16 + 8, 1, 4), 8);
});
