// WebSocket below the server that does nothing: grants an upgrade of any path and origin, and hands up what the frames
// hold. Cost: one copy a message to the client.

import type { CloseReason, Conn } from '#core/socket/reactor.ts';
import {
  CLOSE_CODE,
  FRAME_HEAD_BYTES_MAX,
  type FrameSink,
  putClose,
  putFrameHead,
  putPong,
  WebSocketFrames,
} from '#core/wire/websocket/frames.ts';
import { UpgradeRequest } from '#core/wire/websocket/upgrade-request.ts';
import { Layer } from '#loadgen/transport/layer.ts';

const CONTROL_BYTES_MAX = 132;

export class NullWebSocket extends Layer implements FrameSink {
  readonly #frames: WebSocketFrames;
  /** 1 = upgraded. */
  readonly #isOpen: Uint8Array;
  /** Requests that came in part: few at a time. */
  readonly #pending = new Map<Conn, UpgradeRequest>();
  readonly #protocols: readonly string[];
  readonly #out: Uint8Array;
  readonly #control = new Uint8Array(CONTROL_BYTES_MAX);

  /** `sendBytesMax`: the largest send of the layer above; `protocols`: see UpgradeRequest. */
  constructor(connections: number, sendBytesMax: number, protocols: readonly string[]) {
    super();
    this.#protocols = protocols;
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
    const request = this.#pending.get(conn) ?? new UpgradeRequest(['*'], this.#protocols);
    const at = request.take(bytes, start, end);
    if (request.status === 0) {
      this.#pending.set(conn, request);
      return end;
    }
    this.#pending.delete(conn);
    const answer = Buffer.from(request.answer);
    this.lower.send(conn, answer, 0, answer.length);
    if (request.status === 101) this.#isOpen[conn] = 1;
    else this.lower.close(conn);
    return at;
  }
}
