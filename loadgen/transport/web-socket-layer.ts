// WebSocket below a population (RFC 6455): the upgrade right after connect(), each send a masked binary
// frame, and the contents of the server's frames handed up as they come. To the population a connection
// is up when the server has agreed to the upgrade.
//
// One nonce serves all connections of a worker: it only proves that the server read the request. Masks
// are drawn for each frame.
//
// Cost: 24 bytes a connection, one copy and about 1 ns a byte for each send.

import { constants } from 'node:os';
import { assert } from '#core/assert.ts';
import type { CloseReason, Conn, ConnectOptions } from '#core/socket/reactor.ts';
import { acceptFor, judgeUpgrade, upgradeRequest } from '#core/wire/websocket/client-handshake.ts';
import {
  CLOSE_CODE,
  FRAME_HEAD_BYTES_MAX,
  type FrameSink,
  MASK_BYTES,
  putMaskedClose,
  putMaskedFrame,
  putMaskedPong,
  WebSocketFrames,
} from '#core/wire/websocket/frames.ts';
import { draw, LANE } from '#loadgen/seeded-draw.ts';
import { Layer } from '#loadgen/transport/layer.ts';

const STAGE = { closed: 0, connecting: 1, upgrading: 2, open: 3, closing: 4 } as const;
/** Upgrades whose answer came in pieces; more at a time than this are given up. */
const PENDING_MAX = 4096;
const CONTROL_BYTES_MAX = 132;
/** What a server that speaks no WebSocket, or says no, is counted as. */
const { EPROTO } = constants.errno;

export interface WebSocketPlan {
  /** As in the Host header. */
  host: string;
  path: string;
  /** Subprotocol; undefined = none. */
  protocol: string | undefined;
  /** 16 bytes in base64. */
  key: string;
  seed: number;
}

export class WebSocketLayer extends Layer implements FrameSink {
  /** What was wrong with the last refused upgrade. */
  flaw = '';
  readonly #plan: WebSocketPlan;
  readonly #request: Uint8Array;
  readonly #accept: string;
  readonly #stage: Uint8Array;
  readonly #frames: WebSocketFrames;
  readonly #pending = new Map<Conn, Buffer>();
  readonly #out: Uint8Array;
  readonly #control = new Uint8Array(CONTROL_BYTES_MAX + MASK_BYTES);
  #drawn = 0;

  /** `sendBytesMax`: the largest send of the layer above. */
  constructor(plan: WebSocketPlan, connections: number, sendBytesMax: number) {
    super();
    this.#plan = plan;
    this.#request = new TextEncoder().encode(upgradeRequest(plan));
    this.#accept = acceptFor(plan.key);
    this.#stage = new Uint8Array(connections);
    this.#frames = new WebSocketFrames(connections, 'server');
    this.#out = new Uint8Array(sendBytesMax + FRAME_HEAD_BYTES_MAX + MASK_BYTES);
  }

  override connect(options: ConnectOptions): Conn {
    const conn = this.lower.connect(options);
    if (conn >= 0) this.#stage[conn] = STAGE.connecting;
    return conn;
  }

  override send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#stage[conn] !== STAGE.open) return false;
    const length = putMaskedFrame(this.#out, this.#mask(), bytes, start, end);
    return this.lower.send(conn, this.#out, 0, length);
  }

  /** Says that this side is done: the server answers the close and ends the connection. */
  override endOutput(conn: Conn): void {
    this.#sayClose(conn, CLOSE_CODE.normal);
  }

  override onConnect(conn: Conn, errno: number): void {
    if (errno !== 0) {
      this.#stage[conn] = STAGE.closed;
      this.upper.onConnect(conn, errno);
      return;
    }
    this.#stage[conn] = STAGE.upgrading;
    this.#frames.open(conn);
    if (!this.lower.send(conn, this.#request, 0, this.#request.length)) this.lower.abort(conn);
  }

  override onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    if (this.#stage[conn] === STAGE.upgrading) at = this.#takeAnswer(conn, bytes, start, end);
    if (at >= end || this.#stage[conn] !== STAGE.open) return;
    const code = this.#frames.take(conn, bytes, at, end, this);
    if (code !== 0) this.lower.abort(conn);
  }

  override onEnd(conn: Conn): void {
    if (this.#stage[conn] === STAGE.upgrading) this.lower.abort(conn);
    else this.upper.onEnd(conn);
  }

  override onClose(conn: Conn, reason: CloseReason, errno: number): void {
    const stage = this.#stage[conn];
    this.#stage[conn] = STAGE.closed;
    this.#pending.delete(conn);
    // Above, a connection without its upgrade was never one.
    if (stage === STAGE.upgrading) this.upper.onConnect(conn, errno || EPROTO);
    else this.upper.onClose(conn, reason, errno);
  }

  payload(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    this.upper.onData(conn, bytes, start, end);
    return this.#stage[conn] === STAGE.open;
  }

  ping(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const length = putMaskedPong(this.#control, this.#mask(), bytes, start, end);
    // Refused only when its output is full: the server then sees life enough.
    this.lower.send(conn, this.#control, 0, length);
    return true;
  }

  /** The server closes: the answer, then it ends the connection. */
  closing(conn: Conn, _code: number): void {
    this.#sayClose(conn, CLOSE_CODE.normal);
    this.upper.onEnd(conn);
  }

  #sayClose(conn: Conn, code: number): void {
    if (this.#stage[conn] !== STAGE.open) return;
    const length = putMaskedClose(this.#control, this.#mask(), code);
    this.lower.send(conn, this.#control, 0, length);
    this.#stage[conn] = STAGE.closing;
  }

  /** Returns where the first frame begins, or `end`. */
  #takeAnswer(conn: Conn, bytes: Uint8Array, start: number, end: number): number {
    const before = this.#pending.get(conn);
    const part = Buffer.from(bytes.subarray(start, end));
    const answer = before === undefined ? part : Buffer.concat([before, part]);
    const judged = judgeUpgrade(answer.toString('latin1'), this.#accept, this.#plan.protocol);
    if (judged === undefined) {
      if (this.#pending.size >= PENDING_MAX) this.lower.abort(conn);
      else this.#pending.set(conn, answer);
      return end;
    }
    this.#pending.delete(conn);
    if (judged.flaw !== '') {
      this.flaw = judged.flaw;
      this.lower.abort(conn);
      return end;
    }
    this.#stage[conn] = STAGE.open;
    this.upper.onConnect(conn, 0);
    const consumed = judged.end - (before?.length ?? 0);
    assert(consumed >= 0, 'the answer ends in its last part');
    return start + consumed;
  }

  #mask(): number {
    return draw(this.#plan.seed, this.#drawn++, LANE.mask) | 0;
  }
}
