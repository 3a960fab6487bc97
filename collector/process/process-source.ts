// The processes that were asked for, by id or by pattern, one by one: CPU time, what their threads did with their time,
// switches, faults, memory, descriptors, I/O, and their threads by name. Processes come and go: one that ends has no
// values any more and leaves its place to another; one whose id is given anew is another process.
//
// Bounds, each with a count of what it refused: processes, groups of threads, threads read in one tick, processes
// looked at in one tick while searching. Cost: 30 us for a process and 12 us for each of its threads.

import { statSync } from 'node:fs';
import { InstanceSlots } from '#collector/process/instance-slots.ts';
import { PROCESS, processSpecs, threadGroupSpecs } from '#collector/process/process-metrics.ts';
import { ProcessSweep } from '#collector/process/process-sweep.ts';
import { TaskBuffer } from '#collector/process/task-file.ts';
import { type ProcessOptions, TrackedProcess } from '#collector/process/tracked-process.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

export const PROCESSES_MAX = 64;
const THREAD_GROUPS_MAX = 192;
const REFUSED_MAX = 4096;
/** Threads read in one tick, of all processes together: about 3 ms. */
const THREADS_PER_TICK_MAX = 256;
/** Ticks of CPU time by which the process may be ahead of its threads because of rounding. */
const ROUNDING_TICKS = 3;
const TICKS_PER_S = 100;

export interface ProcessSelection {
  pids: readonly number[];
  /** Tested against the name and the command line. */
  patterns: readonly RegExp[];
  /** The collector itself, which no pattern finds. */
  ownPid: number;
}

interface Entry {
  process: TrackedProcess;
  place: number;
  /** Places of its groups of threads, by their index; -1: no room. */
  groups: number[];
}

export class ProcessSource implements Source {
  readonly id = 'process';
  readonly budgetUs = 20_000;
  readonly #options: ProcessOptions;
  readonly #selection: ProcessSelection;
  readonly #sweep: ProcessSweep;
  readonly #processes: InstanceSlots;
  readonly #groups = new InstanceSlots(THREAD_GROUPS_MAX, threadGroupSpecs);
  readonly #entries = new Map<number, Entry>();
  /** Processes that did not fit, so that each is counted once; forgotten when a place becomes free. */
  readonly #refusedPids = new Set<number>();
  /** Ids that ended in this tick. */
  readonly #endedPids = new Set<number>();
  #refused = 0;
  #slots!: Record<'count' | 'appeared' | 'vanished' | 'reused' | 'refused' | 'groups', number>;
  #appeared = 0;
  #vanished = 0;
  #reused = 0;

