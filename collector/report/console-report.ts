// The table on the console: one row a tick under two header lines, wsar's columns in wsar's order.
//
//   time     cpu %               intr  tcp                                vm   open
//            util user  sys intr csw/s  spkt  rpkt rex% ovfl   pcb con/s util files
//   10:00:01 85.7 56.3 18.0 11.4 1.90M  186k  153k  5.5  124 3.13M  4604 70.7 2.85M
//
// On a terminal the header comes again before it has scrolled away; in a file or pipe it comes once.
// What happened between two rows (missed ticks, a clock that was set) is a line of its own, after `#`.
// The last line holds the averages.

import { Averages } from '#collector/report/averages.ts';
import type { Column, Group } from '#collector/report/layout.ts';
import { timeText } from '#collector/report/number-text.ts';
import type { Out, Report } from '#collector/report/report.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';

const TIME_WIDTH = 8;
const HEADER_LINES = 2;

export interface ConsoleOptions {
  out: Out;
  /** Asked before each header: devices may have come or gone. */
  layout: () => Group[];
  /** Lines of the terminal; undefined where the header comes once. */
  terminalLines: () => number | undefined;
}

export class ConsoleReport implements Report {
  readonly #options: ConsoleOptions;
  readonly #averages = new Averages();
  #groups: Group[] = [];
  #metrics = new Set<string>();
  #rowsSinceHeader = 0;
  #rows = 0;

  constructor(options: ConsoleOptions) {
    this.#options = options;
  }

  row(view: TickView, happened: readonly LabEvent[]): void {
    const { out } = this.#options;
    // Alerts are for whoever is called, not for the table: they go to stderr.
    const events = happened.filter(({ kind }) => kind !== 'alert');
    const remarks = events.map((event) => `# ${timeText(event.wallMs)} ${event.text}\n`).join('');
    const header = this.#isHeaderDue(events.length) ? this.#header() : '';
    this.#rowsSinceHeader += 1 + events.length;
    this.#rows++;
    const { wallMs, intervalUs } = view.frame;
    for (const metric of this.#metrics) this.#averages.add(metric, view.value(metric), intervalUs);
    out(`${header}${remarks}${this.#line(timeText(wallMs), (metric) => view.value(metric))}`);
  }

  end(): void {
    if (this.#rows === 0) return;
    this.#options.out(this.#line('Average:', (metric) => this.#averages.value(metric)));
  }

  #isHeaderDue(moreLines: number): boolean {
    if (this.#rows === 0) return true;
    const lines = this.#options.terminalLines();
    if (lines === undefined) return false;
    return this.#rowsSinceHeader + moreLines >= Math.max(1, lines - HEADER_LINES - 1);
  }

  #header(): string {
    this.#groups = this.#options.layout();
    this.#metrics = metricsOf(this.#groups);
    this.#rowsSinceHeader = 0;
    const titles = this.#groups.map(({ title, columns }) => {
      const width = columns.reduce((sum, column) => sum + column.width + 1, -1);
      return ` ${title.slice(0, width).padEnd(width)}`;
    });
    const heads = this.#groups.flatMap(({ columns }) =>
      columns.map(({ head, width }) => ` ${head.padStart(width)}`),
    );
    const first = `${'time'.padEnd(TIME_WIDTH)}${titles.join('')}`.trimEnd();
    return `${first}\n${' '.repeat(TIME_WIDTH)}${heads.join('')}\n`;
  }

  #line(label: string, lookUp: (metric: string) => number): string {
    const cells = this.#groups.flatMap(({ columns }) =>
      columns.map((column) => ` ${cellText(column, lookUp).padStart(column.width)}`),
    );
    return `${label.padEnd(TIME_WIDTH)}${cells.join('')}\n`;
  }
}

function cellText(column: Column, lookUp: (metric: string) => number): string {
  const { metric, per, unit = 1, text } = column;
  const divisor = per === undefined ? unit : lookUp(per);
  return text(lookUp(metric) / divisor);
}

function metricsOf(groups: readonly Group[]): Set<string> {
  const columns = groups.flatMap((group) => group.columns);
  return new Set(
    columns.flatMap(({ metric, per }) => (per === undefined ? [metric] : [metric, per])),
  );
}
