// TLS below a population whose reactor speaks none: engine stack. Each connection gets a node:tls socket over a
// stream of its own, whose other end is the reactor. To the population a connection is up when the handshake is.
//
// node:tls works on libuv's events, so the reactor must not own its thread; what a handler throws in one of them is
// thrown again in the next turn.
//
// Cost, unlike that of the other layers: objects, about 65 KB a connection and the CPU of each handshake.
// TLS_USERS_MAX bounds how many one worker may have. Output waits in node:tls up to its high-water
// mark (64 KiB) and one send; input that it does not take holds the reactor's reading up.

import { constants } from 'node:os';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type TlsConnect, wrapInTls } from '#core/socket/net/tls-connect.ts';
import { CLOSE_REASON, type CloseReason, type Conn } from '#core/socket/reactor.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';
import { Layer } from '#loadgen/transport/layer.ts';

/** Users of one worker: about 1.3 GB. */
export const TLS_USERS_MAX = 20_000;
/** What is handed to the reactor at once: less than it takes from one connection. */
const PIECE_BYTES_MAX = 16_384;
const { ECANCELED, EPROTO } = constants.errno;

export class TlsLayer extends Layer {
  readonly #plan: TlsConnect;
  readonly #ends: (TlsEnd | undefined)[] = [];
  #failure: { error: unknown } | undefined;

  constructor(plan: TlsConnect) {
    super();
    this.#plan = plan;
  }

  override send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    return this.#ends[conn]?.send(bytes, start, end) ?? false;
  }

  override pauseReceive(conn: Conn): void {
    this.#ends[conn]?.pause();
  }

  override resumeReceive(conn: Conn): void {
    this.#ends[conn]?.resume();
  }

  override endOutput(conn: Conn): void {
    this.#ends[conn]?.end(false);
  }

  override close(conn: Conn): void {
    const one = this.#ends[conn];
    if (one?.isUp === true) one.end(true);
    else this.abort(conn);
  }

  override abort(conn: Conn): void {
    const one = this.#ends[conn];
    if (one !== undefined) one.isGivenUp = true;
    this.lower.abort(conn);
  }

  override onConnect(conn: Conn, errno: number): void {
    if (errno !== 0) {
      this.upper.onConnect(conn, errno);
      return;
    }
    const end = new TlsEnd(conn, this.lower, this.#plan, {
      up: () => this.#tell(() => this.upper.onConnect(conn, 0)),
      data: (bytes) => this.#tell(() => this.upper.onData(conn, bytes, 0, bytes.length)),
      end: () => this.#tell(() => this.upper.onEnd(conn)),
      drain: () => this.#tell(() => this.upper.onDrain(conn)),
    });
    this.#ends[conn] = end;
  }

  override onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    this.#ends[conn]?.received(bytes, start, end);
  }

  override onEnd(conn: Conn): void {
    this.#ends[conn]?.receivedEnd();
  }

  override onDrain(conn: Conn): void {
    this.#ends[conn]?.goOn();
  }

  override onClose(conn: Conn, reason: CloseReason, errno: number): void {
    const one = this.#ends[conn]!;
    this.#ends[conn] = undefined;
    one.over();
    // Above, a connection without its handshake was never one.
    if (one.isUp) this.upper.onClose(conn, reason, errno);
    else if (one.isGivenUp || reason === CLOSE_REASON.stopped) {
      this.upper.onConnect(conn, ECANCELED);
    } else this.upper.onConnect(conn, errno || EPROTO);
  }

  override onTurn(nowUs: number): number {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.upper.onTurn(nowUs);
  }

  #tell(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failure ??= { error };
    }
  }
}

interface TlsEvents {
  up(): void;
  data(bytes: Buffer): void;
  end(): void;
  drain(): void;
}

