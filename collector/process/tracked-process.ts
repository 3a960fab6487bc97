// One process that is looked at: its files, and what they give in a tick. It is known by its id and the time of its
// start; an id that was given to another process ends it here.

import { readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { IO_LINES, PROCESS } from '#collector/process/process-metrics.ts';
import { ProcessStat } from '#collector/process/process-stat.ts';
import type { TaskBuffer } from '#collector/process/task-file.ts';
import { ThreadList } from '#collector/process/thread-list.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import { ProcFile } from '#collector/source/proc-file.ts';

export interface ProcessOptions {
  root: string;
  pageBytes: number;
  shared: TaskBuffer;
  /** The size of /proc/PID/fd is the number of descriptors (kernel 6.2 and later). */
  hasExactDescriptors: boolean;
}

export class TrackedProcess {
  readonly pid: number;
  readonly name: string;
  readonly startTicks: number;
  readonly threads: ThreadList;
  readonly #options: ProcessOptions;
  readonly #folder: string;
  readonly #stat: ProcessStat;
  readonly #io: ProcFile;
  readonly #status: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #ioKeys = new KeyTable(IO_LINES);
  readonly #statusKeys = new KeyTable(['FDSize']);

  /** `stat` has been read. */
  private constructor(options: ProcessOptions, pid: number, stat: ProcessStat) {
    this.#options = options;
    this.pid = pid;
    this.#folder = `${options.root}/${pid}`;
    this.#stat = stat;
    this.name = programName(this.#folder, stat.name()).replace(/[{},=\s]/g, '_');
    this.startTicks = stat.startTicks;
    this.threads = new ThreadList(this.#folder, options.shared);
    this.#io = new ProcFile(`${this.#folder}/io`);
    this.#status = new ProcFile(`${this.#folder}/status`);
  }

  /** Looks at a process; undefined when there is none with this id. */
  static open(options: ProcessOptions, pid: number): TrackedProcess | undefined {
    const stat = new ProcessStat(`${options.root}/${pid}`);
    if (stat.read()) return new TrackedProcess(options, pid, stat);
    stat.close();
    return undefined;
  }

  /** What names its metrics. */
  get label(): string {
    return `pid=${this.pid},comm=${this.name}`;
  }

  /** Reads the process itself; false when it is gone, also when another one has its id. */
  readSelf(): boolean {
    return this.#stat.read() && this.#stat.startTicks === this.startTicks;
  }

  /** Threads that it has, as read last. */
  get threadCount(): number {
    return this.#stat.threads;
  }

  /** Reads what is left, up to `threadsMax` threads; returns how many threads it read. */
  sample(table: SampleTable, slots: readonly number[], threadsMax: number, nowUs: number): number {
    const stat = this.#stat;
    table.counterNumber(slots[PROCESS.user]!, stat.userTicks);
    table.counterNumber(slots[PROCESS.system]!, stat.systemTicks);
    table.counterNumber(slots[PROCESS.minorFaults]!, stat.minorFaults);
    table.counterNumber(slots[PROCESS.majorFaults]!, stat.majorFaults);
    table.gauge(slots[PROCESS.resident]!, stat.residentPages * this.#options.pageBytes);
    table.gauge(slots[PROCESS.virtual]!, stat.virtualBytes);
    table.gauge(slots[PROCESS.threads]!, stat.threads);
    this.#readDescriptors(table, slots[PROCESS.descriptors]!);
    this.#readIo(table, slots);
    const read = this.threads.read(stat.threads, threadsMax, nowUs);
    const { all, unread } = this.threads;
    table.gauge(slots[PROCESS.unread]!, unread);
    table.gauge(slots[PROCESS.run]!, all.run);
    table.gauge(slots[PROCESS.wait]!, all.wait);
    table.gauge(slots[PROCESS.sleep]!, Math.max(0, all.threads - all.run - all.wait));
    table.gauge(slots[PROCESS.voluntary]!, all.voluntary);
    table.gauge(slots[PROCESS.involuntary]!, all.involuntary);
    return read;
  }

  close(): void {
    this.#stat.close();
    this.#io.close();
    this.#status.close();
    this.threads.close();
  }

  #readDescriptors(table: SampleTable, slot: number): void {
    if (this.#options.hasExactDescriptors) {
      try {
        table.gauge(slot, statSync(`${this.#folder}/fd`).size);
      } catch {
        // Another user's process, or gone: the value is not known.
      }
      return;
    }
    if (!this.#status.read()) return;
    this.#scanner.start(this.#status.bytes, this.#status.length);
    while (this.#scanner.nextLine()) {
      if (!this.#scanner.word() || this.#statusKeys.find(this.#scanner) < 0) continue;
      if (this.#scanner.number()) table.gauge(slot, this.#scanner.value);
      return;
    }
  }

  #readIo(table: SampleTable, slots: readonly number[]): void {
    if (!this.#io.read()) return;
    this.#scanner.start(this.#io.bytes, this.#io.length);
    while (this.#scanner.nextLine()) {
      if (!this.#scanner.word()) continue;
      const line = this.#ioKeys.find(this.#scanner);
      if (line < 0 || !this.#scanner.number()) continue;
      table.counter(slots[PROCESS.io + line]!, this.#scanner.high, this.#scanner.low);
    }
  }
}

/** The kernel's name of a process is that of its first thread, which Node since version 22 calls MainThread. */
function programName(folder: string, threadName: string): string {
  if (threadName !== 'MainThread') return threadName;
  try {
    return basename(readlinkSync(`${folder}/exe`));
  } catch {
    // Another user's process: the thread's name has to do.
    return threadName;
  }
}
