// Connection tracking of the packet filter: how full its table is, and what it dropped. A full table refuses
// new connections of every program, and only the kernel's log says so.
//
//   /proc/sys/net/netfilter/nf_conntrack_{count,max}     one number each
//   /proc/net/stat/nf_conntrack                          names, then a line of hexadecimal numbers for each CPU
//
// The columns are 32 bits wide (net/netfilter/nf_conntrack_standalone.c); each CPU's has its own metric, which
// is not shown, so that a wrap is repaired before they are added up.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { CellFile, joined } from '#collector/source/cell-file.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { derivedRate, gauge, hiddenCounter, instanceName } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const CPUS_MAX = 512;
const WANTED = {
  invalid: ['ctinv', 'packets that belong to no connection'],
  insert_failed: ['ctinsf', 'entries that could not be added, most often because they were there'],
  drop: ['ctdrop', 'packets dropped because no entry could be made: table full, no memory'],
  early_drop: ['ctearl', 'entries given up to make room in a full table'],
  search_restart: ['ctrest', 'searches begun again because the table was being resized'],
} as const;

export class ConntrackSource implements Source {
  readonly id = 'conntrack';
  readonly budgetUs = 20_000;
  readonly #file: ProcFile;
  readonly #count: CellFile;
  readonly #limit: CellFile;
  readonly #scanner = new ByteScanner();
  readonly #names = new KeyTable(Object.keys(WANTED));
  /** Which of the wanted a column is, by its number, -1: none. */
  #metricOfColumn: number[] = [];
  #header: Buffer = Buffer.alloc(0);
  readonly #cpus: number[][] = [];
  #totals: number[] = [];
  #utilization = -1;
  #metrics!: MetricScope;

  constructor(root: string) {
    this.#file = new ProcFile(`${root}/net/stat/nf_conntrack`);
    this.#count = new CellFile(`${root}/sys/net/netfilter/nf_conntrack_count`, [
      gauge('network.linux.conntrack.count', 'ct', '{connection}', 'connections tracked', {
        decays: true,
      }),
    ]);
    this.#limit = new CellFile(`${root}/sys/net/netfilter/nf_conntrack_max`, [
      gauge('network.linux.conntrack.limit', 'ctmax', '{connection}', 'connections it may track'),
    ]);
  }

  probe(): Capability {
    const found = joined([this.#count.probe(), this.#limit.probe(), this.#file.probe()]);
    return found.state === 'absent'
      ? { state: 'absent', reason: 'connections are not tracked here (module nf_conntrack)' }
      : found;
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    this.#count.declare(metrics);
    this.#limit.declare(metrics);
    this.#utilization = metrics.declare(
      gauge('network.linux.conntrack.utilization', '%ct', '1', 'how full the table is'),
    );
    this.#totals = Object.entries(WANTED).map(([what, [short, help]]) =>
      metrics.declare(
        derivedRate(`network.linux.conntrack.${what}`, short, '{event}/s', help, { decays: true }),
      ),
    );
  }

  sample(table: SampleTable): number {
    const hasCount = this.#count.sample(table);
    const hasLimit = this.#limit.sample(table);
    const hasStat = this.#sampleStat(table);
    return hasCount || hasLimit || hasStat ? Freshness.now : Freshness.stale;
  }

  derive(table: SampleTable): void {
    const limit = table.value(this.#limit.slot(0));
    table.set(this.#utilization, table.value(this.#count.slot(0)) / limit);
    for (let metric = 0; metric < this.#totals.length; metric++) {
      let sum = this.#cpus.length > 0 ? 0 : Number.NaN;
      for (let cpu = 0; cpu < this.#cpus.length; cpu++) {
        sum += table.value(this.#cpus[cpu]![metric]!);
      }
      table.set(this.#totals[metric]!, sum);
    }
  }

  close(): void {
    this.#file.close();
    this.#count.close();
    this.#limit.close();
  }

  #sampleStat(table: SampleTable): boolean {
    if (!this.#file.read()) return false;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    if (!scanner.nextLine()) return true;
    if (!scanner.restEquals(this.#header)) this.#learn();
    for (let cpu = 0; cpu < CPUS_MAX && scanner.nextLine(); cpu++) {
      const slots = (this.#cpus[cpu] ??= this.#declareCpu(cpu));
      for (let column = 0; column < this.#metricOfColumn.length && scanner.hex(); column++) {
        const metric = this.#metricOfColumn[column]!;
        if (metric >= 0) table.counter(slots[metric]!, scanner.high, scanner.low);
      }
    }
    return true;
  }

  #learn(): void {
    const scanner = this.#scanner;
    this.#header = scanner.rest();
    this.#metricOfColumn = [];
    while (scanner.word()) this.#metricOfColumn.push(this.#names.find(scanner));
  }

  #declareCpu(cpu: number): number[] {
    return this.#names.names().map((what) =>
      this.#metrics.declare(
        hiddenCounter(instanceName(`network.linux.conntrack.${what}`, 'cpu', cpu), {
          counter: { width: 32 },
        }),
      ),
    );
  }
}