/** One connection: the socket of node:tls, and the stream between it and the reactor. */
class TlsEnd {
  /** The handshake is done. */
  isUp = false;
  /** The layer above does not want it any more. */
  isGivenUp = false;
  readonly #conn: Conn;
  readonly #lower: ClientReactor;
  readonly #stream: Duplex;
  readonly #socket: TLSSocket;
  /** What the reactor did not take yet, and whom to tell when it has. */
  #waiting: { bytes: Buffer; at: number; done: () => void } | undefined;
  #isOver = false;
  #isPaused = false;
  /** node:tls takes no more for now. */
  #isFull = false;
  #isClosing = false;
  #owesDrain = false;
  /** The peer's FIN has come; the layer above knows. */
  #hasFin = false;
  #isEndTold = false;
  readonly #events: TlsEvents;

  constructor(conn: Conn, lower: ClientReactor, plan: TlsConnect, events: TlsEvents) {
    this.#conn = conn;
    this.#lower = lower;
    this.#events = events;
    this.#stream = new Duplex({
      // Our FIN must not be that of the stream: half-closed, the other way still carries.
      allowHalfOpen: true,
      write: (bytes: Buffer, _encoding, done) => {
        this.#waiting = { bytes, at: 0, done };
        this.goOn();
      },
      read: () => this.#takesMore(),
      final: (done) => {
        if (!this.#isOver && this.#isClosing) lower.close(conn);
        else if (!this.#isOver) lower.endOutput(conn);
        done();
      },
    });
    const socket = wrapInTls(this.#stream, plan);
    this.#socket = socket;
    const live = (act: () => void) => () => {
      if (!this.#isOver) act();
    };
    socket.on(
      'secureConnect',
      live(() => {
        this.isUp = true;
        events.up();
      }),
    );
    socket.on('data', (bytes: Buffer) => {
      if (!this.#isOver && !this.#isClosing) events.data(bytes);
    });
    socket.on(
      'end',
      live(() => this.#tellEnd()),
    );
    socket.on(
      'drain',
      live(() => {
        if (!this.#owesDrain) return;
        this.#owesDrain = false;
        events.drain();
      }),
    );
    // A certificate that is not trusted, an alert, garbage: the connection is over, and the reactor tells.
    socket.on(
      'error',
      live(() => lower.abort(conn)),
    );
  }

  send(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.isUp || this.#isClosing || this.#socket.writableEnded) return false;
    if (this.#socket.writableNeedDrain) {
      this.#owesDrain = true;
      return false;
    }
    this.#socket.write(Uint8Array.prototype.slice.call(bytes, start, end));
    return true;
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
    this.#lower.pauseReceive(this.#conn);
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
    if (!this.#isFull) this.#lower.resumeReceive(this.#conn);
  }

  /** The last words; with `isClosing` nothing is read any more. */
  end(isClosing: boolean): void {
    this.#isClosing ||= isClosing;
    this.resume();
    if (this.#socket.writableFinished) {
      if (isClosing) this.#lower.close(this.#conn);
    } else this.#socket.end();
  }

  received(bytes: Uint8Array, start: number, end: number): void {
    if (this.#stream.push(Buffer.from(bytes.subarray(start, end)))) return;
    this.#isFull = true;
    if (!this.#isOver) this.#lower.pauseReceive(this.#conn);
  }

  receivedEnd(): void {
    this.#hasFin = true;
    this.#stream.push(null);
  }

  /** The reactor has room again. */
  goOn(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#isOver) return;
    while (waiting.at < waiting.bytes.length) {
      const end = Math.min(waiting.bytes.length, waiting.at + PIECE_BYTES_MAX);
      if (!this.#lower.send(this.#conn, waiting.bytes, waiting.at, end)) return;
      waiting.at = end;
    }
    this.#waiting = undefined;
    waiting.done();
  }

  /** The connection is gone. */
  over(): void {
    // node:tls tells an end later than the reactor, which may have forgotten the connection by then.
    if (this.#hasFin) this.#tellEnd();
    this.#isOver = true;
    this.#socket.destroy();
    this.#stream.destroy();
  }

  #tellEnd(): void {
    if (!this.isUp || this.#isClosing || this.#isEndTold) return;
    this.#isEndTold = true;
    this.#events.end();
  }

  #takesMore(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    if (!this.#isOver && !this.#isPaused) this.#lower.resumeReceive(this.#conn);
  }
}
