// What the turns of a loop cost, and that counting them costs nothing of the heap.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { whyNoEpoll } from '#core/socket/epoll/why-no-epoll.ts';
import { REACTOR_STAT, REACTOR_STAT_COUNT } from '#core/socket/reactor.ts';
import { TurnCounter } from '#core/socket/turns.ts';
import { skipUnless } from '#test/foreign-part.ts';

const lack = whyNoEpoll();
const skip = skipUnless(lack === undefined ? [] : [lack], 'use Linux with koffi');
const TURN_US = 2500;

suite('the counter of turns', { skip }, () => {
  test('reads the CPU time of its thread, as the kernel tells it, for the longest turn', () => {
    const stats = new Float64Array(REACTOR_STAT_COUNT);
    const counter = new TurnCounter(stats);
    counter.count(10_000, 5, 0);
    const before = process.threadCpuUsage();
    for (let us = 0; us < 20_000; ) {
      const { user, system } = process.threadCpuUsage(before);
      us = user + system;
    }
    counter.count(5_010_000, 5_000_000, 0);
    const { user, system } = process.threadCpuUsage(before);
    const [tookUs, toldUs] = [user + system, stats[REACTOR_STAT.turnCpuUsMax]!];
    // Read by the scheduler's ticks in one and exactly in the other.
    assert.ok(Math.abs(toldUs - tookUs) < 5000, `${toldUs} of ${tookUs}`);
    // No turn takes more of the CPU than it lasts.
    counter.count(9_010_000, TURN_US, 0);
    assert.equal(stats[REACTOR_STAT.turnCpuUsMax], toldUs);
    assert.equal(stats[REACTOR_STAT.turns], 3);
  });

  test('500 readings a second make no object', (t) => {
    const usage = t.mock.method(process, 'threadCpuUsage');
    const counter = new TurnCounter(new Float64Array(REACTOR_STAT_COUNT));
    let nowUs = 1;
    const grown = (readings: number): number => {
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < readings; i++) {
        nowUs += TURN_US;
        counter.count(nowUs, TURN_US, 0);
      }
      return process.memoryUsage().heapUsed - before;
    };
    grown(50_000);
    // The compiler may still allocate in some rounds; one object a reading would show in all.
    const growth = [0, 1, 2, 3, 4].map(() => Math.abs(grown(20_000)));
    assert.ok(Math.min(...growth) < 20_000, `bytes for 20,000 readings: ${growth}`);
    assert.equal(usage.mock.callCount(), 0, 'process.threadCpuUsage makes one each');
  });
});
