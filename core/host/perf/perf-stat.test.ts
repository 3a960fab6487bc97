// The way without the FFI: what perf 6.1 really wrote, and perf itself where it is installed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { systemClock, VirtualClock } from '#core/clock/clock.ts';
import { LineSplitter } from '#core/host/line-splitter.ts';
import { PerfStatChild, type PerfStatInterval } from '#core/host/perf/perf-stat-child.ts';
import { parsePerfStatLine } from '#core/host/perf/perf-stat-line.ts';
import { startKnownWork } from '#core/host/perf/test/known-work.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`./fixtures/${name}`, import.meta.url));

/** Feeds captured output through a child that was not started. */
function replay(name: string, events: string[], chunkBytes: number): PerfStatInterval[] {
  const intervals: PerfStatInterval[] = [];
  const child = new PerfStatChild({
    clock: systemClock,
    events,
    intervalMs: 250,
    pids: [],
    onInterval: (interval) => intervals.push({ ...interval, counts: interval.counts.slice() }),
  });
  const lines = new LineSplitter(4096, (line) => child.takeLine(line));
  const bytes = fixture(name);
  for (let at = 0; at < bytes.length; at += chunkBytes)
    lines.push(bytes.subarray(at, at + chunkBytes));
  assert.equal(lines.overlong, 0);
  return intervals;
}

const ROOT_EVENTS = [
  'task-clock',
  'context-switches',
  'cpu-migrations',
  'page-faults',
  'major-faults',
]
  .concat('raw_syscalls:sys_enter', 'lock:contention_begin', 'exceptions:page_fault_user')
  .concat('exceptions:page_fault_kernel', 'sched:sched_migrate_task', 'cycles', 'instructions');

test('captured output of perf 6.1, cut anywhere, gives the same intervals', () => {
  const whole = replay('perf-stat-6.1-root.txt', ROOT_EVENTS, 1e6);
  for (const chunkBytes of [1, 7, 100]) {
    const again = replay('perf-stat-6.1-root.txt', ROOT_EVENTS, chunkBytes);
    assert.deepEqual(
      again.map(({ counts, lengthS }) => [counts, lengthS]),
      whole.map(({ counts, lengthS }) => [counts, lengthS]),
    );
  }
  const [first, second] = whole;
  const of = (interval: PerfStatInterval, event: string): number =>
    interval.counts[ROOT_EVENTS.indexOf(event)]!;
  assert.equal(first!.lengthS, 0.250264437);
  assert.ok(Math.abs(second!.lengthS - 0.251136355) < 1e-12);
  assert.equal(of(first!, 'raw_syscalls:sys_enter'), 438_269);
  assert.equal(of(second!, 'context-switches'), 1048);
  assert.ok(Math.abs(of(first!, 'task-clock') - 500.89e6) < 1, 'msec become ns');
  assert.ok(Number.isNaN(of(first!, 'cycles')), 'not supported is not 0');
});

test('what perf counts of user space only is no count of what happens in the kernel', () => {
  const events = ['context-switches', 'cycles', 'page-faults'];
  const [first] = replay('perf-stat-6.1-user.txt', events, 50);
  assert.deepEqual([...first!.counts].map(Number.isNaN), [true, true, false]);
});

test('an interval that lacks a line is left out; strange lines are counted', () => {
  const intervals: number[][] = [];
  const child = new PerfStatChild({
    clock: systemClock,
    events: ['page-faults', 'cycles'],
    intervalMs: 1000,
    pids: [],
    onInterval: ({ counts, lengthS, share }) => intervals.push([...counts, lengthS, share]),
  });
  for (const line of [
    '1.0,5,,page-faults,1000,100.00,,',
    '2.0,6,,page-faults,1000,100.00,,',
    '2.0,400,,cycles,500,25.00,,',
    'Some warning, with, commas, in, it, and more',
    '3.0,-5,,page-faults,1000,100.00,,',
    '3.0,7,,unknown-event,1000,100.00,,',
    '4.0,<not counted>,,cycles,0,0.00,,',
    '4.0,8,,page-faults,1000,100.00,,',
  ]) {
    child.takeLine(line);
  }
  assert.deepEqual(intervals, [
    [6, 400, 2, 0.25],
    [8, Number.NaN, 2, 1],
  ]);
  assert.equal(child.refusedLines, 3);
  assert.equal(parsePerfStatLine('x'), undefined);
  assert.equal(parsePerfStatLine(''), undefined);
  assert.equal(parsePerfStatLine('1.0,5,,cycles:u,1,100.00')?.event, 'cycles');
  assert.equal(
    parsePerfStatLine('1.0,5,,sched:sched_migrate_task,1,100.00')?.event,
    'sched:sched_migrate_task',
  );
});

test('a line without an end takes no memory, and the next one is read', () => {
  const lines: string[] = [];
  const splitter = new LineSplitter(10, (line) => lines.push(line));
  for (let i = 0; i < 100; i++) splitter.push(Buffer.alloc(1000, 65));
  splitter.push(Buffer.from('\nshort\r\n0123456789\nabc'));
  assert.deepEqual(lines, ['short', '0123456789']);
  assert.deepEqual([splitter.overlong, splitter.heldBytes], [1, 3]);
});

const isRoot = process.getuid?.() === 0;
const skip = needPrograms('perf', 'gcc') || skipUnless(isRoot ? [] : ['root'], 'run as root');

test('perf itself counts system calls of a known program', { skip }, async (t: TestContext) => {
  const program = await startKnownWork(t);
  let total = 0;
  const { promise: first, resolve: onFirst } = Promise.withResolvers<void>();
  const { promise: second, resolve: onSecond } = Promise.withResolvers<void>();
  const child = new PerfStatChild({
    clock: systemClock,
    events: ['raw_syscalls:sys_enter', 'cycles'],
    intervalMs: 100,
    pids: [program.pid],
    onInterval: ({ counts }) => {
      // A process that sleeps throughout is 'not counted'.
      if (!Number.isNaN(counts[0]!)) total += counts[0]!;
      onFirst();
      if (total >= 200_000) onSecond();
    },
  });
  child.start();
  await first;
  await program.work('syscalls', 200_000);
  await second;
  assert.ok(total >= 200_000 && total <= 200_004, `${total}`);
  await child.close();
  assert.equal(child.restarts, 0);
});

test('a perf that cannot be started has a reason and is tried again, later and later', async () => {
  const clock = new VirtualClock();
  const planned: number[] = [];
  let { promise, resolve } = Promise.withResolvers<void>();
  const child = new PerfStatChild({
    clock: {
      monoUs: () => clock.monoUs(),
      wallMs: () => clock.wallMs(),
      after: (ms, callback) => {
        planned.push(ms);
        resolve();
        return clock.after(ms, callback);
      },
    },
    events: ['cycles'],
    intervalMs: 100,
    pids: [],
    program: 'wsar-no-such-program',
    onInterval: () => assert.fail('no interval'),
  });
  child.start();
  for (let attempt = 1; attempt <= 3; attempt++) {
    await promise;
    ({ promise, resolve } = Promise.withResolvers<void>());
    if (attempt < 3) clock.advance(planned.at(-1)!);
  }
  assert.deepEqual(planned, [1000, 2000, 4000]);
  assert.match(child.words, /wsar-no-such-program ENOENT/);
  assert.equal(child.restarts, 2);
  await child.close();
});
