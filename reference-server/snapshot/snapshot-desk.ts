// The main thread's side of snapshots: asks the workers one after the other for what they have and writes it, a chunk
// at a time, so that memory and the delay of a turn have a bound whatever the size. One snapshot at a time.

import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '#core/assert.ts';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { SaveFigures } from '#reference-server/snapshot/save-figures.ts';
import { readSnapshotHeader, SnapshotWriter } from '#reference-server/snapshot/snapshot-file.ts';
import type { NewsDesk } from '#reference-server/worker/worker-news.ts';

/** As mosquitto's autosave_interval. */
export const SNAPSHOT_INTERVAL_S = 1800;

export interface SnapshotOptions {
  file: string;
  /** Between two snapshots while the server runs, s; 0 = only at its end. */
  intervalS: number;
  /** `intervalS` is a number of changes (PUBLISH packets and logins) instead. */
  countsChanges: boolean;
}

/** What a snapshot came to. */
export interface SavedSnapshot {
  file: string;
  users: number;
  messages: number;
  bytes: number;
}

export interface SnapshotDeskOptions {
  file: string;
  clock: Clock;
  /** To each worker. */
  news: NewsDesk[];
  wakeAll: () => void;
  figures: SaveFigures;
}

/** Rounds of `settle`: frames beget frames, but only so many. */
const ROUNDS_MAX = 10_000;

/**
 * Finds out before anything starts what would be found out too late, and what can be without reading all of it: each
 * worker does that once, and a damaged file stops the start there. Throws WSAR_ERR_FILE, WSAR_ERR_SYSTEM.
 */
export function checkSnapshotFile(file: string): void {
  readSnapshotHeader(file);
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the folder of the snapshot ${file} cannot be written: ${(error as Error).message}`,
      'make it, or rights there, or name another file',
      error,
    );
  }
}

export class SnapshotDesk {
  readonly #options: SnapshotDeskOptions;
  #saving: Promise<SavedSnapshot> | undefined;

  constructor(options: SnapshotDeskOptions) {
    this.#options = options;
  }

  /** Writes a snapshot; one that is being written is waited for instead. Throws WSAR_ERR_SYSTEM, WSAR_ERR_LIMIT. */
  async save(): Promise<SavedSnapshot> {
    this.#saving ??= this.#options.figures
      .note(() => this.#write())
      .finally(() => {
        this.#saving = undefined;
      });
    return await this.#saving;
  }

  /** Resolves when none is being written; whether it came to be written is its caller's to know. */
  async idle(): Promise<void> {
    await this.#saving?.catch(() => {
      // `save` has told.
    });
  }

  /** The last one, of workers whose reactors have been told to end; then they may go. */
  async saveLast(): Promise<SavedSnapshot> {
    const { news } = this.#options;
    try {
      await Promise.all(news.map((desk) => desk.hear('stopped')));
      let quiet = 0;
      for (let round = 0; quiet < 2 && round < ROUNDS_MAX; round++) {
        const answers = await Promise.all(
          news.map((desk) => {
            desk.tell({ kind: 'settle' });
            return desk.hear('settled');
          }),
        );
        quiet = answers.every(({ isQuiet }) => isQuiet) ? quiet + 1 : 0;
      }
      assert(quiet === 2, 'frames between workers come to an end');
      return await this.save();
    } finally {
      for (const desk of news) desk.tell({ kind: 'end' });
    }
  }

  async #write(): Promise<SavedSnapshot> {
    const { file, clock, news, wakeAll } = this.#options;
    const writer = await SnapshotWriter.create(file, clock.wallMs());
    const saved = { file, users: 0, messages: 0, bytes: 0 };
    try {
      for (const desk of news) {
        for (let isFirst = true; ; isFirst = false) {
          desk.tell({ kind: 'capture', isFirst });
          wakeAll();
          const { chunk } = await desk.hear('captured');
          if (chunk === undefined) break;
          saved.users += chunk.users;
          saved.messages += chunk.messages;
          await writer.add(chunk.frames, chunk.count);
        }
      }
      await writer.finish();
    } catch (error) {
      for (const desk of news) desk.tell({ kind: 'release' });
      wakeAll();
      await writer.abandon();
      throw error;
    }
    return { ...saved, bytes: writer.bytes };
  }
}
