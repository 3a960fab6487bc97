// /proc/schedstat: how long threads ran and how long they waited for a CPU although they could have run
// (kernel built with CONFIG_SCHEDSTATS; Documentation/scheduler/sched-stats.rst). Without it the
// pressure of resource cpu says much the same (collector/source/pressure.ts).
//
//   cpu0  0 0 0 0 0 0  running-ns  waiting-ns  timeslices

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { derivedRate, hiddenCounter, instanceName } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const CPUS_MAX = 512;
const COLUMNS_BEFORE = 6;
const NS = 1e-9;
const C = 'c'.charCodeAt(0);
const KINDS = [
  ['run', 'rqrun', '1', 'CPUs that ran threads, mean', NS],
  ['wait', 'rqwait', '1', 'threads that could have run and waited for a CPU, mean', NS],
  ['timeslices', 'slice/s', '{timeslice}/s', 'times a thread was given a CPU', 1],
] as const;

export class RunqueueTimeSource implements Source {
  readonly id = 'runqueue';
  readonly budgetUs = 20_000;
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #cpus: number[][] = [];
  #totals: number[] = [];
  #metrics!: MetricScope;

  constructor(root: string) {
    this.#file = new ProcFile(`${root}/schedstat`);
  }

  probe(): Capability {
    return this.#file.probe().state === 'ok'
      ? { state: 'ok' }
      : { state: 'absent', reason: 'this kernel has no /proc/schedstat (CONFIG_SCHEDSTATS)' };
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    this.#totals = KINDS.map(([what, short, unit, help]) =>
      metrics.declare(
        derivedRate(`system.linux.runqueue.${what}`, short, unit, help, { decays: true }),
      ),
    );
  }

  sample(table: SampleTable): number {
    if (!this.#file.read()) return Freshness.stale;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    let cpu = 0;
    while (scanner.nextLine()) {
      if (!scanner.word() || scanner.bytes[scanner.wordStart] !== C || cpu >= CPUS_MAX) continue;
      this.#readCpu(cpu++, table);
    }
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    for (let kind = 0; kind < KINDS.length; kind++) {
      let sum = this.#cpus.length > 0 ? 0 : Number.NaN;
      for (let cpu = 0; cpu < this.#cpus.length; cpu++) {
        sum += table.value(this.#cpus[cpu]![kind]!);
      }
      table.set(this.#totals[kind]!, sum);
    }
  }

  close(): void {
    this.#file.close();
  }

  #readCpu(cpu: number, table: SampleTable): void {
    const scanner = this.#scanner;
    const slots = (this.#cpus[cpu] ??= this.#declareCpu(cpu));
    for (let i = 0; i < COLUMNS_BEFORE; i++) if (!scanner.number()) return;
    for (let kind = 0; kind < KINDS.length && scanner.number(); kind++) {
      table.counter(slots[kind]!, scanner.high, scanner.low);
    }
  }

  #declareCpu(cpu: number): number[] {
    return KINDS.map(([what, , , , scale]) =>
      this.#metrics.declare(
        hiddenCounter(instanceName(`system.linux.runqueue.${what}`, 'cpu', cpu), { scale }),
      ),
    );
  }
}
