// /proc/interrupts and /proc/softirqs: a line for each kind of interrupt, a column for each CPU. Which
// device interrupts which CPU how often. Part of `--detail`: reading the first costs the kernel a visit to
// every line and CPU (65 us on two CPUs, more than all the rest together on a hundred).
//
//              CPU0       CPU1
//    24:          1          0  IO-APIC   5-edge      ACPI:Ged
//   LOC:     930921     831022  Local timer interrupts
//
// The numbers are 32 bits wide and wrap. The header says which CPUs the columns are: those that are on.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

/** Pairs of line and CPU at the most. */
const CELLS_MAX = 2048;
const CPUS_MAX = 512;
const CPU_LETTERS = 3;
const ZERO = '0'.charCodeAt(0);

export class InterruptLinesSource implements Source {
  readonly id: string;
  readonly budgetUs = 20_000;
  /** Lines that found no room. */
  refused = 0;
  readonly #what: 'interrupts' | 'softirqs';
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #lines = new KeyTable();
  /** Slot by line and CPU. */
  readonly #slots: number[][] = [];
  readonly #cpuOfColumn = new Int32Array(CPUS_MAX);
  #columns = 0;
  #cells = 0;
  #metrics!: MetricScope;

  constructor(root: string, what: 'interrupts' | 'softirqs') {
    this.id = `${what}-by-cpu`;
    this.#what = what;
    this.#file = new ProcFile(`${root}/${what}`);
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
  }

  sample(table: SampleTable): number {
    if (!this.#file.read()) return Freshness.stale;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    if (scanner.nextLine()) this.#readHeader();
    while (scanner.nextLine()) {
      if (scanner.word()) this.#readLine(table);
    }
    return Freshness.now;
  }

  close(): void {
    this.#file.close();
  }

  #readHeader(): void {
    const scanner = this.#scanner;
    this.#columns = 0;
    while (this.#columns < CPUS_MAX && scanner.word()) {
      let cpu = 0;
      for (let i = scanner.wordStart + CPU_LETTERS; i < scanner.wordEnd; i++) {
        cpu = cpu * 10 + (scanner.bytes[i]! - ZERO);
      }
      this.#cpuOfColumn[this.#columns++] = cpu;
    }
  }

  #readLine(table: SampleTable): void {
    const scanner = this.#scanner;
    let line = this.#lines.find(scanner);
    if (line < 0) {
      if (this.#cells + this.#columns > CELLS_MAX) {
        this.refused++;
        return;
      }
      line = this.#lines.add(scanner.wordText());
      this.#slots.push([]);
    }
    const slots = this.#slots[line]!;
    for (let column = 0; column < this.#columns && scanner.number(); column++) {
      const cpu = this.#cpuOfColumn[column]!;
      if (!(cpu >= 0 && cpu < CPUS_MAX)) continue;
      table.counter((slots[cpu] ??= this.#declareCell(line, cpu)), scanner.high, scanner.low);
    }
  }

  #declareCell(line: number, cpu: number): number {
    this.#cells++;
    const name = this.#lines.names()[line]!;
    const attribute = this.#what === 'interrupts' ? 'irq' : 'type';
    return this.#metrics.declare(
      counter(
        `system.linux.${this.#what}{${attribute}=${name},cpu=${cpu}}`,
        `${name}/${cpu}`,
        '{interrupt}/s',
        `${this.#what} ${name} of CPU ${cpu}`,
        { counter: { width: 32 } },
      ),
    );
  }
}
