// One thread: how long it ran, how long it was runnable and waited for a CPU, both in nanoseconds (schedstat of
// /proc/PID/task/TID), and how often it gave up its CPU by itself or had to (status). The rest of the time it slept.
// Rates are over the thread's own time between two readings, so a thread that is read every other tick has true ones.
//
// Kernel facts: schedstat and the switches in status are of one thread also in /proc/PID, which shows the first one;
// a process is the sum of its threads. Documentation/scheduler/sched-stats.rst, proc(5).

import { type TaskBuffer, TaskFile } from '#collector/process/task-file.ts';
import type { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';

const US_PER_S = 1e6;
const NS_PER_US = 1000;
const SWITCHES = new KeyTable(['voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches']);

export class Thread {
  readonly tid: number;
  /** Seconds per second since the reading before; NaN: not known. */
  run = Number.NaN;
  wait = Number.NaN;
  /** Switches per second. */
  voluntary = Number.NaN;
  involuntary = Number.NaN;
  /** Place of its group in the process's list; -1 before it is known. */
  group = -1;
  /** The last reading found another name than the one before. */
  isRenamed = false;
  readonly #schedstat: TaskFile;
  readonly #status: TaskFile;
  readonly #shared: TaskBuffer;
  #stampUs: number;
  #runNs: number;
  #waitNs: number;
  readonly #switches = new Float64Array(2);
  #nameHash = Number.NaN;

  /** `bornUs`: a thread that began after this time, which has done nothing before; NaN: it may be old. */
  constructor(taskFolder: string, tid: number, shared: TaskBuffer, bornUs: number) {
    this.tid = tid;
    this.#shared = shared;
    this.#schedstat = new TaskFile(`${taskFolder}/${tid}/schedstat`, shared);
    this.#status = new TaskFile(`${taskFolder}/${tid}/status`, shared);
    this.#stampUs = bornUs;
    const before = Number.isNaN(bornUs) ? Number.NaN : 0;
    this.#runNs = before;
    this.#waitNs = before;
    this.#switches.fill(before);
  }

  /** Reads both files; false when the thread is gone. The status stays in the shared buffer, for `threadGroupName`. */
  read(scanner: ByteScanner, nowUs: number): boolean {
    const length = this.#schedstat.read();
    if (length === 0) return false;
    const dtUs = nowUs - this.#stampUs;
    scanner.start(this.#shared.bytes, length);
    if (!scanner.nextLine() || !scanner.number()) return false;
    this.run = (scanner.value - this.#runNs) / NS_PER_US / dtUs;
    this.#runNs = scanner.value;
    if (!scanner.number()) return false;
    this.wait = (scanner.value - this.#waitNs) / NS_PER_US / dtUs;
    this.#waitNs = scanner.value;
    this.#stampUs = nowUs;
    return this.#readSwitches(scanner, dtUs);
  }

  /** It has ended; what was never read stays unknown. */
  stop(): void {
    if (this.group < 0) return;
    this.run = 0;
    this.wait = 0;
    this.voluntary = 0;
    this.involuntary = 0;
  }

  close(): void {
    this.#schedstat.close();
    this.#status.close();
  }

  #readSwitches(scanner: ByteScanner, dtUs: number): boolean {
    const length = this.#status.read();
    if (length === 0) return false;
    scanner.start(this.#shared.bytes, length);
    this.isRenamed = false;
    // The first line is the name.
    if (scanner.nextLine() && scanner.word()) {
      scanner.word();
      this.isRenamed = scanner.wordHash !== this.#nameHash;
      this.#nameHash = scanner.wordHash;
    }
    while (scanner.nextLine()) {
      if (!scanner.word()) continue;
      const which = SWITCHES.find(scanner);
      if (which < 0 || !scanner.number()) continue;
      const rate = ((scanner.value - this.#switches[which]!) * US_PER_S) / dtUs;
      this.#switches[which] = scanner.value;
      if (which === 0) this.voluntary = rate;
      else this.involuntary = rate;
    }
    return true;
  }
}

/** Name of the thread whose status was read last, digits as `#`, so that the workers of a pool have one name. */
export function threadGroupName(shared: TaskBuffer): string {
  const text = shared.bytes.toString('latin1', 0, 64);
  const name = /^Name:\t([^\n]*)/.exec(text)?.[1] ?? '?';
  return name.replace(/\d+/g, '#').replace(/[{},=]/g, '_');
}
