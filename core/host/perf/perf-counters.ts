// The counters of a set of targets: every event of PERF_GROUPS that this host has, on each processor or thread.
// Sums over the targets are what leaves here.
//
// Descriptors: events times targets. There is a limit; on a host of many processors the least events that break
// it are left out as a whole and named (a sum over some of the processors would be a lie). Of a process with too
// many threads, threads are left out and counted.
//
// Cost: one read(2) a group and target, about 1 us here and some 3 us where another processor must be asked.
// Opening takes about 1 ms an event, closing a tracepoint some 50 ms: the kernel waits until nobody is in it.

import { PerfType } from '#core/host/perf/perf-abi.ts';
import type { PerfCalls } from '#core/host/perf/perf-calls.ts';
import type { PerfEventSpec, PerfGroupSpec } from '#core/host/perf/perf-event.ts';
import { type KnownEvent, PerfGroup, type PerfTarget } from '#core/host/perf/perf-group.ts';
import { refusalText } from '#core/host/perf/perf-refusal.ts';
import { tracepointId } from '#core/host/perf/tracepoint.ts';

/** Descriptors of counters at the most: 15 events on 64 processors need 960. */
export const DESCRIPTORS_MAX = 1024;
/** Of the process's own limit, the share that counters may take. */
const DESCRIPTORS_SHARE = 0.5;

/** What happens in the kernel only: counted of user space it would be a lie of 0. */
const KERNEL_ONLY = ['context-switches', 'cpu-migrations'];

/** An event that is not counted, and why. */
export interface AbsentEvent {
  name: string;
  reason: string;
}

/** One group on all targets. */
export interface CountedGroup {
  spec: PerfGroupSpec;
  /** Names of the events that are counted, in the order of `counts`. */
  names: string[];
  /** Of them, those of which only what user space does is counted. */
  userOnly: string[];
  /** Of the interval that the last read ended, sums over the targets; NaN: not known. */
  counts: Float64Array;
  /** Sums over the targets, ns. */
  enabledNs: number;
  runningNs: number;
  /** Targets that could be read. */
  read: number;
}

interface Standing extends CountedGroup {
  onTargets: PerfGroup[];
}

export interface PerfCountersOptions {
  calls: PerfCalls;
  targets: readonly PerfTarget[];
  groups: readonly PerfGroupSpec[];
  /** Default: DESCRIPTORS_MAX, or half of what the process may have. */
  descriptorsMax?: number;
  /** Where the number of a tracepoint is found; a test has its own. */
  findTracepoint?: (name: string) => number | string;
}

export class PerfCounters {
  readonly groups: readonly CountedGroup[];
  readonly absent: readonly AbsentEvent[];
  /** Threads that found no room. */
  readonly targetsLeftOut: number;
  readonly descriptors: number;
  readonly targets: number;
  /** Whether the targets are processors, not threads. */
  readonly areProcessors: boolean;
  readonly #standing: Standing[] = [];

