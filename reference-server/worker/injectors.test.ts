// Each injector does what it says, as often as messages were delivered, and nothing when it is off.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#core/clock/clock.ts';
import { createWorkerStats, STAT } from '#reference-server/statistics/worker-stats.ts';
import { Injectors } from '#reference-server/worker/injectors.ts';
import { DEFAULT_SETTINGS, type WorkerSettings } from '#reference-server/worker/worker-control.ts';

const stats = createWorkerStats();
const lock = new Int32Array(new SharedArrayBuffer(4));

/** How long one turn that delivered `messages` took, us. */
function turn(settings: Partial<WorkerSettings>, messages: number): number {
  const injectors = new Injectors(stats, systemClock, lock, true);
  injectors.set({ ...DEFAULT_SETTINGS, ...settings });
  stats[STAT.delivered]! += messages;
  const startUs = systemClock.monoUs();
  injectors.onTurn();
  const tookUs = systemClock.monoUs() - startUs;
  // The next turn delivered nothing.
  const againUs = systemClock.monoUs();
  injectors.onTurn();
  assert.ok(systemClock.monoUs() - againUs < 100_000, 'a turn without messages is left alone');
  return tookUs;
}

test('lock: held for as long as all messages of the turn ask for, free afterwards', () => {
  assert.ok(turn({ injectLockUs: 500 }, 20) >= 10_000);
  assert.equal(lock[0], 0);
});

test('lock: a holder that died is not waited for for ever', () => {
  lock[0] = 1;
  assert.ok(turn({ injectLockUs: 1 }, 1) >= 90_000);
  assert.equal(lock[0], 0);
});

test('queue: one sleep for a turn, however many messages; without using the processor', () => {
  const before = process.cpuUsage();
  assert.ok(turn({ injectQueueUs: 50_000 }, 300) >= 50_000);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 45_000, `${user + system} us of CPU`);
});

test('alloc and syscall: for each message, bounded for a turn', () => {
  const before = process.memoryUsage().heapUsed;
  turn({ injectAllocBytes: 64 * 1024 }, 10);
  assert.ok(process.memoryUsage().heapUsed !== before);
  assert.ok(turn({ injectSyscalls: 1000 }, 1_000_000) > turn({}, 1_000_000), 'calls take time');
});

test('freeze: the last worker stands still once for each change of the knob, the others never', () => {
  const took = (injectors: Injectors, injectFreezeMs: number): number => {
    injectors.set({ ...DEFAULT_SETTINGS, injectFreezeMs });
    const startUs = systemClock.monoUs();
    injectors.onTurn();
    return systemClock.monoUs() - startUs;
  };
  const last = new Injectors(stats, systemClock, lock, true);
  assert.ok(took(last, 120) >= 120_000);
  assert.ok(took(last, 120) < 100_000, 'the same setting again is no order');
  assert.ok(took(last, 0) < 100_000);
  assert.ok(took(last, 120) >= 120_000);
  assert.ok(took(new Injectors(stats, systemClock, lock, false), 30_000) < 100_000);
});
