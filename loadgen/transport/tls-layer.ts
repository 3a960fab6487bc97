// TLS below a population, for every engine: the handshake right after connect(), each send one record, and the
// plaintext of the server's records handed up as it comes. To the population a connection is up when both sides
// have finished the handshake; likewise, the other way round, below a server that has an identity (--calibrate).
// The cipher is OpenSSL's (core/socket/tls/openssl.ts).
//
// What is encrypted has its place in the stream: it cannot be refused any more. So a record that the reactor does not
// take waits here, one for each connection and WAITING_MAX at most, and the connection takes nothing else until then.
//
// Cost: 9 bytes a connection beside OpenSSL's own, one copy each way; no allocation for records up to 192 bytes.

import { constants } from 'node:os';
import { assert } from '#core/assert.ts';
import type { TlsConnect } from '#core/socket/net/tls-connect.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type ConnectOptions,
} from '#core/socket/reactor.ts';
import {
  OpensslEnd,
  RECORD_BYTES_MAX,
  TLS_READ,
  TLS_STATE,
  type TlsHandle,
  type TlsIdentity,
} from '#core/socket/tls/openssl.ts';
import { Layer } from '#loadgen/transport/layer.ts';
import { BOARD, type Board } from '#loadgen/worker-board.ts';

/**
 * `givenUp`: whoever is above did not wait for the handshake; `half`: our side has ended, the other may go on; `over`:
 * nothing is handed up any more.
 */
const STAGE = {
  ...{ closed: 0, connecting: 1, shaking: 2, givenUp: 3, open: 4, half: 5, over: 6 },
} as const;
/** Connections whose record waits for room; more are given up (BOARD.tlsGivenUp). */
export const WAITING_MAX = 4096;
/** Answers to key updates behind a record that waits, 27 bytes each; who asks for more is given up likewise. */
const ANSWERS_BYTES_MAX = 1024;
/** What a server that speaks no TLS, or that is not trusted, is counted as. */
const { ECANCELED, EPROTO } = constants.errno;

/** A record that the reactor did not take, and what was asked for behind it. */
interface Waiting {
  record: Uint8Array;
  answersBytes: number;
  end: 'none' | 'endOutput' | 'close';
}

export class TlsLayer extends Layer {
  readonly #openssl: OpensslEnd;
  readonly #board: Board;
  readonly #isServer: boolean;
  readonly #stage: Uint8Array;
  readonly #handles: Float64Array;
  readonly #waiting = new Map<Conn, Waiting>();

  constructor(plan: TlsConnect | TlsIdentity, connections: number, board: Board) {
    super();
    this.#isServer = 'key' in plan;
    this.#openssl = new OpensslEnd(plan);
    this.#board = board;
    this.#stage = new Uint8Array(connections);
    this.#handles = new Float64Array(connections);
  }

  override connect(options: ConnectOptions): Conn {
    const conn = this.lower.connect(options);
    if (conn >= 0) this.#stage[conn] = STAGE.connecting;
    return conn;
  }

