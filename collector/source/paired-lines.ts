// A file of pairs of lines, names above numbers, such as /proc/net/snmp and /proc/net/netstat:
//
//   TcpExt: SyncookiesSent SyncookiesRecv ...
//   TcpExt: 0 0 ...
//
// The line of names (2 KB for TcpExt) does not change while a kernel runs: it is compared with the one
// before and its columns are looked up again only when it differs. proc(5), net/ipv4/proc.c.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import type { Capability } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const NO_METRIC = -1;
/** Columns of one group, and groups, at the most; TcpExt has some 140. */
const COLUMNS_MAX = 512;
const GROUPS_MAX = 32;

/** One pair of lines: which metric each column is. */
interface Group {
  readonly name: string;
  readonly columns: KeyTable;
  readonly specs: MetricSpec[];
  readonly isCounter: boolean[];
  slots: number[];
  /** Copy of the names that `metricOfColumn` belongs to. */
  names: Buffer;
  metricOfColumn: number[];
  /** The line of names of this tick was seen. */
  isOpen: boolean;
}

/** Metrics by group and column: { Tcp: { CurrEstab: spec } }. */
export type WantedColumns = Record<string, Record<string, MetricSpec>>;

export class PairedLines {
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #groupKeys: KeyTable;
  readonly #groups: Group[];
  readonly #otherSpec: ((group: string, column: string) => MetricSpec) | undefined;
  /** Undefined until declared. */
  #metrics: MetricScope | undefined;

  /** `otherSpec` gives a metric for each column that is not wanted by name; without it they are left out. */
  constructor(
    path: string,
    wanted: WantedColumns,
    otherSpec?: (group: string, column: string) => MetricSpec,
  ) {
    this.#file = new ProcFile(path);
    this.#groupKeys = new KeyTable(Object.keys(wanted));
    this.#groups = Object.entries(wanted).map(([name, columns]) => groupOf(name, columns));
    this.#otherSpec = otherSpec;
  }

  probe(): Capability {
    const found = this.#file.probe();
    if (found.state === 'absent') return found;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    while (scanner.nextLine()) this.#line();
    const missing = this.#groups.flatMap((group) =>
      group.columns.names().filter((_, metric) => !group.metricOfColumn.includes(metric)),
    );
    return missing.length === 0
      ? { state: 'ok' }
      : {
          state: 'degraded',
          reason: `${this.#file.path} of this kernel lacks ${missing.join(', ')}`,
        };
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    for (const group of this.#groups) {
      group.slots = group.specs.map((spec) => metrics.declare(spec));
    }
  }

  /** Writes the slots of the columns that are there; false when the file cannot be read. */
  sample(table: SampleTable): boolean {
    if (!this.#file.read()) return false;
    const scanner = this.#scanner;
    for (let i = 0; i < this.#groups.length; i++) this.#groups[i]!.isOpen = false;
    scanner.start(this.#file.bytes, this.#file.length);
    while (scanner.nextLine()) {
      const group = this.#line();
      if (group !== undefined) this.#readNumbers(group, table);
    }
    return true;
  }

  /** The slot of a column's metric, once declared. */
  slot(group: string, column: string): number {
    const found = this.#groups[this.#groupKeys.names().indexOf(group)]!;
    return found.slots[found.columns.names().indexOf(column)]!;
  }

  close(): void {
    this.#file.close();
  }

  /** Takes in a line of names; returns the group when it is a line of numbers below one. */
  #line(): Group | undefined {
    const scanner = this.#scanner;
    if (!scanner.word()) return undefined;
    const index = this.#groupIndex();
    if (index < 0) return undefined;
    const group = this.#groups[index]!;
    if (group.isOpen) {
      group.isOpen = false;
      return group;
    }
    group.isOpen = true;
    if (!scanner.restEquals(group.names)) this.#learn(group);
    return undefined;
  }

  #learn(group: Group): void {
    const scanner = this.#scanner;
    group.names = scanner.rest();
    group.metricOfColumn = [];
    while (scanner.word()) {
      const known = group.columns.find(scanner);
      group.metricOfColumn.push(known < 0 ? this.#addColumn(group) : known);
    }
  }

  /** A group that nobody named is taken in when there are metrics for its columns. */
  #groupIndex(): number {
    const known = this.#groupKeys.find(this.#scanner);
    if (known >= 0 || this.#otherSpec === undefined || this.#metrics === undefined) return known;
    if (this.#groups.length >= GROUPS_MAX) return -1;
    const name = this.#scanner.wordText();
    this.#groups.push(groupOf(name, {}));
    return this.#groupKeys.add(name);
  }

  #addColumn(group: Group): number {
    if (this.#otherSpec === undefined || this.#metrics === undefined) return NO_METRIC;
    if (group.columns.size >= COLUMNS_MAX) return NO_METRIC;
    const column = this.#scanner.wordText();
    const spec = this.#otherSpec(group.name, column);
    group.specs.push(spec);
    group.isCounter.push(spec.counter !== undefined);
    group.slots.push(this.#metrics.declare(spec));
    return group.columns.add(column);
  }

  #readNumbers(group: Group, table: SampleTable): void {
    const scanner = this.#scanner;
    const { metricOfColumn } = group;
    for (let column = 0; column < metricOfColumn.length; column++) {
      // A line of numbers that is shorter or malformed gives what stands before.
      if (!scanner.number()) return;
      const metric = metricOfColumn[column]!;
      if (metric === NO_METRIC || scanner.isNegative) continue;
      const slot = group.slots[metric]!;
      if (group.isCounter[metric]) table.counter(slot, scanner.high, scanner.low);
      else table.gauge(slot, scanner.value);
    }
  }
}

function groupOf(name: string, columns: Record<string, MetricSpec>): Group {
  const specs = Object.values(columns);
  return {
    name,
    columns: new KeyTable(Object.keys(columns)),
    specs,
    isCounter: specs.map((spec) => spec.counter !== undefined),
    slots: [],
    names: Buffer.alloc(0),
    metricOfColumn: [],
    isOpen: false,
  };
}
