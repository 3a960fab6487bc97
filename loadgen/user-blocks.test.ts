import assert from 'node:assert/strict';
import test from 'node:test';
import { BLOCKS, blockOf } from '#loadgen/user-blocks.ts';
import { shareOfUsers } from '#loadgen/worker-plan.ts';

test('blocks are those that hosts of the same number would have', () => {
  for (const users of [1, 7, 30, 31, 100, 3000, 99_991]) {
    for (let block = 1; block <= BLOCKS; block++) {
      const { first, count } = shareOfUsers(users, BLOCKS, block - 1);
      for (const user of [first, first + count - 1]) {
        if (count > 0) assert.equal(blockOf(user, users), block, `${user} of ${users}`);
      }
    }
  }
});
