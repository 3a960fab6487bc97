// Records that gather until they are sent on: a worker makes them, the main thread writes them.

import { ByteWriter } from '#core/spool/byte-writer.ts';
import { encodeFrame } from '#core/spool/frame.ts';
import { encodeRecord, type SnapshotRecord } from '#reference-server/snapshot/snapshot-record.ts';

/** Whole frames, one behind the other. */
export interface SnapshotChunk {
  frames: Uint8Array<ArrayBuffer>;
  count: number;
  /** What kinds they are of. */
  users: number;
  messages: number;
}

export class SnapshotFrames {
  readonly #writer = new ByteWriter();
  #frames: Buffer[] = [];
  #users = 0;
  #messages = 0;
  bytes = 0;

  add(record: SnapshotRecord): void {
    this.#writer.clear();
    const type = encodeRecord(this.#writer, record);
    const frame = encodeFrame(type, this.#writer.view());
    this.#frames.push(frame);
    this.bytes += frame.length;
    const { kind } = record;
    if (kind === 'user') this.#users++;
    else if (kind === 'retained' || kind === 'delivery' || kind === 'mail') this.#messages++;
  }

  /** What was added since the last call, in memory of its own, to be handed over. */
  take(): SnapshotChunk {
    const frames = new Uint8Array(this.bytes);
    let at = 0;
    for (const frame of this.#frames) {
      frames.set(frame, at);
      at += frame.length;
    }
    const chunk = {
      frames,
      count: this.#frames.length,
      users: this.#users,
      messages: this.#messages,
    };
    this.#frames = [];
    this.bytes = this.#users = this.#messages = 0;
    return chunk;
  }
}
