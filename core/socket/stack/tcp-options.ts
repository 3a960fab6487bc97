// The options of a TCP header, to and from bytes. Pure; allocates nothing.
//
//   kind 2, 4 bytes    maximum segment size, only with SYN                RFC 9293, 3.7.1
//   kind 3, 3 bytes    window scale: how far windows are shifted, SYN     RFC 7323, 2.2
//   kind 4, 2 bytes    selective acknowledgements are understood, SYN     RFC 2018, 2
//   kind 5, 2 + 8n     blocks that have arrived beyond a gap: start, end  RFC 2018, 3
//   kind 8, 10 bytes   timestamp of the sender, and the one it echoes     RFC 7323, 3.2
//
// Written as Linux writes them, padded to words: 12 bytes with a timestamp, 4 + 8n more with n blocks.

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;
const OPTION_TIMESTAMPS = 8;
const MSS_BYTES = 4;
const WINDOW_SCALE_BYTES = 3;
const SACK_PERMITTED_BYTES = 2;
const TIMESTAMPS_BYTES = 10;
const SACK_HEAD_BYTES = 2;
const SACK_BLOCK_BYTES = 8;
/** Without the option a peer takes at least this (RFC 9293, 3.7.1). */
export const MSS_DEFAULT = 536;
/** A larger shift counts as this (RFC 7323, 2.3). */
export const WINDOW_SHIFT_MAX = 14;
/** A window is this at most, shifted: 16 bits. */
export const WINDOW_FIELD_MAX = 65_535;
/** What a timestamp takes of every segment, with its padding. */
export const TIMESTAMP_OPTION_BYTES = 12;
/** Most blocks that fit into the 40 bytes of options; one less beside a timestamp. */
export const SACK_BLOCKS_MAX = 4;
export const NO_WINDOW_SHIFT = -1;

/** What the options of a segment say; one object is filled again and again. */
export class TcpOptions {
  /** 0 = not there. */
  mss = 0;
  windowShift = NO_WINDOW_SHIFT;
  isSackPermitted = false;
  hasTimestamp = false;
  timestamp = 0;
  timestampEcho = 0;
  sackCount = 0;
  /** Start and end of each block, by turns. */
  readonly sacks = new Uint32Array(2 * SACK_BLOCKS_MAX);

  clear(): void {
    this.mss = 0;
    this.windowShift = NO_WINDOW_SHIFT;
    this.isSackPermitted = false;
    this.hasTimestamp = false;
    this.sackCount = 0;
  }

  addSack(start: number, end: number): void {
    this.sacks[2 * this.sackCount] = start;
    this.sacks[2 * this.sackCount + 1] = end;
    this.sackCount++;
  }
}

/** Reads the options in bytes [start, end); what is damaged or unknown is passed over (RFC 9293, 3.1). */
export function readOptions(bytes: Uint8Array, start: number, end: number, into: TcpOptions): void {
  into.clear();
  for (let at = start; at < end; ) {
    const kind = bytes[at]!;
    if (kind === OPTION_END) break;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    const count = at + 1 < end ? bytes[at + 1]! : 0;
    if (count < 2 || at + count > end) break;
    readOption(bytes, at, count, into);
    at += count;
  }
}

function readOption(bytes: Uint8Array, at: number, count: number, into: TcpOptions): void {
  const kind = bytes[at]!;
  if (kind === OPTION_TIMESTAMPS && count === TIMESTAMPS_BYTES) {
    into.hasTimestamp = true;
    into.timestamp = read32(bytes, at + 2);
    into.timestampEcho = read32(bytes, at + 6);
  } else if (kind === OPTION_SACK && (count - SACK_HEAD_BYTES) % SACK_BLOCK_BYTES === 0) {
    into.sackCount = 0;
    const blocks = Math.min(SACK_BLOCKS_MAX, (count - SACK_HEAD_BYTES) / SACK_BLOCK_BYTES);
    for (let block = 0; block < blocks; block++) {
      const from = at + SACK_HEAD_BYTES + block * SACK_BLOCK_BYTES;
      into.addSack(read32(bytes, from), read32(bytes, from + 4));
    }
  } else if (kind === OPTION_MSS && count === MSS_BYTES) {
    into.mss = Math.max(1, (bytes[at + 2]! << 8) | bytes[at + 3]!);
  } else if (kind === OPTION_WINDOW_SCALE && count === WINDOW_SCALE_BYTES) {
    into.windowShift = Math.min(WINDOW_SHIFT_MAX, bytes[at + 2]!);
  } else if (kind === OPTION_SACK_PERMITTED && count === SACK_PERMITTED_BYTES) {
    into.isSackPermitted = true;
  }
}

/** What the options take when they are written, with their padding: a multiple of 4, at most 40. */
export function optionBytes(options: TcpOptions): number {
  let count = options.mss === 0 ? 0 : MSS_BYTES;
  if (options.hasTimestamp) count += TIMESTAMP_OPTION_BYTES;
  // Beside a timestamp the two bytes take the place of its padding.
  else if (options.isSackPermitted) count += 4;
  if (options.windowShift >= 0) count += 4;
  if (options.sackCount > 0) count += 4 + options.sackCount * SACK_BLOCK_BYTES;
  return count;
}

/** Writes them from `at` on, `optionBytes` of them. */
export function writeOptions(bytes: Uint8Array, at: number, options: TcpOptions): void {
  let to = at;
  if (options.mss !== 0) {
    bytes[to] = OPTION_MSS;
    bytes[to + 1] = MSS_BYTES;
    bytes[to + 2] = options.mss >>> 8;
    bytes[to + 3] = options.mss;
    to += MSS_BYTES;
  }
  if (options.hasTimestamp || options.isSackPermitted) {
    // Two bytes before the timestamp, or two of padding.
    bytes[to] = options.isSackPermitted ? OPTION_SACK_PERMITTED : OPTION_NOP;
    bytes[to + 1] = options.isSackPermitted ? SACK_PERMITTED_BYTES : OPTION_NOP;
    to += 2;
    if (options.hasTimestamp) {
      bytes[to] = OPTION_TIMESTAMPS;
      bytes[to + 1] = TIMESTAMPS_BYTES;
      write32(bytes, to + 2, options.timestamp);
      write32(bytes, to + 6, options.timestampEcho);
      to += TIMESTAMPS_BYTES;
    } else to = pad(bytes, to, 2);
  }
  if (options.windowShift >= 0) {
    to = pad(bytes, to, 1);
    bytes[to] = OPTION_WINDOW_SCALE;
    bytes[to + 1] = WINDOW_SCALE_BYTES;
    bytes[to + 2] = options.windowShift;
    to += WINDOW_SCALE_BYTES;
  }
  if (options.sackCount === 0) return;
  to = pad(bytes, to, 2);
  bytes[to] = OPTION_SACK;
  bytes[to + 1] = SACK_HEAD_BYTES + options.sackCount * SACK_BLOCK_BYTES;
  for (let edge = 0; edge < 2 * options.sackCount; edge++) {
    write32(bytes, to + SACK_HEAD_BYTES + 4 * edge, options.sacks[edge]!);
  }
}

function pad(bytes: Uint8Array, at: number, count: number): number {
  for (let done = 0; done < count; done++) bytes[at + done] = OPTION_NOP;
  return at + count;
}

function read32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! << 24) | (bytes[at + 1]! << 16);
  return (high | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function write32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
