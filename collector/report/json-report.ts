// NDJSON: one object a tick, the row with its host and source; between them, where ticks were missed or
// the clock was set, an object with `kind` and without `values`. What is not known is null. On request
// there is an object with `metrics` before the first row, and again when the metrics change.

import type { Out, Report } from '#collector/report/report.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { MetricRegistry } from '#core/metric/registry.ts';

export class JsonReport implements Report {
  readonly #out: Out;
  readonly #host: string;
  readonly #registry: MetricRegistry | undefined;
  #version = -1;

  /** With a registry, its definitions come before the rows. */
  constructor(out: Out, host: string, registry?: MetricRegistry) {
    this.#out = out;
    this.#host = host;
    this.#registry = registry;
  }

  row(view: TickView, events: readonly LabEvent[]): void {
    const origin = { host: this.#host, source: 'host' };
    const registry = this.#registry;
    let text = '';
    if (registry !== undefined && registry.version !== this.#version) {
      this.#version = registry.version;
      text += `${JSON.stringify({ ...origin, metrics: registry.definitions() })}\n`;
    }
    for (const event of events) text += `${JSON.stringify({ ...origin, ...event })}\n`;
    this.#out(`${text}${JSON.stringify({ ...origin, ...view.row() })}\n`);
  }

  end(): void {}
}
