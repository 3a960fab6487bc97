// The lab's own copy of what the parts tell on the bus, for the verdict and the report. The record of
// everything is the collector's; this one is bounded: whole rows (with histograms) only of the last
// minutes, and a few columns of every second for the plots.

import type { Bus } from '#core/bus/bus.ts';
import { type LabEvent, topic } from '#core/bus/topic.ts';
import type { KnobState } from '#core/knob/knob.ts';
import type { MetricValue, Row } from '#core/metric/row.ts';
import type { TimeSeries } from '#dashboards/report/run-record.ts';
import { rise } from '#lab/statistics/block-metric.ts';
import { HOST_METRICS } from '#lab/statistics/validity.ts';

export type SourceName = 'server' | 'load' | 'host';

/** Rows kept of one source: longer than a block may be (an hour). */
const ROWS_MAX = 4000;
const EVENTS_MAX = 2000;
/** Seconds kept for the plots: 24 hours, the longest run. */
const SERIES_MAX = 86_400;
const SOURCES: readonly SourceName[] = ['server', 'load', 'host'];

export interface LabRecorder {
  /** The newest row of a source. */
  latest(source: SourceName): Row | undefined;
  /** Rows with startMs <= wallMs <= endMs, ascending. */
  between(source: SourceName, startMs: number, endMs: number): Row[];
  /** Ticks that the source itself said it missed. */
  missedTicks(source: SourceName): number;
  /** Seconds from firstMs to lastMs, both included, for which a row of the source came. */
  secondsBetween(source: SourceName, firstMs: number, lastMs: number): number;
  firstWallMs(source: SourceName): number | undefined;
  readonly events: readonly LabEvent[];
  /** Newest state by 'owner/name'. */
  readonly knobs: ReadonlyMap<string, KnobState>;
  /** Turns by somebody other than 'lab' that were applied since the start. */
  readonly foreignTurns: number;
  /** Rows and events that did not fit or were no rows. */
  readonly refused: number;
  series(): TimeSeries;
}

/** Starts listening; resolves when the broker has taken the subscriptions. */
export async function startLabRecorder(bus: Bus, lab: string): Promise<LabRecorder> {
  const recorder = new BusRecorder();
  await bus.subscribe(topic.row(lab, '+', '+'), (name, value) =>
    recorder.takeRow(sourceOf(name), value),
  );
  await bus.subscribe(topic.event(lab, '+', '+'), (_name, value) => recorder.takeEvent(value));
  for (const owner of ['server', 'load']) {
    await bus.subscribe(topic.knobState(lab, owner, '+'), (name, value) =>
      recorder.takeKnob(owner, name, value),
    );
  }
  return recorder;
}

function sourceOf(rowTopic: string): string {
  return rowTopic.split('/')[3] ?? '';
}

class BusRecorder implements LabRecorder {
  readonly events: LabEvent[] = [];
  readonly knobs = new Map<string, KnobState>();
  foreignTurns = 0;
  refused = 0;
  readonly #rows = new Map<SourceName, Row[]>(SOURCES.map((source) => [source, []]));
  readonly #latest = new Map<SourceName, Row>();
  readonly #seconds = new Map<SourceName, Set<number>>(SOURCES.map((name) => [name, new Set()]));
  readonly #missed = new Map<SourceName, number>();
  readonly #first = new Map<SourceName, number>();
  readonly #series = new Map<number, Partial<Record<keyof TimeSeries, MetricValue>>>();

  takeRow(source: string, value: unknown): void {
    if (!isSource(source) || !isRow(value)) {
      // The lab's and the tee's own rows are not looked at here; they are no mistake.
      if (isSource(source)) this.refused++;
      return;
    }
    const rows = this.#rows.get(source)!;
    const previous = rows.at(-1);
    if (previous !== undefined && value.wallMs <= previous.wallMs) {
      this.refused++;
      return;
    }
    this.#latest.set(source, value);
    rows.push(source === 'host' ? trimmed(value) : value);
    if (rows.length > ROWS_MAX) rows.shift();
    const seconds = this.#seconds.get(source)!;
    if (seconds.size < SERIES_MAX) seconds.add(value.wallMs);
    this.#missed.set(source, (this.#missed.get(source) ?? 0) + value.missedTicks);
    if (previous === undefined) this.#first.set(source, value.wallMs);
    this.#plot(source, value, previous);
  }

