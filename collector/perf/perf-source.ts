// Counters of the kernel and of the hardware as a source: opened through the FFI, read once a tick.
//
// What costs nothing at an event (software events, hardware counters) counts all the time. Tracepoints count all
// the time while they are few and in windows when they are many (core/host/perf/duty-cycle.ts); each then has a
// metric `{stat=error}`. A processor that is switched on or off makes all counters begin anew.
//
// Cost: about 10 us a tick and processor, the same for any number of connections.

import { existsSync } from 'node:fs';
import { ownName, type Whose } from '#collector/perf/perf-catalogue.ts';
import { PerfMetrics } from '#collector/perf/perf-metrics.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { Clock } from '#core/clock/clock.ts';
import { DutyCycle } from '#core/host/perf/duty-cycle.ts';
import type { PerfCalls } from '#core/host/perf/perf-calls.ts';
import {
  type AbsentEvent,
  type CountedGroup,
  PerfCounters,
} from '#core/host/perf/perf-counters.ts';
import { PERF_GROUPS, type PerfGroupSpec } from '#core/host/perf/perf-event.ts';
import { cpuTargets, onlineText, threadTargets } from '#core/host/perf/perf-targets.ts';

/** How often the list of processors is looked at. */
const ONLINE_TICKS = 10;
const NS_PER_S = 1e9;

export interface PerfSourceOptions {
  calls: PerfCalls;
  clock: Clock;
  /** A process with what it starts; undefined: the whole host. */
  whose?: Whose;
  /** Fixed share of the time that tracepoints are counted in; default: as the budget allows. */
  share?: number | undefined;
  groups?: readonly PerfGroupSpec[];
  descriptorsMax?: number;
  /** The processors that are on. */
  online?: () => string;
}

export class PerfSource implements Source {
  readonly id: string;
  readonly budgetUs = 20_000;
  readonly #options: PerfSourceOptions;
  readonly #metrics: PerfMetrics;
  #online: string;
  #counters: PerfCounters;
  #duty: DutyCycle[] = [];
  #steady: CountedGroup[] = [];
  #slots = { share: -1, scale: -1, leftOut: -1, descriptors: -1 };
  #ticks = 0;
  #lastUs = 0;

  /** Opens the counters, switched off. What is not to be had is in `absent`. */
  constructor(options: PerfSourceOptions) {
    const { whose, online = onlineText } = options;
    this.id = whose === undefined ? 'perf' : `perf-${whose.pid}`;
    this.#options = options;
    this.#metrics = new PerfMetrics(whose);
    this.#online = online();
    this.#counters = this.#open();
  }

  get absent(): readonly AbsentEvent[] {
    return this.#counters.absent;
  }

  get descriptors(): number {
    return this.#counters.descriptors;
  }

  probe(): Capability {
    const { groups, absent, targetsLeftOut } = this.#counters;
    const reasons = absentText(absent);
    if (groups.length === 0) return { state: 'absent', reason: reasons };
    const left = targetsLeftOut > 0 ? [`${targetsLeftOut} threads found no room`] : [];
    const user = groups.flatMap(({ userOnly }) => userOnly);
    if (user.length > 0) left.push(`${user.join(', ')}: in user space only`);
    const reason = [reasons, ...left].filter((text) => text !== '').join('; ');
    return reason === '' ? { state: 'ok' } : { state: 'degraded', reason };
  }

