// Where a collector records: on its way to the store through the shipper's spool, or, where there is no store, on
// disk to stay. Which of the two is loaded is known only at run time, and only then loaded.

import { HOST_SOURCE } from '#collector/recorder.ts';
import type { Sampler } from '#collector/sampler.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';
import type { Row } from '#core/metric/row.ts';
import type { Shipper } from '#core/store/shipper.ts';

/** How it goes, for the collector's own metrics; NaN for what does not exist there. */
export interface RecorderStats {
  taken: number;
  shipped: number;
  dropped: number;
  retried: number;
  waitingBytes: number;
  /** Bytes on disk that made room for newer ones. */
  removedBytes: number;
}

export interface TickRecorder {
  readonly stats: RecorderStats;
  /** The readings before the first tick stand in the table. */
  baseline(): void;
  /** The values of a tick stand in the table. */
  tick(view: TickView): void;
  /** A row, an event of another source of the lab, or an own event. */
  row(host: string, source: string, row: Row): void;
  event(host: string, source: string, event: LabEvent): void;
  /** Brings everything to where it shall be; a sentence when not all of it got there. */
  close(): Promise<string | undefined>;
}

export interface TickRecorderOptions {
  clock: Clock;
  sampler: Sampler;
  host: string;
  folder: string;
  storeUrl: string | undefined;
  runId: string;
  /** Bounds of a recording that stays. */
  diskBytesMax?: number | undefined;
  ageMsMax?: number | undefined;
}

/** @throws WsarError when another process uses the folder, or it cannot be written. */
export async function openTickRecorder(options: TickRecorderOptions): Promise<TickRecorder> {
  const { storeUrl, clock, folder, host } = options;
  if (storeUrl === undefined) {
    const { DiskRecorder } = await import('#collector/recording/disk-recorder.ts');
    return new DiskRecorder(options);
  }
  const { createShipper } = await import('#core/store/shipper.ts');
  const runId = options.runId === '' ? 'collect' : options.runId;
  return new ShipperRecorder(
    createShipper({ storeUrl, runId, spoolFolder: folder, clock }),
    host,
    folder,
  );
}

class ShipperRecorder implements TickRecorder {
  readonly #shipper: Shipper;
  readonly #host: string;
  readonly #folder: string;

  constructor(shipper: Shipper, host: string, folder: string) {
    this.#shipper = shipper;
    this.#host = host;
    this.#folder = folder;
  }

  get stats(): RecorderStats {
    return { ...this.#shipper.stats, removedBytes: Number.NaN };
  }

  baseline(): void {}

  tick(view: TickView): void {
    this.#shipper.row(this.#host, HOST_SOURCE, view.row());
  }

  row(host: string, source: string, row: Row): void {
    this.#shipper.row(host, source, row);
  }

  event(host: string, source: string, event: LabEvent): void {
    this.#shipper.event(host, source, event);
  }

  async close(): Promise<string | undefined> {
    await this.#shipper.close();
    const { taken, shipped, dropped, waitingBytes, lastError } = this.#shipper.stats;
    if (dropped === 0 && waitingBytes === 0) return undefined;
    const why = lastError === undefined ? '' : `: ${lastError}`;
    return (
      `of ${taken} rows and events ${shipped} are in the store, ${dropped} were dropped, ` +
      `the rest waits in ${this.#folder}${why}`
    );
  }
}