  takeEvent(value: unknown): void {
    const event = value as LabEvent | null;
    if (typeof event?.wallMs !== 'number' || this.events.length >= EVENTS_MAX) {
      this.refused++;
      return;
    }
    this.events.push(event);
  }

  takeKnob(owner: string, stateTopic: string, value: unknown): void {
    const state = value as KnobState | null;
    if (typeof state?.by !== 'string') return;
    this.knobs.set(`${owner}/${stateTopic.split('/')[4] ?? ''}`, state);
    // A state without an id stands for the start of the owner, a refused one changed nothing.
    const isTurn = state.id !== '' && state.refused === undefined;
    if (isTurn && state.by !== 'lab') this.foreignTurns++;
  }

  latest(source: SourceName): Row | undefined {
    return this.#latest.get(source);
  }

  between(source: SourceName, startMs: number, endMs: number): Row[] {
    return this.#rows.get(source)!.filter(({ wallMs }) => wallMs >= startMs && wallMs <= endMs);
  }

  missedTicks(source: SourceName): number {
    return this.#missed.get(source) ?? 0;
  }

  secondsBetween(source: SourceName, firstMs: number, lastMs: number): number {
    let count = 0;
    for (const second of this.#seconds.get(source)!) {
      if (second >= firstMs && second <= lastMs) count++;
    }
    return count;
  }

  firstWallMs(source: SourceName): number | undefined {
    return this.#first.get(source);
  }

  series(): TimeSeries {
    const seconds = [...this.#series.keys()].sort((a, b) => a - b);
    const column = (name: keyof TimeSeries): MetricValue[] =>
      seconds.map((second) => this.#series.get(second)![name] ?? null);
    return {
      wallMs: seconds,
      serverCpuPercent: column('serverCpuPercent'),
      latencyP50Us: column('latencyP50Us'),
      latencyP99Us: column('latencyP99Us'),
      deliveredPerS: column('deliveredPerS'),
      queueLength: column('queueLength'),
      connections: column('connections'),
    };
  }

  #plot(source: SourceName, row: Row, previous: Row | undefined): void {
    if (!this.#series.has(row.wallMs)) {
      if (this.#series.size >= SERIES_MAX) return;
      this.#series.set(row.wallMs, {});
    }
    const point = this.#series.get(row.wallMs)!;
    const { values } = row;
    if (source === 'load') {
      point.latencyP50Us = values['wsar.load.latency_us.p50'] ?? null;
      point.latencyP99Us = values['wsar.load.latency_us.p99'] ?? null;
    }
    if (source !== 'server') return;
    point.connections = values['wsar.server.connections'] ?? null;
    point.queueLength = values['wsar.server.queue.length'] ?? null;
    if (previous === undefined) return;
    const seconds = (row.wallMs - previous.wallMs) / 1000;
    const cpuUs = rise([previous, row], 'wsar.server.cpu_us');
    const delivered = rise([previous, row], 'wsar.server.messages.delivered');
    point.serverCpuPercent = cpuUs === null ? null : cpuUs / 10_000 / seconds;
    point.deliveredPerS = delivered === null ? null : delivered / seconds;
  }
}

/** The collector tells hundreds of values; the blocks ask for a few. */
function trimmed(row: Row): Row {
  const values = Object.fromEntries(HOST_METRICS.map((name) => [name, row.values[name] ?? null]));
  const { wallMs, tick, missedTicks, intervalUs } = row;
  return { wallMs, tick, missedTicks, intervalUs, values };
}

function isSource(source: string): source is SourceName {
  return SOURCES.includes(source as SourceName);
}

function isRow(value: unknown): value is Row {
  const row = value as Row | null;
  return typeof row?.wallMs === 'number' && typeof row.values === 'object' && row.values !== null;
}