  constructor(root: string, pageBytes: number, selection: ProcessSelection) {
    const hasExactDescriptors = descriptorsAreCounted(root);
    this.#options = { root, pageBytes, shared: new TaskBuffer(), hasExactDescriptors };
    this.#selection = selection;
    this.#sweep = new ProcessSweep(root, selection.patterns, selection.ownPid);
    this.#processes = new InstanceSlots(PROCESSES_MAX, (label) =>
      processSpecs(label, hasExactDescriptors),
    );
  }

  /** Descriptors are counted; else the size of their table stands for them. */
  get hasExactDescriptors(): boolean {
    return this.#options.hasExactDescriptors;
  }

  probe(): Capability {
    const lacks: string[] = [];
    for (const pid of this.#selection.pids) {
      const process = TrackedProcess.open(this.#options, pid);
      if (process === undefined) lacks.push(`there is no process ${pid}`);
      process?.close();
    }
    if (!this.#options.hasExactDescriptors) {
      lacks.push(
        'this kernel (before 6.2) does not count descriptors; the table size stands for it',
      );
    }
    return lacks.length === 0 ? { state: 'ok' } : { state: 'degraded', reason: lacks.join('; ') };
  }

  declare(metrics: MetricScope): void {
    this.#processes.declare(metrics);
    this.#groups.declare(metrics);
    const count = (what: string, short: string, help: string): number =>
      metrics.declare(counter(`process.linux.selected.${what}`, short, '{process}/s', help));
    this.#slots = {
      count: metrics.declare(
        gauge('process.linux.selected.count', 'procs', '{process}', 'processes that are looked at'),
      ),
      appeared: count('appeared', 'pnew', 'processes that were found'),
      vanished: count('vanished', 'pgone', 'processes that have ended'),
      reused: count('reused', 'preuse', 'ids that belong to another process now'),
      refused: metrics.declare(
        gauge(
          'process.linux.selected.refused',
          'prefu',
          '{process}',
          `matching processes beyond the first ${PROCESSES_MAX}, which are not shown, since the start`,
        ),
      ),
      groups: metrics.declare(
        gauge(
          'process.linux.thread.groups_refused',
          'trefu',
          '{group}',
          'groups of threads that found no place since the start',
        ),
      ),
    };
  }

  sample(table: SampleTable, nowUs: number): number {
    this.#endedPids.clear();
    for (const entry of this.#entries.values()) this.#check(entry);
    for (const pid of this.#selection.pids) if (!this.#entries.has(pid)) this.#take(pid, table);
    for (const pid of this.#sweep.step(nowUs, (pid) => this.#isKnown(pid))) this.#take(pid, table);
    this.#sampleAll(table, nowUs);
    table.gauge(this.#slots.count, this.#entries.size);
    table.counterNumber(this.#slots.appeared, this.#appeared);
    table.counterNumber(this.#slots.vanished, this.#vanished);
    table.counterNumber(this.#slots.reused, this.#reused);
    table.gauge(this.#slots.refused, this.#refused);
    table.gauge(this.#slots.groups, this.#groups.refused);
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    for (const { place } of this.#entries.values()) {
      const slots = this.#processes.slots(place);
      table.set(slots[PROCESS.utilization]!, utilizationOf(table, slots));
    }
  }

  close(): void {
    this.#sweep.close();
    for (const { process } of this.#entries.values()) process.close();
  }

  /** Labels of the processes that are there, for columns of their own, in the order in which they were found. */
  labels(): string[] {
    return [...this.#entries.values()].map(({ process }) => process.label);
  }

  /** Drops a process that has ended. */
  #check({ process, place, groups }: Entry): void {
    if (process.readSelf()) return;
    process.close();
    this.#entries.delete(process.pid);
    this.#processes.release(place);
    for (const group of groups) if (group >= 0) this.#groups.release(group);
    this.#vanished++;
    this.#endedPids.add(process.pid);
    if (this.#refusedPids.size === 0) return;
    this.#refusedPids.clear();
    this.#sweep.again();
  }

  #isKnown(pid: number): boolean {
    return this.#entries.has(pid) || this.#refusedPids.has(pid);
  }

  #take(pid: number, table: SampleTable): void {
    const process = TrackedProcess.open(this.#options, pid);
    if (process === undefined) return;
    const place = this.#processes.take(process.label, table);
    if (place < 0) {
      process.close();
      if (!this.#refusedPids.has(pid)) this.#refused++;
      if (this.#refusedPids.size < REFUSED_MAX) this.#refusedPids.add(pid);
      return;
    }
    if (this.#endedPids.has(pid)) this.#reused++;
    this.#appeared++;
    this.#entries.set(pid, { process, place, groups: [] });
  }

  /** Small processes first, each with a fair share of what is left, so that a large one starves nobody. */
  #sampleAll(table: SampleTable, nowUs: number): void {
    const entries = [...this.#entries.values()];
    entries.sort((a, b) => a.process.threadCount - b.process.threadCount);
    let left = THREADS_PER_TICK_MAX;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      const slots = this.#processes.slots(entry.place);
      const share = Math.floor(left / (entries.length - i));
      left -= entry.process.sample(table, slots, share, nowUs);
      this.#showGroups(entry, table);
    }
  }

  #showGroups({ process, groups }: Entry, table: SampleTable): void {
    const { groups: found } = process.threads;
    for (let i = 0; i < found.length; i++) {
      const group = found[i]!;
      if (groups.length <= i) {
        groups.push(this.#groups.take(`${process.label},thread=${group.name}`, table));
      }
      const place = groups[i]!;
      if (place < 0) continue;
      const slots = this.#groups.slots(place);
      table.gauge(slots[0]!, group.threads);
      table.gauge(slots[1]!, group.run);
      table.gauge(slots[2]!, group.wait);
      table.gauge(slots[3]!, group.voluntary);
      table.gauge(slots[4]!, group.involuntary);
    }
  }
}

/**
 * CPU per second: from the nanoseconds of the threads, unless some were not read or ended, which the ticks of the
 * process show.
 */
function utilizationOf(table: SampleTable, slots: readonly number[]): number {
  const fromTicks = table.value(slots[PROCESS.user]!) + table.value(slots[PROCESS.system]!);
  const run = table.value(slots[PROCESS.run]!);
  if (Number.isNaN(run) || table.value(slots[PROCESS.unread]!) > 0) return fromTicks;
  const ticks = table.delta(slots[PROCESS.user]!) + table.delta(slots[PROCESS.system]!);
  const dtS = ticks / TICKS_PER_S / fromTicks;
  return ticks - run * dtS * TICKS_PER_S > ROUNDING_TICKS ? fromTicks : run;
}

/** Whether the size of /proc/PID/fd is the number of descriptors: it is 0 before kernel 6.2. */
function descriptorsAreCounted(root: string): boolean {
  return (statSync(`${root}/self/fd`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}
