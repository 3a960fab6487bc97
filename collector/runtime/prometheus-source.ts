// What a metrics endpoint says, as metrics of the row: `prometheus.<name>{target=<host:port>,<labels>}`. Counters
// become rates over the time between two pages. Beside it, as a source of its own that never falls silent, how the
// fetching goes: a target that is down has `up` 0 and an age that grows, and its series have no values.

import { InstanceSlots } from '#collector/process/instance-slots.ts';
import { labelsOf } from '#collector/runtime/exposition.ts';
import { type Scraper, SERIES_MAX, type Series } from '#collector/runtime/scraper.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { Clock } from '#core/clock/clock.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

/** Pages are values for so many periods. */
const AGE_PERIODS_MAX = 3;
/** A page is fetched so long before the tick that shows it, and not more often than once a second. */
const LEAD_MS = 300;
const PERIOD_MS_MIN = 1000;
const NAME_MAX = 400;

export interface PrometheusTarget {
  /** `host:port`, with the path when it is not /metrics. */
  name: string;
  scraper: Scraper;
  periodMs: number;
  clock: Clock;
}

export class PrometheusSource implements Source {
  readonly id: string;
  readonly budgetUs = 20_000;
  readonly #target: PrometheusTarget;
  readonly #slots: InstanceSlots;
  readonly #specs = new Map<string, MetricSpec>();
  readonly #places = new Map<Series, number>();
  #page = 0;
  #startedUs = Number.NEGATIVE_INFINITY;
  #stop: () => void = () => {};

  constructor(target: PrometheusTarget) {
    this.id = `prometheus@${target.name}`;
    this.#target = target;
    this.#slots = new InstanceSlots(SERIES_MAX, (name) => [this.#specs.get(name)!]);
  }

  probe(): Capability {
    return { state: 'ok' };
  }

  declare(metrics: MetricScope): void {
    this.#slots.declare(metrics);
  }

  sample(table: SampleTable, nowUs: number): number {
    this.#arrange(nowUs);
    const { scraper, periodMs } = this.#target;
    if (scraper.page === 0) return Freshness.stale;
    const ageMsMax = AGE_PERIODS_MAX * Math.max(periodMs, PERIOD_MS_MIN);
    if (scraper.ageMs(nowUs) > ageMsMax) return Freshness.stale;
    if (scraper.page === this.#page) return Freshness.unchanged;
    this.#page = scraper.page;
    this.#dropOld();
    for (const series of scraper.series.values()) {
      if (series.page === this.#page) this.#write(series, table);
    }
    return scraper.stampUs;
  }

  close(): void {
    this.#stop();
    this.#target.scraper.close();
  }

  /** Sees to it that a page is fetched shortly before the next tick. */
  #arrange(nowUs: number): void {
    const { clock, periodMs, scraper } = this.#target;
    const dueMs = Math.max(0, periodMs - LEAD_MS, PERIOD_MS_MIN - (nowUs - this.#startedUs) / 1000);
    if (dueMs > periodMs) return;
    this.#stop();
    this.#stop = clock.after(Number.isFinite(this.#startedUs) ? dueMs : 0, () => {
      this.#startedUs = clock.monoUs();
      scraper.start();
    });
    if (!Number.isFinite(this.#startedUs)) this.#startedUs = nowUs;
  }

  #write(series: Series, table: SampleTable): void {
    let place = this.#places.get(series);
    if (place === undefined) {
      place = this.#placeOf(series, table);
      this.#places.set(series, place);
    }
    if (place < 0) return;
    const [slot] = this.#slots.slots(place) as [number];
    if (!series.isCounter) table.gauge(slot, series.value);
    else if (series.value >= 0) table.counterNumber(slot, series.value);
  }

  /** Two series whose names differ only in what a metric's name cannot hold are one metric: the first. */
  #placeOf(series: Series, table: SampleTable): number {
    const name = metricName(series.key, this.#target.name);
    if (!this.#slots.isFree(name)) {
      this.#target.scraper.refused++;
      return -1;
    }
    this.#specs.set(name, specOf(name, series));
    return this.#slots.take(name, table);
  }

  #dropOld(): void {
    const { series } = this.#target.scraper;
    for (const [each, place] of this.#places) {
      if (series.get(each.key) === each) continue;
      this.#places.delete(each);
      this.#specs.delete(metricName(each.key, this.#target.name));
      if (place >= 0) this.#slots.release(place);
    }
  }
}

/** How the fetching goes. */
export class PrometheusStatusSource implements Source {
  readonly id: string;
  readonly budgetUs = 20_000;
  readonly #target: PrometheusTarget;
  #slots: number[] = [];

  constructor(target: PrometheusTarget) {
    this.id = `prometheus-status@${target.name}`;
    this.#target = target;
  }

  probe(): Capability {
    const { failure, page } = this.#target.scraper;
    if (failure === undefined) return { state: 'ok' };
    return {
      state: page === 0 ? 'absent' : 'degraded',
      reason: `${this.#target.name}: ${failure}`,
    };
  }

  declare(metrics: MetricScope): void {
    const of = (what: string, short: string, unit: string, help: string): number =>
      metrics.declare(
        gauge(`prometheus.scrape.${what}{target=${this.#target.name}}`, short, unit, help),
      );
    this.#slots = [
      of('up', 'up', '1', '1 when the last page was taken, 0 when it was not'),
      of('age', 'age', 's', 'age of the last page'),
      of('duration', 'took', 's', 'how long the last attempt took'),
      of('size', 'size', 'By', 'bytes of the last page'),
      of('series', 'series', '{series}', 'series that are known'),
      of('refused', 'refu', '{sample}', `samples beyond ${SERIES_MAX} series since the start`),
      of('malformed', 'bad', '{line}', 'lines that were no samples since the start'),
      of('failures', 'fail', '{page}', 'pages that were not taken since the start'),
    ];
  }

  sample(table: SampleTable, nowUs: number): number {
    const { scraper } = this.#target;
    const isUp = scraper.page > 0 && scraper.failure === undefined;
    const values = [
      isUp ? 1 : 0,
      scraper.ageMs(nowUs) / 1000,
      scraper.durationUs / 1e6,
      scraper.bytes,
      scraper.series.size,
      scraper.refused,
      scraper.malformed,
      scraper.failures,
    ];
    for (let i = 0; i < values.length; i++) table.gauge(this.#slots[i]!, values[i]!);
    return Freshness.now;
  }

  close(): void {}
}

/** `prometheus.<name>{target=...,label=value}`; what would end a name or a label early becomes `_`. */
function metricName(key: string, target: string): string {
  const [name] = key.split('{', 1);
  const clean = (text: string): string => text.replace(/[{},="\s]/g, '_');
  const labels = labelsOf(key).map(([label, value]) => {
    // A label of their own that has our name is renamed as Prometheus does it.
    return `,${label === 'target' ? 'exported_target' : label}=${clean(value)}`;
  });
  return `prometheus.${name}{target=${target}${labels.join('')}`.slice(0, NAME_MAX).concat('}');
}

function specOf(name: string, { key, isCounter }: Series): MetricSpec {
  const short = key.split('{', 1)[0]!;
  const help = `${short} of a metrics endpoint`;
  return isCounter ? counter(name, short, '1/s', help) : gauge(name, short, '1', help);
}
