// WebSocket below the server that does nothing: grants every upgrade, whatever its path, and hands up what the frames
// hold. Cost: one copy a message to the client.

import type { CloseReason, Conn } from '#core/socket/reactor.ts';
import { acceptFor } from '#core/wire/websocket/client-handshake.ts';
import {
  CLOSE_CODE,
  FRAME_HEAD_BYTES_MAX,
  type FrameSink,
  putClose,
  putFrameHead,
  putPong,
  WebSocketFrames,
} from '#core/wire/websocket/frames.ts';
import { Layer } from '#loadgen/transport/layer.ts';

/** An upgrade that is longer is none of ours. */
const REQUEST_BYTES_MAX = 8192;
const CONTROL_BYTES_MAX = 132;

export class NullWebSocket extends Layer implements FrameSink {
  readonly #frames: WebSocketFrames;
  /** 1 = upgraded. */
  readonly #isOpen: Uint8Array;
  /** Requests that came in part: few at a time, as long as REQUEST_BYTES_MAX. */
  readonly #pending = new Map<Conn, string>();
  readonly #out: Uint8Array;
  readonly #control = new Uint8Array(CONTROL_BYTES_MAX);

  /** `sendBytesMax`: the largest send of the layer above. */
  constructor(connections: number, sendBytesMax: number) {
    super();
    this.#frames = new WebSocketFrames(connections, 'client');
    this.#isOpen = new Uint8Array(connections);
    this.#out = new Uint8Array(sendBytesMax + FRAME_HEAD_BYTES_MAX);
  }

  override onAccept(conn: Conn): void {
    this.#isOpen[conn] = 0;
    this.#frames.open(conn);
  }

  override send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const out = this.#out;
    const head = putFrameHead(out, end - start);
    out.set(bytes.subarray(start, end), head);
    return this.lower.send(conn, out, 0, head + end - start);
  }

  override close(conn: Conn): void {
    this.lower.send(conn, this.#control, 0, putClose(this.#control, CLOSE_CODE.normal));
    this.lower.close(conn);
  }

  override onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const at = this.#isOpen[conn] === 1 ? start : this.#upgrade(conn, bytes, start, end);
    if (at < end && this.#frames.take(conn, bytes, at, end, this) !== 0) this.lower.abort(conn);
  }

  override onClose(conn: Conn, reason: CloseReason, errno: number): void {
    this.#pending.delete(conn);
    this.upper.onClose(conn, reason, errno);
  }

  payload(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    this.upper.onData(conn, bytes, start, end);
    return true;
  }

  ping(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    this.lower.send(conn, this.#control, 0, putPong(this.#control, bytes, start, end));
    return true;
  }

  closing(conn: Conn): void {
    this.close(conn);
  }

  /** Returns where the first frame begins, or `end`. */
  #upgrade(conn: Conn, bytes: Uint8Array, start: number, end: number): number {
    const before = this.#pending.get(conn) ?? '';
    const request = before + Buffer.from(bytes.subarray(start, end)).toString('latin1');
    const blank = request.indexOf('\r\n\r\n');
    if (blank < 0) {
      if (request.length > REQUEST_BYTES_MAX) this.lower.abort(conn);
      else this.#pending.set(conn, request);
      return end;
    }
    this.#pending.delete(conn);
    const answer = Buffer.from(upgradeAnswer(request.slice(0, blank)));
    this.#isOpen[conn] = 1;
    this.lower.send(conn, answer, 0, answer.length);
    return start + blank + 4 - before.length;
  }
}

function upgradeAnswer(request: string): string {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}: *(.*)$`, 'im').exec(request)?.[1]?.trim();
  const protocol = field('sec-websocket-protocol');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptFor(field('sec-websocket-key') ?? '')}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    '\r\n',
  ].join('\r\n');
}
