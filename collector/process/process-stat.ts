// /proc/PID/stat: the one line that has most of what the kernel says of a process, all its threads and those
// that have ended included. proc(5).
//
//   4711 (name) S ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime ... starttime ...
//
// The name may hold anything, also spaces, parentheses and newlines, so the numbers are those behind the last `)`.
// CPU time is in steps of 10 ms (USER_HZ is 100 wherever Node runs).

import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { ProcFile } from '#collector/source/proc-file.ts';

const CLOSE = ')'.charCodeAt(0);
const OPEN = '('.charCodeAt(0);
/** proc(5) numbers the fields from 1; the first one behind the name, the state, is number 3. */
const FIRST_NUMBER = 4;
const FIELDS = {
  minorFaults: 10,
  majorFaults: 12,
  userTicks: 14,
  systemTicks: 15,
  threads: 20,
  startTicks: 22,
  virtualBytes: 23,
  residentPages: 24,
} as const;

export class ProcessStat {
  minorFaults = 0;
  majorFaults = 0;
  userTicks = 0;
  systemTicks = 0;
  threads = 0;
  /** Time of its start since boot: with the id it names a process for good. */
  startTicks = 0;
  virtualBytes = 0;
  residentPages = 0;
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();

  constructor(folder: string) {
    this.#file = new ProcFile(`${folder}/stat`);
  }

  /** Reads the line; false when the process is gone, or the line is not whole. */
  read(): boolean {
    if (!this.#file.read()) return false;
    const { bytes, length } = this.#file;
    const close = bytes.lastIndexOf(CLOSE, length - 1);
    if (close < 0) return false;
    const scanner = this.#scanner;
    scanner.start(bytes, length, close + 1);
    if (!scanner.nextLine() || !scanner.word()) return false;
    for (let field = FIRST_NUMBER; field <= FIELDS.residentPages; field++) {
      if (!scanner.number()) return false;
      this.#take(field, scanner.value);
    }
    return true;
  }

  /** The name of the program, as read last. */
  name(): string {
    const { bytes, length } = this.#file;
    const from = bytes.indexOf(OPEN) + 1;
    return bytes.toString('latin1', from, Math.max(from, bytes.lastIndexOf(CLOSE, length - 1)));
  }

  close(): void {
    this.#file.close();
  }

  #take(field: number, value: number): void {
    if (field === FIELDS.minorFaults) this.minorFaults = value;
    else if (field === FIELDS.majorFaults) this.majorFaults = value;
    else if (field === FIELDS.userTicks) this.userTicks = value;
    else if (field === FIELDS.systemTicks) this.systemTicks = value;
    else if (field === FIELDS.threads) this.threads = value;
    else if (field === FIELDS.startTicks) this.startTicks = value;
    else if (field === FIELDS.virtualBytes) this.virtualBytes = value;
    else if (field === FIELDS.residentPages) this.residentPages = value;
  }
}