  declare(metrics: MetricScope): void {
    const { whose } = this.#options;
    for (const { names, spec } of this.#counters.groups) {
      this.#metrics.declare(metrics, names, spec.isDear ? names : []);
    }
    this.#metrics.declareRatios(metrics);
    const own = (what: string, short: string, unit: string, help: string): number =>
      metrics.declare(gauge(ownName(what, whose), short, unit, help));
    this.#slots = {
      share: own(
        'share',
        '%perf',
        '1',
        'smallest share of the time that a tracepoint was counted in',
      ),
      scale: own(
        'scale',
        'pscal',
        '1',
        'smallest share of the time that a hardware counter had a register',
      ),
      leftOut: own('left_out', 'pleft', '{event}', 'events and threads that are not counted here'),
      descriptors: own('descriptors', 'pfd', '{descriptor}', 'descriptors of counters'),
    };
    this.#start();
  }

  sample(table: SampleTable, nowUs: number): number {
    if (this.#hasChanged()) this.#reopen();
    if (this.#isGone()) return Freshness.stale;
    let scale = Number.NaN;
    const dtS = (nowUs - this.#lastUs) / 1e6;
    this.#lastUs = nowUs;
    for (const group of this.#steady) {
      this.#counters.read(group);
      const { names, counts, enabledNs, runningNs, read } = group;
      // A processor's counter knows how long it was on; a thread's knows only how long the thread ran.
      const onS = this.#counters.areProcessors ? enabledNs / read / NS_PER_S : dtS;
      if (enabledNs > 0 && group.spec.name !== 'software') {
        scale = Number.isNaN(scale)
          ? runningNs / enabledNs
          : Math.min(scale, runningNs / enabledNs);
      }
      for (let i = 0; i < names.length; i++) {
        this.#metrics.write(table, names[i]!, counts[i]! / onS, Number.NaN);
      }
    }
    let share = Number.NaN;
    for (const duty of this.#duty) {
      duty.take();
      share = Number.isNaN(share) ? duty.shareSeen : Math.min(share, duty.shareSeen);
      const { names } = duty.group;
      for (let i = 0; i < names.length; i++) {
        this.#metrics.write(table, names[i]!, duty.rates[i]!, duty.errors[i]!);
      }
    }
    if (!Number.isNaN(share)) table.gauge(this.#slots.share, share);
    if (!Number.isNaN(scale)) table.gauge(this.#slots.scale, Math.min(1, scale));
    table.gauge(this.#slots.leftOut, this.#counters.absent.length + this.#counters.targetsLeftOut);
    table.gauge(this.#slots.descriptors, this.#counters.descriptors);
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    this.#metrics.derive(table);
  }

  close(): void {
    for (const duty of this.#duty) duty.stop();
    this.#counters.close();
  }

  #open(): PerfCounters {
    const { calls, whose, groups = PERF_GROUPS, descriptorsMax } = this.#options;
    const targets = whose === undefined ? cpuTargets(this.#online) : threadTargets(whose.pid);
    return new PerfCounters({
      calls,
      targets,
      groups,
      ...(descriptorsMax === undefined ? {} : { descriptorsMax }),
    });
  }

  #start(): void {
    const { clock, share } = this.#options;
    const processors = cpuTargets(this.#online).length;
    const { groups } = this.#counters;
    this.#steady = groups.filter(({ spec }) => !spec.isDear);
    for (const group of this.#steady) this.#counters.enable(group);
    for (const group of this.#steady) this.#counters.read(group);
    this.#duty = groups
      .filter(({ spec }) => spec.isDear)
      .map((group) => new DutyCycle({ counters: this.#counters, group, clock, processors, share }));
    for (const duty of this.#duty) duty.start();
    this.#lastUs = clock.monoUs();
  }

  #hasChanged(): boolean {
    // The threads of a process count wherever they run.
    if (this.#options.whose !== undefined || ++this.#ticks % ONLINE_TICKS !== 0) return false;
    return (this.#options.online ?? onlineText)() !== this.#online;
  }

  #reopen(): void {
    this.close();
    this.#online = (this.#options.online ?? onlineText)();
    this.#counters = this.#open();
    this.#start();
  }

  /** The process has ended: its counters stand still, which is not the same as nothing happening. */
  #isGone(): boolean {
    const { whose } = this.#options;
    return whose !== undefined && !existsSync(`/proc/${whose.pid}`);
  }
}

/** The events that are not counted, by reason. */
export function absentText(absent: readonly AbsentEvent[]): string {
  const byReason = new Map<string, string[]>();
  for (const { name, reason } of absent) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  }
  return [...byReason].map(([reason, names]) => `${names.join(', ')}: ${reason}`).join('; ');
}
