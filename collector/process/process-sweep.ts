// Finds the processes whose name or command line matches a pattern, a bounded piece a tick. /proc is walked again
// only when a process was started since (the last id of /proc/loadavg), and a process that did not match is
// looked at again only in its first seconds, while it may still become another program (exec).
//
// The command line lies in the memory of the process, so reading it waits for that process's memory lock: it is read
// once or a few times for each process, never in every tick.

import { closeSync, type Dir, opendirSync, openSync, readSync } from 'node:fs';
import { ProcFile } from '#collector/source/proc-file.ts';

/** Entries of /proc walked, and processes looked at, in one tick. */
const ENTRIES_MAX = 4000;
const LOOKS_MAX = 100;
/** Ids remembered as not matching. */
const REJECTED_MAX = 65_536;
/** How long a program may take to become another one. */
const YOUNG_US = 5e6;
const COMMAND_BYTES_MAX = 4096;
const DIGIT_ZERO = 48;
const DIGIT_NINE = 57;

export class ProcessSweep {
  /** Ids that could not be remembered, and are looked at again. */
  forgotten = 0;
  readonly #root: string;
  readonly #patterns: readonly RegExp[];
  readonly #loadavg: ProcFile;
  readonly #bytes = Buffer.alloc(COMMAND_BYTES_MAX);
  /** Id -> when it was seen first. */
  readonly #rejected = new Map<number, number>();
  #folder: Dir | undefined;
  #lastPid = -1;
  #hasYoung = true;
  readonly #ownPid: number;

  constructor(root: string, patterns: readonly RegExp[], ownPid: number) {
    this.#root = root;
    this.#patterns = patterns;
    this.#loadavg = new ProcFile(`${root}/loadavg`);
    this.#ownPid = ownPid;
  }

  /** Goes on; gives the ids that match and that `isKnown` does not know. */
  step(nowUs: number, isKnown: (pid: number) => boolean): number[] {
    const found: number[] = [];
    if (this.#patterns.length === 0 || !this.#begin()) return found;
    let looks = 0;
    for (let i = 0; i < ENTRIES_MAX && looks < LOOKS_MAX; i++) {
      const entry = this.#folder!.readSync();
      if (entry === null) {
        this.#end();
        break;
      }
      const first = entry.name.charCodeAt(0);
      if (first < DIGIT_ZERO || first > DIGIT_NINE) continue;
      const pid = Number(entry.name);
      if (pid === this.#ownPid || isKnown(pid)) continue;
      const sinceUs = this.#rejected.get(pid);
      if (sinceUs !== undefined && nowUs - sinceUs > YOUNG_US) continue;
      looks++;
      if (this.#matches(pid)) {
        this.#rejected.delete(pid);
        found.push(pid);
      } else this.#reject(pid, sinceUs ?? nowUs);
    }
    return found;
  }

  /** Walks once more also when no process was started. */
  again(): void {
    this.#hasYoung = true;
  }

  close(): void {
    this.#folder?.closeSync();
    this.#folder = undefined;
    this.#loadavg.close();
  }

  /** Whether there is anything to look for; opens the folder when a new walk is due. */
  #begin(): boolean {
    if (this.#folder !== undefined) return true;
    const lastPid = this.#readLastPid();
    if (lastPid === this.#lastPid && !this.#hasYoung) return false;
    // Ids began again from the start: those that were remembered belong to others now.
    if (lastPid < this.#lastPid) this.#rejected.clear();
    this.#lastPid = lastPid;
    this.#hasYoung = false;
    this.#folder = opendirSync(this.#root, { bufferSize: 256 });
    return true;
  }

  #end(): void {
    this.#folder?.closeSync();
    this.#folder = undefined;
  }

  #reject(pid: number, sinceUs: number): void {
    this.#hasYoung = true;
    if (this.#rejected.size >= REJECTED_MAX) {
      this.#rejected.clear();
      this.forgotten++;
    }
    this.#rejected.set(pid, sinceUs);
  }

  #matches(pid: number): boolean {
    const name = this.#text(`${this.#root}/${pid}/comm`).trimEnd();
    const command = this.#text(`${this.#root}/${pid}/cmdline`).replaceAll('\0', ' ').trimEnd();
    return this.#patterns.some((pattern) => pattern.test(name) || pattern.test(command));
  }

  #text(path: string): string {
    try {
      const fd = openSync(path, 'r');
      try {
        return this.#bytes.toString('utf8', 0, readSync(fd, this.#bytes, 0, COMMAND_BYTES_MAX, 0));
      } finally {
        closeSync(fd);
      }
    } catch {
      // It has ended meanwhile.
      return '';
    }
  }

  /** The id given last: the last number of the line. */
  #readLastPid(): number {
    if (!this.#loadavg.read()) return -1;
    const text = this.#loadavg.bytes.toString('latin1', 0, this.#loadavg.length);
    return Number(text.slice(text.lastIndexOf(' ') + 1));
  }
}
