// NDJSON: one object a tick, the row with its host and source; between them, where ticks were missed or
// the clock was set, an object with `kind` and without `values`. What is not known is null.

import type { Out, Report } from '#collector/report/report.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { Row } from '#core/metric/row.ts';

export class JsonReport implements Report {
  readonly #out: Out;
  readonly #host: string;

  constructor(out: Out, host: string) {
    this.#out = out;
    this.#host = host;
  }

  row(row: Row, events: readonly LabEvent[]): void {
    const origin = { host: this.#host, source: 'host' };
    for (const event of events) this.#out(`${JSON.stringify({ ...origin, ...event })}\n`);
    this.#out(`${JSON.stringify({ ...origin, ...row })}\n`);
  }

  end(): void {}
}
