import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GOODBYES_MAX, Goodbyes } from '#loadgen/goodbyes.ts';

test('so many say goodbye at a time, and each answer lets another go', () => {
  const goodbyes = new Goodbyes();
  assert.equal(goodbyes.room, GOODBYES_MAX);
  for (let each = 0; each < GOODBYES_MAX; each++) goodbyes.said();
  assert.equal(goodbyes.room, 0);
  goodbyes.answered();
  goodbyes.over();
  assert.equal(goodbyes.room, 1);
});

test('a server that is only slow is waited for: some answers among the time-outs keep the bound', () => {
  const goodbyes = new Goodbyes();
  for (let each = 0; each < 3 * GOODBYES_MAX; each++) {
    goodbyes.said();
    if (each % 1000 === 999) goodbyes.answered();
    else goodbyes.timedOut();
    goodbyes.over();
    assert.equal(goodbyes.room, GOODBYES_MAX);
  }
});

test('a server that answers nobody of a whole crowd is not waited for', () => {
  const goodbyes = new Goodbyes();
  for (let each = 0; each < GOODBYES_MAX; each++) goodbyes.said();
  for (let each = 0; each < GOODBYES_MAX; each++) {
    assert.notEqual(goodbyes.room, Number.POSITIVE_INFINITY);
    goodbyes.timedOut();
    goodbyes.over();
  }
  assert.equal(goodbyes.room, Number.POSITIVE_INFINITY);
});
