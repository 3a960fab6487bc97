// The file that a snapshot is: frames of core/spool (each with its checksum), of which the first says what it is
// and when it was written, and the last how many there are: a file that was cut is known by it.
//
//   header   'wsar-snapshot', version (varint), when it was taken (double, ms since 1970 UTC)
//   records  snapshot-record.ts
//   end      number of records (varint)
//
// It is written to a file beside it, flushed to the disk and renamed, so that at any time the name is a whole
// snapshot: the older one or the newer. Whatever is wrong with a file that is read is one sentence with
// WSAR_ERR_FILE, and the file stays as it is. Memory: one chunk, whatever the size of the file.

import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { ByteReader, DamagedBytes } from '#core/spool/byte-reader.ts';
import { ByteWriter } from '#core/spool/byte-writer.ts';
import {
  decodeFrames,
  encodeFrame,
  FRAME_HEADER_BYTES,
  PAYLOAD_BYTES_MAX,
} from '#core/spool/frame.ts';
import { decodeRecord, type SnapshotRecord } from '#reference-server/snapshot/snapshot-record.ts';

const MAGIC = 'wsar-snapshot';
const VERSION = 2;
/** Version 1 had no `owed` and no `parked` records, and is else the same. */
const VERSION_READ_MIN = 1;
const HEADER = 1;
const END = 2;
/** Read at a time: at least one frame. */
const CHUNK_BYTES = 2 * (FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX);
/** More than the frame of a header has. */
const HEADER_BYTES_MAX = 64;
/** A server that has more to say says so, and keeps the file that it has. */
export const SNAPSHOT_BYTES_MAX = 64 * 1024 ** 3;

export interface SnapshotHeader {
  savedWallMs: number;
}

/** Writes one snapshot; the file has its name only after `finish`. */
export class SnapshotWriter {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #bytesMax: number;
  bytes = 0;
  records = 0;

  private constructor(file: string, handle: FileHandle, bytesMax: number) {
    this.#file = file;
    this.#handle = handle;
    this.#bytesMax = bytesMax;
  }

  /** Throws WSAR_ERR_SYSTEM where nothing can be written. */
  static async create(
    file: string,
    savedWallMs: number,
    bytesMax = SNAPSHOT_BYTES_MAX,
  ): Promise<SnapshotWriter> {
    const handle = await told(file, open(freshName(file), 'w', 0o600));
    const writer = new SnapshotWriter(file, handle, bytesMax);
    try {
      await writer.#write(encodeFrame(HEADER, headerOf(savedWallMs)));
    } catch (error) {
      await writer.abandon();
      throw error;
    }
    return writer;
  }

  /** Adds `count` whole frames. */
  async add(frames: Uint8Array, count: number): Promise<void> {
    this.records += count;
    await this.#write(frames);
  }

