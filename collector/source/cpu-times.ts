// The ten columns of a `cpu` line of /proc/stat and the shares that follow from them, for one CPU or
// for all together.
//
//   cpu  user nice system idle iowait irq softirq steal guest guest_nice        (USER_HZ ticks, proc(5))
//
// Shares are of the sum of the ticks that passed, not of the clock: the kernel counts whole ticks of
// 10 ms, and a CPU that sleeps without ticks is brought up to date late, so ticks and clock differ by
// a few percent in one second. user and nice contain the guests' time, which is shown apart. idle,
// iowait and steal may go back a little when the kernel corrects them: lossy.

import type { SampleTable } from '#collector/sample-table.ts';
import type { ByteScanner } from '#collector/source/byte-scanner.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { derivedRate, hiddenCounter, instanceName } from '#collector/source/metric-shape.ts';

/** The columns, in the order of the file. */
const COLUMNS = [
  'user',
  'nice',
  'system',
  'idle',
  'iowait',
  'interrupt',
  'softirq',
  'steal',
  'guest',
  'guest_nice',
] as const;
const LOSSY: readonly string[] = ['idle', 'iowait', 'steal'];
/** A kernel before 2.6.33 has no guest_nice, an older one fewer columns still; the first eight are needed. */
const COLUMNS_MIN = 8;
const [USER, NICE, SYSTEM, IDLE, IOWAIT, INTERRUPT, SOFTIRQ, STEAL, GUEST, GUEST_NICE] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
] as const;

const SHARES = [
  ['user', '%user', 'time in programs at ordinary priority, guests not counted'],
  ['nice', '%nice', 'time in programs at lowered priority, guests not counted'],
  ['system', '%sys', 'time in the kernel for programs'],
  ['interrupt', '%irq', 'time in hardware interrupts'],
  ['softirq', '%soft', 'time in software interrupts: network stack, timers, RCU'],
  ['steal', '%stl', 'time the hypervisor gave to others'],
  ['guest', '%guest', 'time in virtual machines that run here'],
  ['iowait', '%iowait', 'idle time with a disk request under way'],
  ['idle', '%idle', 'idle time without one'],
] as const;

/** Slots and scratch of one `cpu` line. */
export class CpuTimes {
  readonly #raw: number[];
  readonly #shares: number[];
  readonly #utilization: number;
  readonly #intr: number;
  readonly #ticks = new Float64Array(COLUMNS.length);
  /** Share of the time that was not idle in this tick, 0..1; NaN when not known. */
  utilization = Number.NaN;

  /** `cpu` is the number of the CPU, undefined for all together. */
  constructor(metrics: MetricScope, cpu?: number) {
    const isTotal = cpu === undefined;
    const named = (name: string): string => (isTotal ? name : instanceName(name, 'cpu', cpu));
    const decays = isTotal;
    const where = isTotal ? 'of all CPUs' : `of CPU ${cpu}`;
    this.#raw = COLUMNS.map((mode) =>
      metrics.declare(
        hiddenCounter(named(`system.cpu.time{cpu.mode=${mode}}`), {
          counter: { width: 64, isLossy: LOSSY.includes(mode) },
        }),
      ),
    );
    this.#utilization = metrics.declare(
      derivedRate(
        named('system.cpu.utilization'),
        isTotal ? '%util' : `%cpu${cpu}`,
        '1',
        `share of the time ${where} that was not idle: 1 - (idle + iowait) / all`,
        { decays },
      ),
    );
    this.#intr = metrics.declare(
      derivedRate(
        named('system.cpu.linux.interrupts'),
        '%intr',
        '1',
        `share of the time ${where}: hardware and software interrupts`,
        { decays },
      ),
    );
    this.#shares = SHARES.map(([mode, short, help]) =>
      metrics.declare(
        derivedRate(
          named(`system.cpu.utilization{cpu.mode=${mode}}`),
          short,
          '1',
          `share ${where}: ${help}`,
          { decays },
        ),
      ),
    );
  }

  /** Takes the numbers behind the name of the line. A line with too few of them is left out whole. */
  read(scanner: ByteScanner, table: SampleTable): void {
    let column = 0;
    for (; column < COLUMNS.length && scanner.number(); column++) {
      table.counter(this.#raw[column]!, scanner.high, scanner.low);
    }
    if (column >= COLUMNS_MIN) {
      for (; column < COLUMNS.length; column++) table.counter(this.#raw[column]!, 0, 0);
    }
  }

  /** Computes the shares from the ticks that passed. */
  derive(table: SampleTable): void {
    const ticks = this.#ticks;
    for (let i = 0; i < COLUMNS.length; i++) ticks[i] = table.delta(this.#raw[i]!);
    let all = 0;
    for (let i = 0; i <= STEAL; i++) all += ticks[i]!;
    // No tick passed, or one of them is not known (NaN): then no share is.
    if (!(all > 0)) all = Number.NaN;
    const idle = ticks[IDLE]! + ticks[IOWAIT]!;
    this.utilization = (all - idle) / all;
    table.set(this.#utilization, this.utilization);
    table.set(this.#intr, (ticks[INTERRUPT]! + ticks[SOFTIRQ]!) / all);
    const guest = ticks[GUEST]!;
    const guestNice = ticks[GUEST_NICE]!;
    const shares = this.#shares;
    table.set(shares[0]!, Math.max(0, ticks[USER]! - guest) / all);
    table.set(shares[1]!, Math.max(0, ticks[NICE]! - guestNice) / all);
    table.set(shares[2]!, ticks[SYSTEM]! / all);
    table.set(shares[3]!, ticks[INTERRUPT]! / all);
    table.set(shares[4]!, ticks[SOFTIRQ]! / all);
    table.set(shares[5]!, ticks[STEAL]! / all);
    table.set(shares[6]!, (guest + guestNice) / all);
    table.set(shares[7]!, ticks[IOWAIT]! / all);
    table.set(shares[8]!, ticks[IDLE]! / all);
  }
}
