import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoginWatch } from '#lab/ladder/login-watch.ts';

test('who stops coming in for a minute will not: 425,000 users had 4 minutes and a half', () => {
  const watch = new LoginWatch(425_000, 1000);
  assert.equal(watch.isHopeless(null, 61_000), false);
  assert.equal(watch.isHopeless(7, 61_001), false);
  // Some are lost again and come back: that is no growth.
  assert.equal(watch.isHopeless(3, 100_000), false);
  assert.equal(watch.isHopeless(7, 121_001), false);
  assert.equal(watch.isHopeless(7, 121_002), true);
  assert.equal(new LoginWatch(2, 0).isHopeless(null, 60_001), true);
});

test('when the generator has all in, the server agrees soon or not at all', () => {
  const watch = new LoginWatch(100, 0);
  assert.equal(watch.isHopeless(100, 50_000), false);
  assert.equal(watch.isHopeless(99, 65_000), false);
  assert.equal(watch.isHopeless(100, 65_001), true);
});