  constructor(options: PerfCountersOptions) {
    const { calls, targets, groups } = options;
    const absent: AbsentEvent[] = [];
    const limit =
      options.descriptorsMax ??
      Math.min(DESCRIPTORS_MAX, Math.floor(calls.descriptorsMax() * DESCRIPTORS_SHARE));
    const known = groups.map((spec) => ({
      spec,
      events: spec.events.flatMap((event) => probe(options, event, absent)),
    }));
    const fitting = fit(known, targets, limit, absent);
    this.targetsLeftOut = targets.length - fitting.targets.length;
    for (const { spec, events } of fitting.groups) {
      if (events.length === 0) continue;
      this.#open(calls, spec, events, fitting.targets, absent);
    }
    this.groups = this.#standing;
    this.absent = absent;
    this.targets = fitting.targets.length;
    this.areProcessors = targets[0]?.pid === -1;
    this.descriptors = this.#standing.reduce(
      (sum, { names, onTargets }) => sum + names.length * onTargets.length,
      0,
    );
  }

  enable(group: CountedGroup): void {
    for (const on of (group as Standing).onTargets) on.enable();
  }

  disable(group: CountedGroup): void {
    for (const on of (group as Standing).onTargets) on.disable();
  }

  /** Ends the interval since the last read of this group. */
  read(group: CountedGroup): void {
    const { onTargets, counts } = group as Standing;
    counts.fill(0);
    group.enabledNs = 0;
    group.runningNs = 0;
    group.read = 0;
    for (let i = 0; i < onTargets.length; i++) {
      const on = onTargets[i]!;
      if (!on.read()) continue;
      group.read++;
      group.enabledNs += on.enabledNs;
      group.runningNs += on.runningNs;
      for (let event = 0; event < counts.length; event++) {
        counts[event] = counts[event]! + on.count(event);
      }
    }
    if (group.read === 0) counts.fill(Number.NaN);
  }

  close(): void {
    for (const { onTargets } of this.#standing) for (const on of onTargets) on.close();
    this.#standing.length = 0;
  }

  #open(
    calls: PerfCalls,
    spec: PerfGroupSpec,
    events: readonly KnownEvent[],
    targets: readonly PerfTarget[],
    absent: AbsentEvent[],
  ): void {
    const onTargets: PerfGroup[] = [];
    for (const target of targets) {
      const opened = PerfGroup.open(calls, target, events);
      if (opened instanceof PerfGroup) onTargets.push(opened);
      else if (target.cpu === -1 && refusalText(opened.errno, 0) === 'the process is gone') {
        // A thread that ended since it was listed counts nothing more.
      } else {
        for (const on of onTargets) on.close();
        const { type } = events.find(({ name }) => name === opened.event)!;
        const reason = `${opened.event} on all targets: ${refusalText(opened.errno, type)}`;
        for (const { name } of events) absent.push({ name, reason });
        return;
      }
    }
    this.#standing.push({
      spec,
      names: events.map(({ name }) => name),
      userOnly: events.filter(({ isUserOnly }) => isUserOnly).map(({ name }) => name),
      counts: new Float64Array(events.length),
      enabledNs: 0,
      runningNs: 0,
      read: 0,
      onTargets,
    });
  }
}

/** The event as this host has it, tried on the first target; none, with its reason in `absent`. */
function probe(
  { calls, targets, findTracepoint = tracepointId }: PerfCountersOptions,
  { name, type, config }: PerfEventSpec,
  absent: AbsentEvent[],
): KnownEvent[] {
  const number = config ?? (type === PerfType.tracepoint ? findTracepoint(name) : name);
  if (typeof number === 'string') {
    absent.push({ name, reason: number });
    return [];
  }
  const target = targets[0];
  if (target === undefined) {
    absent.push({ name, reason: 'there is nothing to count on: the process is gone' });
    return [];
  }
  let errno = 0;
  // Where counting in the kernel is not allowed, an ordinary user may count what user space does of his own processes.
  const isAnywhere = type !== PerfType.tracepoint && !KERNEL_ONLY.includes(name);
  for (const isUserOnly of isAnywhere ? [false, true] : [false]) {
    const event = { name, type, config: number, isUserOnly };
    const opened = PerfGroup.open(calls, target, [event]);
    if (opened instanceof PerfGroup) {
      opened.close();
      return [event];
    }
    errno = opened.errno;
  }
  absent.push({ name, reason: refusalText(errno, type) });
  return [];
}

type Known = { spec: PerfGroupSpec; events: KnownEvent[] };

/** What of it stays within the limit of descriptors. */
function fit(
  known: readonly Known[],
  targets: readonly PerfTarget[],
  limit: number,
  absent: AbsentEvent[],
): { groups: Known[]; targets: readonly PerfTarget[] } {
  const isProcess = targets[0]?.cpu === -1;
  const events = known.reduce((sum, group) => sum + group.events.length, 0);
  if (isProcess && events > 0) {
    return { groups: [...known], targets: targets.slice(0, Math.floor(limit / events)) };
  }
  let room = targets.length === 0 ? 0 : Math.floor(limit / targets.length);
  const groups = known.map(({ spec, events: all }) => {
    const kept = all.slice(0, room);
    room -= kept.length;
    for (const { name } of all.slice(kept.length)) {
      const reason = `${targets.length} processors and a limit of ${limit} descriptors leave no room`;
      absent.push({ name, reason });
    }
    return { spec, events: kept };
  });
  return { groups, targets };
}
