// Takes rows and events into a spool on disk and brings them to the store once a second. The store may be
// away, die and come back: what it has not confirmed is sent again from the spool, with growing pauses.
// Rows are never lost while the spool has room, and what it has no room for is counted.
//
// Delivery is at least once; the tables make one of two (core/store/tables.ts).

import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import type { LabEvent } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';
import type { Row } from '#core/metric/row.ts';
import { Spool, type SpoolBatch, type SpoolOptions } from '#core/spool/spool.ts';
import { CONTENT_EXCEPTIONS, isOneOf } from '#core/store/exception.ts';
import {
  eventPayload,
  FRAME_EVENT,
  FRAME_ROW,
  rowPayload,
  type TableLines,
  toLines,
} from '#core/store/shipped-frames.ts';
import { exceptionCode, openStore, type Store } from '#core/store/store.ts';
import { ensureSchema } from '#core/store/tables.ts';

export interface ShipperOptions {
  /** undefined: there is no store; rows stay in the spool for a later shipper on the same folder. */
  storeUrl: string | undefined;
  runId: string;
  spoolFolder: string;
  clock: Clock;
  /** Bounds of the spool; for tests and small disks. */
  spool?: Omit<SpoolOptions, 'folder'>;
}

export interface ShipperStats {
  /** Rows and events taken. */
  taken: number;
  /** Confirmed by the store. */
  shipped: number;
  /** Lost for good: no room in the spool, not understood, or refused by the store for their content. */
  dropped: number;
  /** Batches that had to be sent again. */
  retried: number;
  /** Bytes that were taken and are not confirmed yet. */
  waitingBytes: number;
  /** Why the last attempt failed; undefined after one that did not. */
  lastError: string | undefined;
}

export interface Shipper {
  row(host: string, source: string, row: Row): void;
  event(host: string, source: string, event: LabEvent): void;
  readonly stats: ShipperStats;
  /** Sends what is left within five seconds; the rest stays in the spool. */
  close(): Promise<void>;
}

const PERIOD_MS = 1000;
/** The longest pause after failures, periods. */
const PAUSE_PERIODS_MAX = 10;
const BATCH_BYTES_MAX = 2 * 1024 * 1024;
const CLOSE_TIMEOUT_MS = 5000;
const CLOSE_RETRY_MS = 200;
/** The spool's data goes to the disk itself this often, periods. */
const SYNC_PERIODS = 5;
/** A batch that the store refuses for its content is tried this often before it is dropped. */
const REFUSALS_MAX = 3;

/** Starts shipping. @throws WsarError when another process uses the spool folder. */
export function createShipper(options: ShipperOptions): Shipper {
  return new SpoolShipper(options);
}

class SpoolShipper implements Shipper {
  readonly #options: ShipperOptions;
  readonly #spool: Spool;
  readonly #abort = new AbortController();
  #store: Store | undefined;
  #work: Promise<void> | undefined;
  #cancelTimer = (): void => {};
  #periods = 0;
  #pauseUntil = 0;
  #failures = 0;
  #refusals = 0;
  #retried = 0;
  #unusable = 0;
  #lastError: string | undefined;
  #isClosed = false;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#spool = new Spool({ ...options.spool, folder: options.spoolFolder });
    this.#arm();
  }

  get stats(): ShipperStats {
    const { appended, refused, acknowledged, waitingBytes } = this.#spool.stats;
    return {
      taken: appended,
      shipped: acknowledged - this.#unusable,
      dropped: refused + this.#unusable,
      retried: this.#retried,
      waitingBytes,
      lastError: this.#lastError ?? this.#spool.failure?.message,
    };
  }

  row(host: string, source: string, row: Row): void {
    const { runId } = this.#options;
    this.#spool.append(FRAME_ROW, rowPayload({ runId, host, source }, row));
  }

  event(host: string, source: string, event: LabEvent): void {
    const { runId } = this.#options;
    this.#spool.append(FRAME_EVENT, eventPayload({ runId, host, source }, event));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelTimer();
    // A store that hangs must not hold up the end of this process.
    const timer = setTimeout(() => this.#abort.abort(), CLOSE_TIMEOUT_MS);
    await this.#work;
    await this.#spool.flush();
    while (this.#options.storeUrl !== undefined && !this.#abort.signal.aborted) {
      if (await this.#shipAll()) break;
      await setTimeoutAsync(CLOSE_RETRY_MS);
    }
    clearTimeout(timer);
    await this.#dropStore();
    await this.#spool.close();
  }

  #arm(): void {
    this.#cancelTimer = this.#options.clock.after(PERIOD_MS, () => {
      this.#periods++;
      this.#arm();
      this.#work ??= this.#workOnce().finally(() => {
        this.#work = undefined;
      });
    });
  }

  async #workOnce(): Promise<void> {
    await (this.#periods % SYNC_PERIODS === 0 ? this.#spool.sync() : this.#spool.flush());
    if (this.#options.storeUrl === undefined || this.#periods < this.#pauseUntil) return;
    await this.#shipAll();
  }

  /** Sends batch after batch; false when one failed. Never rejects. */
  async #shipAll(): Promise<boolean> {
    for (;;) {
      const batch = this.#spool.read(BATCH_BYTES_MAX);
      if (batch.frames.length === 0) return true;
      const lines = toLines(batch.frames);
      try {
        await this.#send(lines);
      } catch (error) {
        await this.#onFailure(batch, error);
        return false;
      }
      this.#unusable += lines.refused;
      batch.acknowledge();
      this.#failures = 0;
      this.#refusals = 0;
      this.#lastError = undefined;
    }
  }

  async #send({ rows, events, histograms }: TableLines): Promise<void> {
    const store = (this.#store ??= await this.#openStore());
    await store.insert('rows', rows);
    await store.insert('events', events);
    await store.insert('histograms', histograms);
  }

  /** Opened anew after each failure: a store that came back may have come back empty. */
  async #openStore(): Promise<Store> {
    const store = await openStore(this.#options.storeUrl!, this.#abort.signal);
    await ensureSchema(store);
    return store;
  }

  async #onFailure(batch: SpoolBatch, error: unknown): Promise<void> {
    this.#lastError = error instanceof Error ? error.message : String(error);
    await this.#dropStore();
    this.#failures++;
    this.#pauseUntil = this.#periods + Math.min(2 ** this.#failures, PAUSE_PERIODS_MAX);
    const isContent = isOneOf(exceptionCode(error), CONTENT_EXCEPTIONS);
    this.#refusals = isContent ? this.#refusals + 1 : 0;
    if (this.#refusals >= REFUSALS_MAX) {
      this.#refusals = 0;
      this.#unusable += batch.frames.length;
      batch.acknowledge();
      return;
    }
    this.#retried++;
    batch.giveBack();
  }

  async #dropStore(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    await store?.close();
  }
}
