// The journal that makes a knob safe to turn: the value from before is on disk before the
// new one is applied. A process that ends well removes its journal; one that was killed leaves it, and
// the next start puts the old values back.
//
// One JSON object a line. The first names the process, each other one the value a knob had before it was
// turned for the first time; later turns of the same knob change nothing about where to go back to, so
// a journal has at most one line a knob and only the first turn waits for the disk.
//   {"pid":4711,"startTicks":123456}
//   {"knob":"write.flush","old":"turn","wallMs":1700000000000}
// A line without its newline was being written when the power went: its knob was not turned yet.

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '#core/assert.ts';
import { WsarError } from '#core/errors.ts';
import { makeFolder } from '#core/host/make-folder.ts';
import { isRunning, ownIdentity } from '#core/host/process-identity.ts';
import type { KnobValue } from '#core/knob/knob.ts';
import { isKnobValue } from '#core/knob/knob-value.ts';

export interface JournalEntry {
  knob: string;
  old: KnobValue;
  wallMs: number;
}

/** A journal that an earlier process left: its entries, oldest first, and who it was. */
export interface UnclosedJournal {
  pid: number;
  entries: JournalEntry[];
}

export class KnobJournal {
  readonly #file: string;
  readonly #known = new Set<string>();
  #fd: number | undefined;
  #isKept = false;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Reads what an earlier process left behind, or undefined.
   * @throws WsarError WSAR_ERR_SYSTEM when that process still runs.
   */
  readUnclosed(): UnclosedJournal | undefined {
    assert(this.#fd === undefined, 'an unclosed journal is read before the first turn');
    if (!existsSync(this.#file)) return undefined;
    const lines = readFileSync(this.#file, 'utf8').split('\n').slice(0, -1).map(parseLine);
    const [header, ...rest] = lines;
    const pid = typeof header?.['pid'] === 'number' ? header['pid'] : 0;
    const startTicks = typeof header?.['startTicks'] === 'number' ? header['startTicks'] : null;
    if (pid > 0 && pid !== process.pid && isRunning({ pid, startTicks })) {
      throw new WsarError(
        'WSAR_ERR_SYSTEM',
        `the knob journal ${this.#file} is in use by process ${pid}`,
        'end that process, or give this one a state folder of its own (WSAR_STATE_DIR)',
      );
    }
    return { pid, entries: rest.filter((line) => line !== undefined).flatMap(toEntry) };
  }

  /** Makes the old value durable; returns when it is on disk. Only the first call a knob writes. */
  record(knob: string, old: KnobValue, wallMs: number): void {
    if (this.#known.has(knob)) return;
    const isNew = this.#fd === undefined;
    const fd = this.#fd ?? this.#create();
    writeSync(fd, `${JSON.stringify({ knob, old, wallMs } satisfies JournalEntry)}\n`);
    fsyncSync(fd);
    // The file's name must survive as well as its content.
    if (isNew) syncFolder(dirname(this.#file));
    this.#known.add(knob);
  }

  /**
   * Takes over entries of an earlier process that could not be put back: they stand in our journal now,
   * and `close` keeps it for the next start.
   */
  keep(entries: JournalEntry[]): void {
    assert(this.#fd === undefined, 'entries are taken over before the first turn');
    const lines = [ownIdentity(), ...entries].map((line) => `${JSON.stringify(line)}\n`);
    const fresh = `${this.#file}.new`;
    this.#fd = openSync(fresh, 'w', 0o600);
    writeSync(this.#fd, lines.join(''));
    fsyncSync(this.#fd);
    renameSync(fresh, this.#file);
    syncFolder(dirname(this.#file));
    for (const { knob } of entries) this.#known.add(knob);
    this.#isKept = true;
  }

  /** Nothing is left to put back, unless entries had to be kept. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#known.clear();
    if (this.#isKept || !existsSync(this.#file)) return;
    rmSync(this.#file);
    syncFolder(dirname(this.#file));
  }

  #create(): number {
    makeFolder(dirname(this.#file));
    this.#fd = openSync(this.#file, 'w', 0o600);
    writeSync(this.#fd, `${JSON.stringify(ownIdentity())}\n`);
    return this.#fd;
  }
}

function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    // A damaged line names no knob; the others still count.
    return undefined;
  }
}

function toEntry(line: Record<string, unknown>): JournalEntry[] {
  const { knob, old, wallMs } = line;
  if (typeof knob !== 'string' || !isKnobValue(old)) return [];
  return [{ knob, old, wallMs: typeof wallMs === 'number' ? wallMs : 0 }];
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
