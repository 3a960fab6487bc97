// Counters judged by a program that does a known amount of work, and by what /proc says of the same process.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { loadPerfCalls, type PerfCalls } from '#core/host/perf/perf-calls.ts';
import { PerfCounters } from '#core/host/perf/perf-counters.ts';
import { PERF_GROUPS } from '#core/host/perf/perf-event.ts';
import { PerfGroup } from '#core/host/perf/perf-group.ts';
import { refusalText } from '#core/host/perf/perf-refusal.ts';
import { cpuTargets, onlineText, threadTargets } from '#core/host/perf/perf-targets.ts';
import { startKnownWork } from '#core/host/perf/test/known-work.ts';
import { tracepointId } from '#core/host/perf/tracepoint.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const skip = needPrograms('gcc') || skipUnless(whatLacks(), 'be root on a kernel with tracefs');

function whatLacks(): string[] {
  const calls = loadPerfCalls();
  if (typeof calls === 'string') return [calls];
  const id = tracepointId('raw_syscalls:sys_enter');
  return typeof id === 'string' ? [id] : [];
}

const calls = (): PerfCalls => loadPerfCalls() as PerfCalls;

/** Descriptors of perf that this process holds. */
function openCounters(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('perf_event');
    } catch {
      return false; // The one of the listing itself is gone.
    }
  }).length;
}

/** Counts what a process does between two calls. */
function countersOf(t: TestContext, pid: number) {
  const counters = new PerfCounters({
    calls: calls(),
    targets: threadTargets(pid),
    groups: PERF_GROUPS,
  });
  t.after(() => counters.close());
  for (const group of counters.groups) counters.enable(group);
  const read = (): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const group of counters.groups) {
      counters.read(group);
      for (const [i, name] of group.names.entries()) counts.set(name, group.counts[i]!);
    }
    return counts;
  };
  read();
  return { counters, read };
}

/** Page faults, and context switches, of a process since its start. */
function procOf(pid: number): { faults: number; switches: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const switches = [...status.matchAll(/ctxt_switches:\s+(\d+)/g)].map(([, n]) => Number(n));
  return { faults: Number(stat[7]) + Number(stat[9]), switches: switches[0]! + switches[1]! };
}

test('system calls of a process are counted to the last one', { skip }, async (t) => {
  const program = await startKnownWork(t);
  const { read } = countersOf(t, program.pid);
  for (const count of [0, 1000, 250_000]) {
    await program.work('syscalls', count);
    const counted = read().get('raw_syscalls:sys_enter')!;
    // And its own: the answer, and the next read.
    assert.equal(counted, count + 2);
  }
});

test('threads that a process starts later are counted with it', { skip }, async (t) => {
  const program = await startKnownWork(t);
  const { read } = countersOf(t, program.pid);
  await program.work('threads', 10_000);
  const counted = read().get('raw_syscalls:sys_enter')!;
  assert.ok(counted >= 10_000 && counted < 10_100, `${counted}`);
});

test('page faults and context switches are those that /proc counts', { skip }, async (t) => {
  const program = await startKnownWork(t);
  const { read } = countersOf(t, program.pid);
  for (const [what, count] of [
    ['faults', 5000],
    ['sleeps', 300],
  ] as const) {
    const before = procOf(program.pid);
    read();
    await program.work(what, count);
    const counts = read();
    const after = procOf(program.pid);
    const faults = counts.get('page-faults')!;
    const switches = counts.get('context-switches')!;
    assert.equal(faults, after.faults - before.faults);
    assert.equal(switches, after.switches - before.switches);
    assert.ok((what === 'faults' ? faults : switches) >= count, `${faults} ${switches}`);
    const traps = counts.get('exceptions:page_fault_user');
    if (traps !== undefined && what === 'faults') assert.ok(traps >= count, `${traps} traps`);
  }
});

test('all processors together count what one process did', { skip }, async (t) => {
  const program = await startKnownWork(t);
  const group = PERF_GROUPS.find(({ name }) => name === 'raw_syscalls:sys_enter')!;
  const counters = new PerfCounters({
    calls: calls(),
    targets: cpuTargets(onlineText()),
    groups: [group],
  });
  t.after(() => counters.close());
  const [counted] = counters.groups;
  counters.enable(counted!);
  counters.read(counted!);
  await program.work('syscalls', 300_000);
  counters.read(counted!);
  // Others run too; ours is in it as a whole.
  assert.ok(counted!.counts[0]! >= 300_000, `${counted!.counts[0]}`);
  assert.equal(counted!.read, counters.targets);
});

test('a group that is off counts nothing, and its time does not run', { skip }, async (t) => {
  const program = await startKnownWork(t);
  const { counters, read } = countersOf(t, program.pid);
  for (const group of counters.groups) counters.disable(group);
  read();
  await program.work('syscalls', 5000);
  assert.equal(read().get('raw_syscalls:sys_enter'), 0);
  assert.ok(counters.groups.every(({ enabledNs }) => enabledNs === 0));
});

