// /proc/stat: CPU time of all CPUs and of each, context switches, interrupts, softirqs, forks, and how
// many processes want to run or are blocked. proc(5).
//
// The `intr` line is long (a number for every interrupt line); only its first number, the total, is read.
// A CPU that is switched off has no line: its values are null, and its counters start anew when it is back.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { CpuTimes } from '#collector/source/cpu-times.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, derivedRate, gauge } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

/** CPUs shown one by one at the most; the totals count them all. */
const CPUS_MAX = 512;
const C = 'c'.charCodeAt(0);
const P = 'p'.charCodeAt(0);
const U = 'u'.charCodeAt(0);
const ZERO = '0'.charCodeAt(0);

/** Keys with one number of interest behind them. */
const NUMBERS = ['ctxt', 'intr', 'processes', 'procs_running', 'procs_blocked'];
/** The numbers of the `softirq` line behind the total, in the kernel's order (include/linux/interrupt.h). */
const SOFTIRQS = [
  'hi',
  'timer',
  'net_tx',
  'net_rx',
  'block',
  'irq_poll',
  'tasklet',
  'sched',
  'hrtimer',
  'rcu',
];

export class StatSource implements Source {
  readonly id = 'stat';
  readonly isFast = true;
  readonly budgetUs = 20_000;
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #keys = new KeyTable(NUMBERS);
  readonly #softirqKey = new KeyTable(['softirq']);
  readonly #cpus: (CpuTimes | undefined)[] = [];
  #metrics!: MetricScope;
  #total!: CpuTimes;
  #numbers: number[] = [];
  #softirqs: number[] = [];
  #softirqTotal = -1;
  #busiest = -1;
  #imbalance = -1;
  /** Utilization of the CPUs that have one, for the median. */
  readonly #utilizations = new Float64Array(CPUS_MAX);

  constructor(root: string) {
    this.#file = new ProcFile(`${root}/stat`);
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    this.#total = new CpuTimes(metrics);
    this.#busiest = metrics.declare(
      derivedRate(
        'system.cpu.linux.busiest',
        '%max',
        '1',
        'utilization of the busiest CPU; far above the mean, one CPU is the limit',
        { decays: true },
      ),
    );
    this.#imbalance = metrics.declare(
      derivedRate(
        'system.cpu.linux.imbalance',
        'cpuimb',
        '1',
        'utilization of the busiest CPU above that of the median one: one hot interrupt or thread',
        { decays: true },
      ),
    );
    this.#numbers = [
      counter('system.linux.context_switches', 'csw/s', '{switch}/s', 'context switches', {
        decays: true,
      }),
      counter('system.linux.interrupts', 'hard/s', '{interrupt}/s', 'hardware interrupts', {
        decays: true,
      }),
      counter('system.process.created', 'proc/s', '{process}/s', 'processes and threads created'),
      gauge(
        'system.process.count{state=running}',
        'runq',
        '{process}',
        'threads that run or want to run',
        { decays: true },
      ),
      gauge(
        'system.process.count{state=blocked}',
        'blkd',
        '{process}',
        'threads that wait for a disk',
      ),
    ].map((spec) => metrics.declare(spec));
    this.#softirqTotal = metrics.declare(
      counter('system.linux.softirqs', 'soft/s', '{interrupt}/s', 'software interrupts', {
        decays: true,
      }),
    );
    this.#softirqs = SOFTIRQS.map((type) =>
      metrics.declare(
        counter(
          `system.linux.softirqs{type=${type}}`,
          `${type}/s`,
          '{interrupt}/s',
          `software interrupts of type ${type.toUpperCase()}`,
        ),
      ),
    );
  }

  sample(table: SampleTable): number {
    const scanner = this.#scanner;
    if (!this.#file.read()) return Freshness.stale;
    scanner.start(this.#file.bytes, this.#file.length);
    while (scanner.nextLine()) {
      if (!scanner.word()) continue;
      if (this.#isCpu()) this.#readCpu(table);
      else this.#readNumber(table);
    }
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    this.#total.derive(table);
    let count = 0;
    for (let i = 0; i < this.#cpus.length; i++) {
      const cpu = this.#cpus[i];
      if (cpu === undefined) continue;
      cpu.derive(table);
      if (cpu.utilization >= 0) count = this.#insert(cpu.utilization, count);
    }
    const sorted = this.#utilizations;
    const busiest = count === 0 ? Number.NaN : sorted[count - 1]!;
    table.set(this.#busiest, busiest);
    table.set(this.#imbalance, busiest - sorted[(count - 1) >> 1]!);
  }

  close(): void {
    this.#file.close();
  }

  /** Puts a utilization in its place among the first `count`; returns how many there are now. */
  #insert(utilization: number, count: number): number {
    const sorted = this.#utilizations;
    let at = count;
    for (; at > 0 && sorted[at - 1]! > utilization; at--) sorted[at] = sorted[at - 1]!;
    sorted[at] = utilization;
    return count + 1;
  }

  #isCpu(): boolean {
    const { bytes, wordStart, wordEnd } = this.#scanner;
    return (
      wordEnd - wordStart >= 3 &&
      bytes[wordStart] === C &&
      bytes[wordStart + 1] === P &&
      bytes[wordStart + 2] === U
    );
  }

  #readCpu(table: SampleTable): void {
    const { bytes, wordStart, wordEnd } = this.#scanner;
    if (wordEnd - wordStart === 3) {
      this.#total.read(this.#scanner, table);
      return;
    }
    let cpu = 0;
    for (let i = wordStart + 3; i < wordEnd; i++) cpu = cpu * 10 + (bytes[i]! - ZERO);
    if (!(cpu >= 0 && cpu < CPUS_MAX)) return;
    let times = this.#cpus[cpu];
    if (times === undefined) {
      // The first tick, or a CPU that was plugged in.
      times = new CpuTimes(this.#metrics, cpu);
      this.#cpus[cpu] = times;
    }
    times.read(this.#scanner, table);
  }

  #readNumber(table: SampleTable): void {
    const scanner = this.#scanner;
    const key = this.#keys.find(scanner);
    if (key >= 0) {
      if (!scanner.number()) return;
      const slot = this.#numbers[key]!;
      if (key >= NUMBERS.indexOf('procs_running')) table.gauge(slot, scanner.value);
      else table.counter(slot, scanner.high, scanner.low);
    } else if (this.#softirqKey.find(scanner) >= 0) this.#readSoftirqs(table);
  }

  #readSoftirqs(table: SampleTable): void {
    const scanner = this.#scanner;
    if (scanner.number()) table.counter(this.#softirqTotal, scanner.high, scanner.low);
    for (let i = 0; i < this.#softirqs.length; i++) {
      if (!scanner.number()) return;
      table.counter(this.#softirqs[i]!, scanner.high, scanner.low);
    }
  }
}
