import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DueHeap } from '#reference-server/broker/due-heap.ts';

test('what is due comes in the order of its time, and nothing before it', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50)), fc.array(fc.nat(50)), (times, looks) => {
      const heap = new DueHeap<number>();
      for (const time of times) heap.push(time, time);
      const waiting = [...times].sort((a, b) => a - b);
      for (const now of looks) {
        for (;;) {
          const got = heap.pop(now);
          assert.equal(got, waiting[0] !== undefined && waiting[0] <= now ? waiting[0] : undefined);
          if (got === undefined) break;
          waiting.shift();
        }
        assert.equal(heap.size, waiting.length);
      }
    }),
  );
});
