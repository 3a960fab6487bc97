// A row: what one source measured in one tick. Rows of several sources join on `wallMs`, which is a
// whole second for 1 Hz sources.

/** How a value behaves: a counter only rises, a gauge is what it is now, a rate is per second over the tick. */
export type MetricKind = 'counter' | 'gauge' | 'rate';

export interface MetricDef {
  /** Stable name: OpenTelemetry's where it has one, else `<area>.linux.<what>` or `wsar.<part>.<what>`. */
  name: string;
  /** Short column of the console, wsar's own where it had one. */
  short: string;
  /** UCUM unit: 'By', 'us', '1', '%', '{packet}/s', '{connection}'. */
  unit: string;
  kind: MetricKind;
  /** Whether 1/10/100 s decays are kept for it. */
  decays?: boolean;
  help: string;
}

export interface SourceSchema {
  source: string;
  host: string;
  metrics: MetricDef[];
}

/** Value of a metric; null = could not be measured in this tick (absent, reset, first interval). */
export type MetricValue = number | null;

export interface Row {
  /** Wall time the row stands for: the end of its interval, ms. */
  wallMs: number;
  /** Index of the tick; holes are missed ticks. */
  tick: number;
  /** Ticks that were missed just before this one. */
  missedTicks: number;
  /** True length of the interval, us; rates divide by it. */
  intervalUs: number;
  values: Record<string, MetricValue>;
  /** 1, 10 and 100 s decays of the metrics that keep them, in that order. */
  decays?: Record<string, [MetricValue, MetricValue, MetricValue]>;
  /** Histograms of this interval: HdrHistogram V2 compressed, base64. */
  histograms?: Record<string, string>;
}
