// CSV (RFC 4180): a header line, then a line a tick: time, tick, missed ticks, interval, and every metric
// that was there at the first tick, by its full name. What is not known is an empty field. Instances
// that appear later have no column; NDJSON shows them.

import type { Out, Report } from '#collector/report/report.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';

const FRAME = ['time', 'tick', 'missed_ticks', 'interval_s'];
const US_PER_S = 1e6;

export class CsvReport implements Report {
  readonly #out: Out;
  #metrics: string[] | undefined;

  constructor(out: Out) {
    this.#out = out;
  }

  row(view: TickView, _events: readonly LabEvent[]): void {
    const row = view.row();
    if (this.#metrics === undefined) {
      this.#metrics = Object.keys(row.values);
      this.#line([...FRAME, ...this.#metrics]);
    }
    this.#line([
      new Date(row.wallMs).toISOString(),
      row.tick,
      row.missedTicks,
      row.intervalUs / US_PER_S,
      ...this.#metrics.map((metric) => row.values[metric] ?? ''),
    ]);
  }

  end(): void {}

  #line(fields: (string | number)[]): void {
    const texts = fields.map((field) => {
      const text = String(field);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    });
    this.#out(`${texts.join(',')}\n`);
  }
}