test('an event that this machine lacks has a reason; the others count', { skip }, (t) => {
  const { counters } = countersOf(t, process.pid);
  const names = counters.groups.flatMap((group) => group.names);
  const absent = counters.absent.map(({ name }) => name);
  const all = PERF_GROUPS.flatMap(({ events }) => events.map(({ name }) => name));
  assert.deepEqual([...names, ...absent].sort(), all.toSorted());
  assert.ok(names.includes('context-switches'));
  for (const { reason } of counters.absent) assert.match(reason, /\w+ \w+/);
  assert.equal(tracepointId('no:such'), 'this kernel has no tracepoint no:such');
  assert.match(tracepointId('no:such', ['/nowhere']) as string, /not mounted/);
  assert.match(refusalText(1, 1), /perf_event_paranoid \(is -?\d+\)/);
  assert.match(refusalText(38, 1), /seccomp/);
});

test('descriptors are bounded: the least events are left out as a whole and named', {
  skip,
}, (t) => {
  const before = openCounters();
  const targets = cpuTargets(onlineText());
  const groups = PERF_GROUPS.slice(0, 2);
  const counters = new PerfCounters({
    calls: calls(),
    targets,
    groups,
    descriptorsMax: 3 * targets.length + 1,
  });
  t.after(() => counters.close());
  assert.equal(counters.descriptors, 3 * targets.length);
  assert.equal(openCounters() - before, counters.descriptors);
  assert.deepEqual(
    counters.absent.map(({ name }) => name),
    ['page-faults', 'major-faults', 'raw_syscalls:sys_enter'],
  );
  assert.match(counters.absent[0]!.reason, /leave no room/);
  counters.close();
  assert.equal(openCounters(), before, 'every descriptor is closed');
});

test('of a process with too many threads, threads are left out and counted', { skip }, (t) => {
  const targets = threadTargets(process.pid);
  const events = PERF_GROUPS[0]!.events.length;
  const counters = new PerfCounters({
    calls: calls(),
    targets,
    groups: PERF_GROUPS.slice(0, 1),
    descriptorsMax: events * 2,
  });
  t.after(() => counters.close());
  assert.equal(counters.targets, 2);
  assert.equal(counters.targetsLeftOut, targets.length - 2);
});

test('a process that is gone: no counter, a reason, nothing left open', { skip }, async (t) => {
  const program = await startKnownWork(t);
  await program.end();
  const before = openCounters();
  const counters = new PerfCounters({
    calls: calls(),
    targets: threadTargets(program.pid),
    groups: PERF_GROUPS,
  });
  assert.equal(counters.groups.length, 0);
  assert.match(counters.absent[0]!.reason, /gone/);
  const refused = PerfGroup.open(calls(), { pid: program.pid, cpu: -1 }, [
    { name: 'context-switches', type: 1, config: 3, isUserOnly: false },
  ]);
  assert.ok(!(refused instanceof PerfGroup) && refused.errno === 3);
  assert.equal(openCounters(), before);
});

/** A host of any size: every counter is granted, none is real. */
function grantingCalls(): { calls: PerfCalls; open: Set<number> } {
  const open = new Set<number>();
  let next = 1000;
  const granted: PerfCalls = {
    open: () => {
      open.add(next);
      return next++;
    },
    ioctl: () => 0,
    close: (fd) => void open.delete(fd),
    descriptorsMax: () => 1_048_576,
  };
  return { calls: granted, open };
}

test('a host of 128 processors takes 1,024 descriptors, one of 2,000 none', () => {
  for (const [processors, eventsKept] of [
    [2, 20],
    [64, 16],
    [128, 8],
    [1024, 1],
    [2000, 0],
  ] as const) {
    const { calls: granted, open } = grantingCalls();
    const counters = new PerfCounters({
      calls: granted,
      targets: cpuTargets(`0-${processors - 1}`),
      groups: PERF_GROUPS,
      findTracepoint: () => 443,
    });
    const names = counters.groups.flatMap((group) => group.names);
    assert.equal(names.length, eventsKept, `${processors} processors`);
    assert.equal(counters.descriptors, eventsKept * processors);
    assert.equal(open.size, counters.descriptors);
    assert.equal(counters.absent.length, 20 - eventsKept);
    if (eventsKept === 8) assert.ok(names.includes('raw_syscalls:sys_enter'));
    counters.close();
    assert.equal(open.size, 0);
  }
});

test('few descriptors of the process: half of them at the most', () => {
  const { calls: granted } = grantingCalls();
  const counters = new PerfCounters({
    calls: { ...granted, descriptorsMax: () => 20 },
    targets: cpuTargets('0-1'),
    groups: PERF_GROUPS,
    findTracepoint: () => 443,
  });
  assert.equal(counters.descriptors, 10);
});
