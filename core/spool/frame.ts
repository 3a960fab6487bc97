// A frame: the unit that is written to a spool, found whole again after a crash or not at all.
//
//   0        4        8      9                9+n
//   | length | crc32  | type | payload        |
//   |  u32   |  u32   |  u8  | n = length     |        little endian
//
// The checksum covers type and payload; a length that cannot be is as bad as a wrong checksum.

import { crc32 } from 'node:zlib';

export interface Frame {
  type: number;
  payload: Buffer;
}

export const FRAME_HEADER_BYTES = 9;
/** A larger payload is refused when written and taken for damage when read. */
export const PAYLOAD_BYTES_MAX = 4 * 1024 * 1024;

export function encodeFrame(type: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt8(type, 8);
  payload.copy(frame, FRAME_HEADER_BYTES);
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4);
  return frame;
}

export interface DecodedFrames {
  frames: Frame[];
  /** Bytes of whole frames from the start of the buffer. */
  bytes: number;
  /** Why reading stopped: nothing left, a frame that goes on beyond the buffer, or damage. */
  end: 'empty' | 'cut' | 'damaged';
}

/** Reads the whole frames at the start of `buffer`. The payloads are views of it. */
export function decodeFrames(buffer: Buffer): DecodedFrames {
  const frames: Frame[] = [];
  let at = 0;
  for (;;) {
    const left = buffer.length - at;
    if (left === 0) return { frames, bytes: at, end: 'empty' };
    if (left < FRAME_HEADER_BYTES) return { frames, bytes: at, end: 'cut' };
    const length = buffer.readUInt32LE(at);
    if (length > PAYLOAD_BYTES_MAX) return { frames, bytes: at, end: 'damaged' };
    const next = at + FRAME_HEADER_BYTES + length;
    if (next > buffer.length) return { frames, bytes: at, end: 'cut' };
    if (crc32(buffer.subarray(at + 8, next)) !== buffer.readUInt32LE(at + 4)) {
      return { frames, bytes: at, end: 'damaged' };
    }
    frames.push({
      type: buffer.readUInt8(at + 8),
      payload: buffer.subarray(at + FRAME_HEADER_BYTES, next),
    });
    at = next;
  }
}
