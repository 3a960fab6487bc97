// NDJSON: one object a tick, the row with its host and source; between them, where ticks were missed or
// the clock was set, an object with `kind` and without `values`. What is not known is null. On request
// there is an object with `metrics` before the first row, and again when the metrics change.

import type { Out, Report } from '#collector/report/report.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { MetricDef, Row } from '#core/metric/row.ts';

/** What rows hold; the version changes with it. */
export interface MetricSchema {
  version: number;
  definitions: MetricDef[];
}

export class JsonReport implements Report {
  readonly #out: Out;
  readonly #host: string;
  readonly #schema: (() => MetricSchema) | undefined;
  #version = -1;

  constructor(out: Out, host: string, schema?: () => MetricSchema) {
    this.#out = out;
    this.#host = host;
    this.#schema = schema;
  }

  row(row: Row, events: readonly LabEvent[]): void {
    const origin = { host: this.#host, source: 'host' };
    const schema = this.#schema?.();
    if (schema !== undefined && schema.version !== this.#version) {
      this.#version = schema.version;
      this.#out(`${JSON.stringify({ ...origin, metrics: schema.definitions })}\n`);
    }
    for (const event of events) this.#out(`${JSON.stringify({ ...origin, ...event })}\n`);
    this.#out(`${JSON.stringify({ ...origin, ...row })}\n`);
  }

  end(): void {}
}