  override send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#stage[conn] !== STAGE.open || this.#waiting.has(conn)) return false;
    if (!this.#openssl.write(this.#handle(conn), bytes, start, end)) {
      this.abort(conn);
      return false;
    }
    return this.#flush(conn);
  }

  override endOutput(conn: Conn): void {
    this.#end(conn, 'endOutput');
  }

  override close(conn: Conn): void {
    this.#end(conn, 'close');
  }

  override abort(conn: Conn): void {
    // Nothing more is handed up.
    if (this.#isReading(conn)) this.#stage[conn] = STAGE.over;
    else if (this.#stage[conn] === STAGE.shaking) this.#stage[conn] = STAGE.givenUp;
    this.lower.abort(conn);
  }

  override onConnect(conn: Conn, errno: number): void {
    if (errno !== 0) {
      this.#stage[conn] = STAGE.closed;
      this.upper.onConnect(conn, errno);
      return;
    }
    this.#begin(conn);
    this.#shake(conn);
  }

  /** The client speaks first. */
  override onAccept(conn: Conn): void {
    assert(this.#isServer, 'a population listens nowhere');
    this.#begin(conn);
  }

  override onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const stage = this.#stage[conn];
    if (stage !== STAGE.shaking && !this.#isReading(conn)) return;
    this.#openssl.feed(bytes, start, end);
    if (stage === STAGE.shaking && !this.#shake(conn)) return;
    this.#read(conn);
  }

  override onEnd(conn: Conn): void {
    if (this.#stage[conn] === STAGE.shaking) this.lower.abort(conn);
    else if (this.#isReading(conn)) this.upper.onEnd(conn);
  }

  override onDrain(conn: Conn): void {
    const waiting = this.#waiting.get(conn);
    if (waiting !== undefined) {
      const { record, end } = waiting;
      if (!this.lower.send(conn, record, 0, record.length)) return;
      this.#waiting.delete(conn);
      if (end !== 'none') {
        this.#sayGoodbye(conn, end);
        return;
      }
    }
    if (this.#stage[conn] === STAGE.open) this.upper.onDrain(conn);
  }

  override onClose(conn: Conn, reason: CloseReason, errno: number): void {
    const stage = this.#stage[conn];
    this.#stage[conn] = STAGE.closed;
    this.#waiting.delete(conn);
    this.#openssl.free(this.#handle(conn));
    this.#handles[conn] = 0;
    // Above, a connection without its handshake was never one.
    const isShaking = stage === STAGE.shaking;
    if (this.#isServer && (isShaking || stage === STAGE.givenUp)) return;
    if (stage === STAGE.givenUp || (isShaking && reason === CLOSE_REASON.stopped)) {
      this.upper.onConnect(conn, ECANCELED);
    } else if (isShaking) this.upper.onConnect(conn, errno || EPROTO);
    else this.upper.onClose(conn, reason, errno);
  }

  /** When the reactor has ended: OpenSSL's memory is none that V8 would free. */
  release(): void {
    for (const handle of this.#handles) if (handle !== 0) this.#openssl.free(handle);
    this.#handles.fill(0);
    this.#openssl.close();
  }

  #begin(conn: Conn): void {
    this.#stage[conn] = STAGE.shaking;
    this.#handles[conn] = this.#openssl.open();
  }

  #handle(conn: Conn): TlsHandle {
    const handle = this.#handles[conn]!;
    assert(handle !== 0, `connection ${conn} has TLS`);
    return handle;
  }

  /** Goes on with the handshake; true when it is over, and the population knows. */
  #shake(conn: Conn): boolean {
    const state = this.#openssl.handshake(this.#handle(conn));
    const isSent = this.#flush(conn);
    if (state === TLS_STATE.failed || !isSent) {
      this.lower.abort(conn);
      return false;
    }
    if (state === TLS_STATE.wants) return false;
    this.#stage[conn] = STAGE.open;
    if (this.#isServer) this.upper.onAccept(conn, 0);
    else this.upper.onConnect(conn, 0);
    return true;
  }

  /** Hands up the plaintext of all that was fed: together, since most records are small. */
  #read(conn: Conn): void {
    const { plain } = this.#openssl;
    let filled = 0;
    let count: number;
    for (;;) {
      count = this.#openssl.read(this.#handle(conn), filled);
      if (count <= 0) break;
      filled += count;
      if (filled + RECORD_BYTES_MAX <= plain.length) continue;
      if (!this.#handUp(conn, filled)) return;
      filled = 0;
    }
    // A key update is answered.
    this.#flush(conn);
    if (!this.#handUp(conn, filled) || count === TLS_READ.nothing) return;
    if (count === TLS_READ.failed) this.abort(conn);
    else this.upper.onEnd(conn);
  }

  /** False when whoever is above wants no more of this connection. */
  #handUp(conn: Conn, filled: number): boolean {
    if (filled > 0 && this.#isReading(conn)) {
      this.upper.onData(conn, this.#openssl.plain, 0, filled);
    }
    return this.#isReading(conn);
  }

  /** Sends what OpenSSL has for the server; false when the connection is given up for it. */
  #flush(conn: Conn): boolean {
    const count = this.#openssl.takeOutput();
    if (count === 0) return true;
    const { cipher } = this.#openssl;
    const waiting = this.#waiting.get(conn);
    if (waiting !== undefined) {
      if (this.#queueAnswer(waiting, cipher, count)) return true;
    } else {
      if (this.lower.send(conn, cipher, 0, count)) return true;
      // Behind our goodbye nothing is answered.
      if (this.#stage[conn] === STAGE.half) return true;
      if (this.#waiting.size < WAITING_MAX) {
        this.#waiting.set(conn, { record: cipher.slice(0, count), answersBytes: 0, end: 'none' });
        return true;
      }
    }
    this.#board[BOARD.tlsGivenUp]!++;
    this.abort(conn);
    return false;
  }

  /** Its place is behind the record that waits. */
  #queueAnswer(waiting: Waiting, bytes: Uint8Array, count: number): boolean {
    const { record } = waiting;
    waiting.answersBytes += count;
    if (waiting.answersBytes > ANSWERS_BYTES_MAX) return false;
    waiting.record = new Uint8Array(record.length + count);
    waiting.record.set(record);
    waiting.record.set(bytes.subarray(0, count), record.length);
    return true;
  }

  #isReading(conn: Conn): boolean {
    const stage = this.#stage[conn];
    return stage === STAGE.open || stage === STAGE.half;
  }

  /** Ends our side, or all of it, behind what was sent. */
  #end(conn: Conn, how: 'endOutput' | 'close'): void {
    // It ends already, perhaps behind a record that waits.
    if (this.#stage[conn] === STAGE.over) return;
    if (!this.#isReading(conn)) {
      this.abort(conn);
      return;
    }
    this.#stage[conn] = how === 'close' ? STAGE.over : STAGE.half;
    const waiting = this.#waiting.get(conn);
    if (waiting === undefined) this.#sayGoodbye(conn, how);
    else waiting.end = how;
  }

  /** close_notify, and FIN behind it. */
  #sayGoodbye(conn: Conn, how: 'endOutput' | 'close'): void {
    this.#openssl.shutdown(this.#handle(conn));
    const count = this.#openssl.takeOutput();
    // Without room there is no goodbye, and the connection ends all the same.
    if (count > 0) this.lower.send(conn, this.#openssl.cipher, 0, count);
    if (how === 'close') this.lower.close(conn);
    else this.lower.endOutput(conn);
  }
}