  /** Puts the file in the place of the older one. */
  async finish(): Promise<void> {
    const writer = new ByteWriter();
    writer.varint(this.records);
    await this.#write(encodeFrame(END, Buffer.from(writer.view())));
    await told(this.#file, this.#handle.sync());
    await told(this.#file, this.#handle.close());
    await told(this.#file, rename(freshName(this.#file), this.#file));
    const folder = await told(this.#file, open(dirname(this.#file), 'r'));
    try {
      await told(this.#file, folder.sync());
    } finally {
      await folder.close();
    }
  }

  /** Gives up: the older file stays. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {
      // It may be closed already; what counts is that the name is gone.
    });
    await rm(freshName(this.#file), { force: true }).catch(() => {
      // What went wrong before is told; the next snapshot writes over it.
    });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length;
    if (this.bytes > this.#bytesMax) {
      throw new WsarError(
        'WSAR_ERR_LIMIT',
        `the snapshot ${this.#file} would be larger than ${this.#bytesMax} bytes`,
        'lower --users, --messages or --memory; the older file stays',
      );
    }
    await told(this.#file, this.#handle.writeFile(bytes));
  }
}

/**
 * Reads a file record by record and returns its header; undefined where there is no such file. `take` may be left
 * out: then the file is only checked. The bytes of a record are views that hold until `take` returns. Throws
 * WSAR_ERR_FILE with what is wrong; what `take` was given before came from frames that are whole.
 */
export function readSnapshot(
  file: string,
  take: (record: SnapshotRecord) => void = () => {},
): SnapshotHeader | undefined {
  return withFile(file, (fd) => readFrames(file, fd, take));
}

/** What a file says of itself, without what is in it; undefined where there is none. Throws WSAR_ERR_FILE. */
export function readSnapshotHeader(file: string): SnapshotHeader | undefined {
  return withFile(file, (fd) => {
    const start = Buffer.alloc(HEADER_BYTES_MAX);
    const read = readSync(fd, start, 0, start.length, 0);
    if (read === 0) throw refusal(file, 'is empty');
    const [first] = decodeFrames(start.subarray(0, read)).frames;
    if (first === undefined) throw refusal(file, 'is no snapshot of this server');
    return readHeader(file, first.type, first.payload);
  });
}

function withFile<T>(file: string, read: (fd: number) => T): T | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw refusal(file, `cannot be read: ${(error as Error).message}`);
  }
  try {
    return read(fd);
  } catch (error) {
    if (error instanceof DamagedBytes) throw refusal(file, `is damaged: ${error.message}`);
    // A folder, a disk that fails.
    if (isReadFault(error)) throw refusal(file, `cannot be read: ${error.message}`);
    throw error;
  } finally {
    closeSync(fd);
  }
}

function readFrames(
  file: string,
  fd: number,
  take: (record: SnapshotRecord) => void,
): SnapshotHeader {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let kept = 0;
  let header: SnapshotHeader | undefined;
  let records = 0;
  let isWhole = false;
  for (;;) {
    const read = readSync(fd, chunk, kept, chunk.length - kept, null);
    const have = kept + read;
    if (read === 0 && have === 0) break;
    const { frames, bytes, end } = decodeFrames(chunk.subarray(0, have));
    for (const { type, payload } of frames) {
      if (isWhole) throw new DamagedBytes('bytes stand behind its end');
      if (header === undefined) header = readHeader(file, type, payload);
      else if (type === END) {
        const said = new ByteReader(payload).varint();
        if (said !== records) throw new DamagedBytes(`${records} records of ${said}`);
        isWhole = true;
      } else {
        records++;
        take(decodeRecord(type, payload));
      }
    }
    if (header === undefined) throw refusal(file, 'is no snapshot of this server');
    if (end === 'damaged') throw new DamagedBytes(`record ${records + 1} is not what was written`);
    if (read === 0) throw new DamagedBytes('it ends in the middle of a record');
    chunk.copy(chunk, 0, bytes, have);
    kept = have - bytes;
  }
  if (header === undefined) throw refusal(file, 'is empty');
  if (!isWhole) throw new DamagedBytes('its end is missing');
  return header;
}

function headerOf(savedWallMs: number): Buffer {
  const writer = new ByteWriter();
  writer.bytes(Buffer.from(MAGIC));
  writer.varint(VERSION);
  writer.double(savedWallMs);
  return Buffer.from(writer.view());
}

function readHeader(file: string, type: number, payload: Buffer): SnapshotHeader {
  const isOurs = type === HEADER && payload.subarray(0, MAGIC.length).toString() === MAGIC;
  if (!isOurs) throw refusal(file, 'is no snapshot of this server');
  const reader = new ByteReader(payload.subarray(MAGIC.length));
  const version = reader.varint();
  if (version < VERSION_READ_MIN || version > VERSION) {
    const read = `${VERSION_READ_MIN} to ${VERSION}`;
    throw refusal(file, `has version ${version}, and this server reads versions ${read}`);
  }
  return { savedWallMs: reader.double() };
}

function isReadFault(error: unknown): error is NodeJS.ErrnoException {
  return (error as NodeJS.ErrnoException).syscall === 'read';
}

/** The name that a file has while it is written. */
function freshName(file: string): string {
  return `${file}.new`;
}

function refusal(file: string, what: string): WsarError {
  return new WsarError(
    'WSAR_ERR_FILE',
    `the snapshot ${file} ${what}`,
    'nothing was changed; move it away to start with nothing, or name another file',
  );
}

async function told<T>(file: string, done: Promise<T>): Promise<T> {
  try {
    return await done;
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the snapshot ${file} cannot be written: ${(error as Error).message}`,
      'make room or rights there; the older file stays',
      error,
    );
  }
}
