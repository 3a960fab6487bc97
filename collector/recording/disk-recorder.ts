// Records to disk alone, where there is no store: the collector's own ticks, and in a lab the rows and events
// of others. Takes the place of the shipper (core/store/shipper.ts), whose rows only pass through the disk.

import { HOST_SOURCE } from '#collector/recorder.ts';
import type { EventText } from '#collector/recording/recorded-lines.ts';
import { RowTape } from '#collector/recording/row-tape.ts';
import type {
  RecorderStats,
  TickRecorder,
  TickRecorderOptions,
} from '#collector/recording/tick-recorder.ts';
import { TickTape } from '#collector/recording/tick-tape.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { Row } from '#core/metric/row.ts';
import { STREAMS_MAX } from '#core/spool/record.ts';
import { Recording } from '#core/spool/recording.ts';

/** What was handed in while the disk was busy is tried again, and what was refused, this often. */
const FLUSH_MS = 1000;
/** The data goes to the disk itself this often, flushes. */
const SYNC_FLUSHES = 5;

export class DiskRecorder implements TickRecorder {
  readonly #options: TickRecorderOptions;
  readonly #recording: Recording;
  readonly #tape: TickTape;
  readonly #others = new Map<string, RowTape>();
  /** Rows of streams, and values, that found no place. */
  #refused = 0;
  #flushes = 0;
  #cancelTimer = (): void => {};

  /** @throws WsarError when another process records in the folder, or it cannot be written. */
  constructor(options: TickRecorderOptions) {
    const { clock, sampler, host, folder, diskBytesMax, ageMsMax } = options;
    this.#options = options;
    this.#recording = new Recording({
      folder,
      ...(diskBytesMax === undefined ? {} : { diskBytesMax }),
      ageMsMax,
    });
    const session = `${clock.wallMs()}-${process.pid}`;
    this.#tape = new TickTape({
      recording: this.#recording,
      sampler,
      host,
      source: HOST_SOURCE,
      session,
      stream: 0,
    });
    this.#arm();
  }

  get stats(): RecorderStats {
    const { taken, refused, waitingBytes, removedBytes } = this.#recording.stats;
    return {
      taken,
      shipped: Number.NaN,
      dropped: refused + this.#refused,
      retried: Number.NaN,
      waitingBytes,
      removedBytes,
    };
  }

  baseline(): void {
    this.#tape.baseline(this.#options.clock.wallMs());
  }

  tick({ frame }: TickView): void {
    this.#tape.tick(frame);
  }

  /** A row of another source. */
  row(host: string, source: string, row: Row): void {
    const key = `${host} ${source}`;
    let tape = this.#others.get(key);
    if (tape === undefined) {
      const stream = this.#others.size + 1;
      if (stream > STREAMS_MAX) {
        this.#refused++;
        return;
      }
      tape = new RowTape({ recording: this.#recording, host, source, stream });
      this.#others.set(key, tape);
    }
    const refusedBefore = tape.refused;
    tape.row(row);
    this.#refused += tape.refused - refusedBefore;
  }

  event(host: string, source: string, event: LabEvent): void {
    this.#recording.segmentFor(event.wallMs);
    const text: EventText = { host, source, ...event };
    this.#recording.append({ kind: 'text', json: JSON.stringify(text) });
  }

  async close(): Promise<string | undefined> {
    this.#cancelTimer();
    await this.#recording.close();
    const { dropped, waitingBytes } = this.stats;
    const why = this.#recording.failure?.message;
    if (dropped === 0 && why === undefined) return undefined;
    return (
      `${dropped} records found no room, ${waitingBytes} bytes of ${this.#options.folder} ` +
      `could not be written${why === undefined ? '' : `: ${why}`}`
    );
  }

  #arm(): void {
    this.#cancelTimer = this.#options.clock.after(FLUSH_MS, () => {
      this.#flushes++;
      void (this.#flushes % SYNC_FLUSHES === 0 ? this.#recording.sync() : this.#recording.flush());
      this.#arm();
    });
  }
}
