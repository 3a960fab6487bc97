// WebSocket frames of many connections (RFC 6455 section 5), as they come in: incremental, no object and no
// buffer per connection, nothing held but the header and a control frame whose rest has not arrived.
//
//   byte 0   FIN . RSV(3) . opcode(4)          0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong
//   byte 1   MASK . length(7)                  126: two more bytes, 127: eight more (the least that fit)
//   then     4 bytes of mask, always from a client; payload byte i is XORed with mask byte i % 4
//
// Payload is unmasked in place and handed on as it comes: how long a frame claims to be costs nothing. MQTT
// does not care where frames begin and end [MQTT-6.0.0-2]; only binary ones are allowed [MQTT-6.0.0-1].
// Cost: about 1 ns a byte. Memory: 156 bytes a connection, reserved, taken when touched.

import { isUtf8 } from 'node:buffer';

/** Why a connection is closed, as the closing frame says it (RFC 6455 7.4.1). */
export const CLOSE_CODE = {
  normal: 1000,
  protocolError: 1002,
  /** A text frame. */
  unacceptable: 1003,
  /** The reason of a close is no UTF-8. */
  badText: 1007,
  tooLarge: 1009,
} as const;

/** What becomes of the contents. Each returns false when the connection is not to be read any further. */
export interface FrameSink {
  payload(conn: number, bytes: Uint8Array, start: number, end: number): boolean;
  ping(conn: number, bytes: Uint8Array, start: number, end: number): boolean;
  /** The peer closes; `code` is its own, or normal when it gave none. */
  closing(conn: number, code: number): void;
}

/** The largest frame: an MQTT packet of the greatest length with its header fits. */
const FRAME_BYTES_MAX = 268_435_460;
const HEAD_BYTES_MAX = 14;
const CONTROL_BYTES_MAX = 125;

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
/** Flags of a connection beside the opcode in the low four bits. */
const IN_PAYLOAD = 0x10;
/** A message was begun by a frame without FIN and has not ended. */
const IN_MESSAGE = 0x20;
const IS_LAST = 0x40;

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;

export class WebSocketFrames {
  readonly #flags: Uint8Array;
  readonly #head: Uint8Array;
  readonly #headLength: Uint8Array;
  /** Payload of the frame that has not come. */
  readonly #left: Uint32Array;
  /** The mask, turned so that its low byte is for the next byte. */
  readonly #mask: Uint32Array;
  readonly #control: Uint8Array;
  readonly #controlLength: Uint8Array;

  constructor(connections: number) {
    this.#flags = new Uint8Array(connections);
    this.#head = new Uint8Array(connections * HEAD_BYTES_MAX);
    this.#headLength = new Uint8Array(connections);
    this.#left = new Uint32Array(connections);
    this.#mask = new Uint32Array(connections);
    this.#control = new Uint8Array(connections * CONTROL_BYTES_MAX);
    this.#controlLength = new Uint8Array(connections);
  }

  /** A new connection stands before a frame. */
  open(conn: number): void {
    this.#flags[conn] = 0;
    this.#headLength[conn] = 0;
    this.#left[conn] = 0;
    this.#controlLength[conn] = 0;
  }

