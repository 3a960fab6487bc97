// /proc/net/softnet_stat: how each CPU's network softirq keeps up. Hexadecimal columns, 32 bits wide
// (net/core/net-procfs.c, softnet_seq_show); the kernel prints no header:
//
//   0 processed  1 dropped  2 squeezed  3..8 0  9 received_rps  10 flow_limit  11 backlog  12 cpu
//
// `squeezed`: the softirq stopped with packets left because its budget or its time was over.
// Older kernels lack the last columns; the CPU is then the number of the line.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, derivedRate, instanceName } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const CPUS_MAX = 512;
const COLUMN_CPU = 12;
const COLUMNS_MAX = 13;
/** Faster than any CPU can take packets. */
const PACKETS_PER_S_MAX = 1e9;

const KINDS = [
  { column: 0, what: 'processed', short: 'snet/s', help: 'packets taken by the softirq' },
  { column: 1, what: 'dropped', short: 'sndrp', help: 'packets dropped, backlog was full' },
  { column: 2, what: 'squeezed', short: 'sqz/s', help: 'softirq stopped with packets left' },
  { column: 9, what: 'steered', short: 'rps/s', help: 'packets steered here by another CPU' },
  { column: 10, what: 'flow_limited', short: 'flim', help: 'packets dropped by the flow limit' },
] as const;

export class SoftnetSource implements Source {
  readonly id = 'softnet';
  readonly isFast = true;
  readonly budgetUs = 20_000;
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #columns = new Float64Array(COLUMNS_MAX);
  /** Slots of each CPU, by kind. */
  readonly #cpus: (number[] | undefined)[] = [];
  #metrics!: MetricScope;
  #totals: number[] = [];

  constructor(root: string) {
    this.#file = new ProcFile(`${root}/net/softnet_stat`);
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    this.#totals = KINDS.map(({ what, short, help }) =>
      metrics.declare(
        derivedRate(`network.linux.softnet.${what}`, short, '{event}/s', `${help}, all CPUs`, {
          decays: true,
        }),
      ),
    );
  }

  sample(table: SampleTable): number {
    if (!this.#file.read()) return Freshness.stale;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    for (let line = 0; scanner.nextLine(); line++) {
      let count = 0;
      while (count < COLUMNS_MAX && scanner.hex()) this.#columns[count++] = scanner.value;
      const cpu = count > COLUMN_CPU ? this.#columns[COLUMN_CPU]! : line;
      if (count > 0 && cpu < CPUS_MAX) this.#write(cpu, count, table);
    }
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    for (let kind = 0; kind < KINDS.length; kind++) {
      // The sum of those CPUs that have a value: one that was just plugged in has none yet.
      let sum = Number.NaN;
      for (let cpu = 0; cpu < this.#cpus.length; cpu++) {
        const slots = this.#cpus[cpu];
        const value = slots === undefined ? Number.NaN : table.value(slots[kind]!);
        if (!Number.isNaN(value)) sum = Number.isNaN(sum) ? value : sum + value;
      }
      table.set(this.#totals[kind]!, sum);
    }
  }

  close(): void {
    this.#file.close();
  }

  #write(cpu: number, count: number, table: SampleTable): void {
    const slots = (this.#cpus[cpu] ??= this.#declareCpu(cpu));
    for (let kind = 0; kind < KINDS.length; kind++) {
      const { column } = KINDS[kind]!;
      if (column < count) table.counter(slots[kind]!, 0, this.#columns[column]!);
    }
  }

  #declareCpu(cpu: number): number[] {
    return KINDS.map(({ what, short, help }) =>
      this.#metrics.declare(
        counter(
          instanceName(`network.linux.softnet.${what}`, 'cpu', cpu),
          `${short}${cpu}`,
          '{event}/s',
          `${help}, CPU ${cpu}`,
          { counter: { width: 32 }, max: PACKETS_PER_S_MAX },
        ),
      ),
    );
  }
}