  /** Takes [start, end), which is changed; returns 0, or the code of CLOSE_CODE to end the connection with. */
  take(conn: number, bytes: Uint8Array, start: number, end: number, sink: FrameSink): number {
    let at = start;
    while (at < end) {
      if ((this.#flags[conn]! & IN_PAYLOAD) === 0) {
        const code = this.#takeHeadByte(conn, bytes[at++]!);
        if (code !== 0) return code;
        // An empty frame ends with its header.
        if ((this.#flags[conn]! & IN_PAYLOAD) === 0 || this.#left[conn]! > 0) continue;
      }
      const until = Math.min(end, at + this.#left[conn]!);
      this.#unmask(conn, bytes, at, until);
      this.#left[conn]! -= until - at;
      const isControl = (this.#flags[conn]! & 0x08) !== 0;
      if (isControl) this.#keepControl(conn, bytes, at, until);
      else if (until > at && !sink.payload(conn, bytes, at, until)) return 0;
      at = until;
      if (this.#left[conn]! > 0) continue;
      const result = this.#endFrame(conn, sink);
      if (result !== 0) return result === STOP ? 0 : result;
    }
    return 0;
  }

  /** The next byte of a header; when it was the last one, the frame's payload begins. */
  #takeHeadByte(conn: number, byte: number): number {
    const base = conn * HEAD_BYTES_MAX;
    const length = this.#headLength[conn]! + 1;
    this.#head[base + length - 1] = byte;
    this.#headLength[conn] = length;
    if (length === 1) return this.#judgeFirst(conn, byte);
    const second = this.#head[base + 1]!;
    if (length === 2) {
      if ((second & MASKED) === 0) return CLOSE_CODE.protocolError;
      const isControl = (this.#flags[conn]! & 0x08) !== 0;
      if (isControl && (second & 0x7f) > CONTROL_BYTES_MAX) return CLOSE_CODE.protocolError;
      return 0;
    }
    const short = second & 0x7f;
    const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
    if (length < 2 + extended + 4) return 0;
    const payload = extended === 0 ? short : this.#extendedLength(base + 2, extended);
    if (payload < 0) return -payload;
    this.#left[conn] = payload;
    this.#mask[conn] = littleEndian(this.#head, base + 2 + extended);
    this.#headLength[conn] = 0;
    this.#flags[conn]! |= IN_PAYLOAD;
    return 0;
  }

  /** FIN, reserved bits and opcode. */
  #judgeFirst(conn: number, byte: number): number {
    const opcode = byte & 0x0f;
    const isLast = (byte & FIN) !== 0;
    const inMessage = this.#flags[conn]! & IN_MESSAGE;
    if ((byte & RESERVED) !== 0) return CLOSE_CODE.protocolError;
    if (opcode === OPCODE.text) return CLOSE_CODE.unacceptable;
    const isControl = opcode >= OPCODE.close && opcode <= OPCODE.pong;
    const isAllowed = isControl
      ? isLast
      : opcode === (inMessage === 0 ? OPCODE.binary : OPCODE.continuation);
    if (!isAllowed) return CLOSE_CODE.protocolError;
    // A control frame may stand between the frames of a message and changes nothing of it.
    const stillInMessage = isControl ? inMessage : isLast ? 0 : IN_MESSAGE;
    this.#flags[conn] = opcode | stillInMessage | (isLast ? IS_LAST : 0);
    return 0;
  }

  /** The length in `count` bytes at `at` of the headers; negative: the code to close with. */
  #extendedLength(at: number, count: number): number {
    let high = 0;
    let low = 0;
    for (let i = 0; i < count; i++) {
      high = ((high << 8) | (low >>> 24)) >>> 0;
      low = ((low << 8) | this.#head[at + i]!) >>> 0;
    }
    if (count === 2) return low < 126 ? -CLOSE_CODE.protocolError : low;
    if (high >= 0x8000_0000) return -CLOSE_CODE.protocolError;
    if (high > 0 || low > FRAME_BYTES_MAX) return -CLOSE_CODE.tooLarge;
    return low < 0x1_0000 ? -CLOSE_CODE.protocolError : low;
  }

  #unmask(conn: number, bytes: Uint8Array, from: number, to: number): void {
    let mask = this.#mask[conn]!;
    for (let at = from; at < to; at++) {
      bytes[at]! ^= mask & 0xff;
      mask = (mask >>> 8) | (mask << 24);
    }
    this.#mask[conn] = mask;
  }

  #keepControl(conn: number, bytes: Uint8Array, from: number, to: number): void {
    const base = conn * CONTROL_BYTES_MAX + this.#controlLength[conn]!;
    for (let at = from; at < to; at++) this.#control[base + at - from] = bytes[at]!;
    this.#controlLength[conn]! += to - from;
  }

  #endFrame(conn: number, sink: FrameSink): number {
    const opcode = this.#flags[conn]! & 0x0f;
    this.#flags[conn]! &= ~IN_PAYLOAD;
    if (opcode < OPCODE.close) return 0;
    const start = conn * CONTROL_BYTES_MAX;
    const length = this.#controlLength[conn]!;
    this.#controlLength[conn] = 0;
    if (opcode === OPCODE.pong) return 0;
    if (opcode === OPCODE.ping) {
      return sink.ping(conn, this.#control, start, start + length) ? 0 : STOP;
    }
    const code = closeCode(this.#control, start, length);
    if (code < 0) return -code;
    sink.closing(conn, code);
    return STOP;
  }
}

/** Result of `#endFrame`: read no further. No code of the standard. */
const STOP = 1;

/** The code of a closing frame, normal when it has none; negative: what to answer instead. */
function closeCode(bytes: Uint8Array, start: number, length: number): number {
  if (length === 0) return CLOSE_CODE.normal;
  if (length === 1) return -CLOSE_CODE.protocolError;
  const code = (bytes[start]! << 8) | bytes[start + 1]!;
  const isKnown =
    (code >= 1000 && code <= 1003) ||
    (code >= 1007 && code <= 1014) ||
    (code >= 3000 && code < 5000);
  if (!isKnown) return -CLOSE_CODE.protocolError;
  return isUtf8(bytes.subarray(start + 2, start + length)) ? code : -CLOSE_CODE.badText;
}

function littleEndian(bytes: Uint8Array, at: number): number {
  const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
  return (low | (bytes[at + 3]! << 24)) >>> 0;
}

/** Most bytes that `putFrameHead` writes. */
export const FRAME_HEAD_BYTES_MAX = 10;

/** Writes the header of an unmasked binary frame (a server masks nothing) at 0; returns its length. */
export function putFrameHead(out: Uint8Array, payloadBytes: number): number {
  out[0] = FIN | OPCODE.binary;
  return putLength(out, payloadBytes);
}

/** Writes a pong with the ping's contents at 0; returns its length. */
export function putPong(out: Uint8Array, bytes: Uint8Array, start: number, end: number): number {
  out[0] = FIN | OPCODE.pong;
  out[1] = end - start;
  for (let at = start; at < end; at++) out[2 + at - start] = bytes[at]!;
  return 2 + end - start;
}

/** Writes a closing frame at 0; returns its length. */
export function putClose(out: Uint8Array, code: number): number {
  out[0] = FIN | OPCODE.close;
  out[1] = 2;
  out[2] = code >> 8;
  out[3] = code & 0xff;
  return 4;
}

function putLength(out: Uint8Array, length: number): number {
  if (length < 126) {
    out[1] = length;
    return 2;
  }
  const count = length < 0x1_0000 ? 2 : 8;
  out[1] = count === 2 ? 126 : 127;
  for (let i = 0, rest = length; i < count; i++, rest = Math.floor(rest / 256)) {
    out[1 + count - i] = rest % 256;
  }
  return 2 + count;
}
