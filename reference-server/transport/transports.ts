// What stands between the reactor and the edge: takes the prelude of a connection off (PROXY header,
// WebSocket handshake), and the frames of WebSocket off its input and onto its output. To the edge it is
// a reactor whose connections carry MQTT and nothing else; to the reactor it is the handler.
//
// A plain connection costs one read of a byte per call. A WebSocket packet is copied once, behind its
// frame's header, so that header and packet are one send. Objects exist only for connections whose
// prelude comes in pieces: at most `PENDING_MAX`, each ended by the edge's deadline for logins.

import { timingSafeEqual } from 'node:crypto';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type Reactor,
  type ReactorHandler,
} from '#core/socket/reactor.ts';
import { copyBytes } from '#core/wire/mqtt/encode.ts';
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
import type { EdgeReactor } from '#reference-server/edge/edge.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { Prelude } from '#reference-server/transport/listener.ts';
import type { Places } from '#reference-server/transport/places.ts';
import {
  PROXY_HEADER_BYTES_MAX,
  readProxyHeader,
} from '#reference-server/transport/proxy-header.ts';

/** Connections whose prelude has come in part. */
const PENDING_MAX = 16_384;
/** How often those who wait for a place of another worker are looked at, us. */
const WAIT_US = 20_000;

/** Subprotocols of WebSocket; the second is what clients of MQTT 3.1 used to ask for. */
const PROTOCOLS = ['mqtt', 'mqttv3.1'];

/** Where a connection stands. */
const STAGE = {
  open: 0,
  secret: 1,
  proxyHeader: 2,
  handshake: 3,
  framed: 4,
  ended: 5,
  doubtful: 6,
  waiting: 7,
} as const;

export interface TransportsOptions {
  connections: number;
  places: Places;
  /** Connections without a place are reset when they speak; else they wait for one. */
  resets: boolean;
  /** Most bytes of one send of the edge. */
  outputBytesMax: number;
  /** Pages that browsers may come from; see UpgradeRequest. */
  origins: readonly string[];
  stats: WorkerStats;
}

export class Transports implements ReactorHandler, FrameSink, EdgeReactor {
  readonly #edge: ReactorHandler;
  readonly #origins: readonly string[];
  readonly #stats: WorkerStats;
  readonly #stage: Uint8Array;
  /** Index of the connection's listener. */
  readonly #listener: Uint8Array;
  readonly #preludes: Prelude[] = [];
  readonly #connections: number;
  readonly #places: Places;
  readonly #resets: boolean;
  /** 1 of a connection that has a place. */
  readonly #placed: Uint8Array;
  /** Taken by the reactor when no place was left, the oldest first: a burst of accepts at the most. */
  readonly #waiting: Conn[] = [];
  /** Made with the first listener that needs them. */
  #frames: WebSocketFrames | undefined;
  readonly #out: Uint8Array;
  /** The beginning of a secret or a PROXY header. */
  readonly #held = new Map<Conn, Buffer>();
  readonly #requests = new Map<Conn, UpgradeRequest>();
  readonly #names = new Map<Conn, string>();
  #reactor!: Reactor;

  constructor(edge: ReactorHandler, options: TransportsOptions) {
    this.#edge = edge;
    this.#origins = options.origins;
    this.#stats = options.stats;
    this.#connections = options.connections;
    this.#places = options.places;
    this.#resets = options.resets;
    this.#placed = new Uint8Array(options.connections);
    this.#stage = new Uint8Array(options.connections);
    this.#listener = new Uint8Array(options.connections);
    this.#out = new Uint8Array(options.outputBytesMax + FRAME_HEAD_BYTES_MAX);
  }

  /** The reactor that calls this handler; before it listens. */
  attach(reactor: Reactor): void {
    this.#reactor = reactor;
  }

  /** What the listener expects that the reactor gives this number. */
  expect(listener: number, prelude: Prelude): void {
    this.#preludes[listener] = prelude;
    if (prelude.webSocket) this.#frames ??= new WebSocketFrames(this.#connections, 'client');
  }

  /** Common name of the client's certificate, as the front or a proxy verified it. */
  certifiedName(conn: Conn): string | undefined {
    return this.#names.get(conn);
  }

  // The reactor's calls.

  onAccept(conn: Conn, listener: number): void {
    this.#listener[conn] = listener;
    // Who waits goes first.
    const hasPlace = this.#waiting.length === 0 && this.#takePlace(conn);
    if (hasPlace || this.#resets) this.#announce(conn, hasPlace);
    else this.#wait(conn);
  }

  onConnect(): void {
    // A server connects to nobody.
  }

  onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#stage[conn] === STAGE.open) {
      this.#edge.onData(conn, bytes, start, end);
      return;
    }
    if (this.#stage[conn] === STAGE.doubtful) {
      this.#judge(conn, bytes, start, end);
      return;
    }
    let at = start;
    if (this.#stage[conn] === STAGE.secret) at = this.#takeSecret(conn, bytes, at, end);
    if (this.#stage[conn] === STAGE.proxyHeader && at < end) {
      at = this.#takeProxyHeader(conn, bytes, at, end);
    }
    if (this.#stage[conn] === STAGE.handshake && at < end) {
      at = this.#takeHandshake(conn, bytes, at, end);
    }
    if (at >= end) return;
    if (this.#stage[conn] === STAGE.open) this.#edge.onData(conn, bytes, at, end);
    else if (this.#stage[conn] === STAGE.framed) this.#takeFrames(conn, bytes, at, end);
  }

  onEnd(conn: Conn): void {
    this.#edge.onEnd(conn);
  }

  onDrain(conn: Conn): void {
    this.#edge.onDrain(conn);
  }

  onClose(conn: Conn, reason: CloseReason, errno: number): void {
    this.#givePlace(conn);
    if (this.#stage[conn] === STAGE.waiting) this.#waitNoMore(conn, reason);
    else this.#edge.onClose(conn, reason, errno);
    this.#stage[conn] = STAGE.open;
    this.#held.delete(conn);
    this.#requests.delete(conn);
    this.#names.delete(conn);
  }

  onDeadline(conn: Conn): void {
    this.#edge.onDeadline(conn);
  }

  onWake(): void {
    this.#edge.onWake();
  }

  onTurn(nowUs: number): number {
    if (this.#waiting.length === 0) return this.#edge.onTurn(nowUs);
    this.#admit();
    const nextUs = this.#edge.onTurn(nowUs);
    return this.#waiting.length === 0 ? nextUs : Math.min(nextUs, WAIT_US);
  }

  #announce(conn: Conn, hasPlace: boolean): void {
    const prelude = this.#preludes[this.#listener[conn]!]!;
    // Who left a moment ago may not be noticed yet: one without a place is judged when it speaks.
    this.#stage[conn] = hasPlace ? firstStage(prelude) : STAGE.doubtful;
    this.#edge.onAccept(conn, prelude.place);
  }

  /** As in the backlog of the kernel: nothing is read of it, and the reactor takes no more until it has a place. */
  #wait(conn: Conn): void {
    this.#stats[STAT.acceptsHeld]!++;
    this.#stage[conn] = STAGE.waiting;
    this.#waiting.push(conn);
    this.#reactor.pauseReceive(conn);
    this.#reactor.setAccepting(false);
  }

  /** Lets in who waits, as far as there are places. */
  #admit(): void {
    while (this.#waiting.length > 0 && this.#takePlace(this.#waiting[0]!)) {
      const conn = this.#waiting.shift()!;
      this.#announce(conn, true);
      this.#reactor.resumeReceive(conn);
    }
    if (this.#waiting.length === 0) this.#reactor.setAccepting(true);
  }

  #waitNoMore(conn: Conn, reason: CloseReason): void {
    this.#waiting.splice(this.#waiting.indexOf(conn), 1);
    const isStopping = reason === CLOSE_REASON.stopped;
    if (this.#waiting.length === 0 && !isStopping) this.#reactor.setAccepting(true);
  }

  #takePlace(conn: Conn): boolean {
    if (!this.#places.take()) return false;
    this.#placed[conn] = 1;
    return true;
  }

  #givePlace(conn: Conn): void {
    if (this.#placed[conn] === 1) this.#places.give();
    this.#placed[conn] = 0;
  }

  /** A connection that found the server full speaks: is it still? */
  #judge(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#takePlace(conn)) {
      this.#stats[STAT.acceptsRefused]!++;
      this.abort(conn);
      return;
    }
    this.#stage[conn] = firstStage(this.#preludes[this.#listener[conn]!]!);
    this.onData(conn, bytes, start, end);
  }

  /** It is told to end: where others are reset for want of its place, it has none any more. */
  #leave(conn: Conn): void {
    if (this.#resets) this.#givePlace(conn);
  }

  // The edge's calls.

  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#stage[conn] !== STAGE.framed) return this.#reactor.send(conn, bytes, start, end);
    const out = this.#out;
    const head = putFrameHead(out, end - start);
    return this.#reactor.send(conn, out, 0, copyBytes(out, head, bytes, start, end));
  }

  outputBytes(conn: Conn): number {
    return this.#reactor.outputBytes(conn);
  }

  pauseReceive(conn: Conn): void {
    this.#reactor.pauseReceive(conn);
  }

  resumeReceive(conn: Conn): void {
    this.#reactor.resumeReceive(conn);
  }

  close(conn: Conn): void {
    if (this.#stage[conn] === STAGE.framed) this.#sendClose(conn, CLOSE_CODE.normal);
    this.#stage[conn] = STAGE.ended;
    this.#leave(conn);
    this.#reactor.close(conn);
  }

  abort(conn: Conn): void {
    this.#stage[conn] = STAGE.ended;
    this.#leave(conn);
    this.#reactor.abort(conn);
  }

  setDeadline(conn: Conn, ms: number): void {
    this.#reactor.setDeadline(conn, ms);
  }

  // What is in frames.

  payload(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    this.#edge.onData(conn, bytes, start, end);
    return this.#stage[conn] === STAGE.framed;
  }

  ping(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const length = putPong(this.#out, bytes, start, end);
    if (this.#reactor.send(conn, this.#out, 0, length)) return true;
    // A peer that asks and does not read.
    this.#refuse(conn, STAT.webSocketFlaws);
    return false;
  }

  closing(conn: Conn, code: number): void {
    this.#sendClose(conn, code);
    this.#stage[conn] = STAGE.ended;
    this.#edge.onEnd(conn);
  }

  #takeFrames(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const code = this.#frames!.take(conn, bytes, start, end, this);
    if (code === 0) return;
    this.#sendClose(conn, code);
    this.#refuse(conn, STAT.webSocketFlaws);
  }

  #sendClose(conn: Conn, code: number): void {
    this.#reactor.send(conn, this.#out, 0, putClose(this.#out, code));
  }

  // Preludes.

  #takeSecret(conn: Conn, bytes: Uint8Array, start: number, end: number): number {
    const secret = this.#preludes[this.#listener[conn]!]!.secret!;
    const all = this.#gather(conn, bytes, start, end);
    if (all.length < secret.length) {
      this.#hold(conn, all);
      return end;
    }
    if (!timingSafeEqual(all.subarray(0, secret.length), secret)) {
      this.#refuse(conn, STAT.preludesRefused);
      return end;
    }
    this.#stage[conn] = STAGE.proxyHeader;
    return end - (all.length - secret.length);
  }

  #takeProxyHeader(conn: Conn, bytes: Uint8Array, start: number, end: number): number {
    const all = this.#gather(conn, bytes, start, end);
    const header = readProxyHeader(all.subarray(0, PROXY_HEADER_BYTES_MAX));
    if (header === undefined) {
      this.#refuse(conn, STAT.preludesRefused);
      return end;
    }
    if (header.length === 0) {
      this.#hold(conn, all);
      return end;
    }
    const { webSocket, secret } = this.#preludes[this.#listener[conn]!]!;
    // On a listener without a secret any process of this host could be the proxy, and name anybody.
    const mayName = secret !== undefined;
    if (mayName && header.commonName !== undefined) this.#names.set(conn, header.commonName);
    this.#stage[conn] = webSocket ? STAGE.handshake : STAGE.open;
    return end - (all.length - header.length);
  }

  #takeHandshake(conn: Conn, bytes: Uint8Array, start: number, end: number): number {
    const request = this.#requests.get(conn) ?? new UpgradeRequest(this.#origins, PROTOCOLS);
    const at = request.take(bytes, start, end);
    if (request.status === 0) {
      if (this.#requests.size < PENDING_MAX) this.#requests.set(conn, request);
      else this.#refuse(conn, STAT.preludesRefused);
      return end;
    }
    this.#requests.delete(conn);
    const answer = Buffer.from(request.answer);
    this.#reactor.send(conn, answer, 0, answer.length);
    if (request.status === 101) {
      this.#frames!.open(conn);
      this.#stage[conn] = STAGE.framed;
    } else this.#refuse(conn, STAT.preludesRefused);
    return at;
  }

  /** What was held, and [start, end) behind it: a copy only when something was. */
  #gather(conn: Conn, bytes: Uint8Array, start: number, end: number): Buffer {
    const held = this.#held.get(conn);
    const fresh = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    if (held === undefined) return fresh;
    this.#held.delete(conn);
    return Buffer.concat([held, fresh]);
  }

  #hold(conn: Conn, all: Buffer): void {
    if (this.#held.size < PENDING_MAX) this.#held.set(conn, Buffer.from(all));
    else this.#refuse(conn, STAT.preludesRefused);
  }

  /** Ends a connection that does not speak as it must; the edge closes it. */
  #refuse(conn: Conn, stat: number): void {
    this.#stats[stat]!++;
    this.#stage[conn] = STAGE.ended;
    this.#edge.onEnd(conn);
  }
}

function firstStage({ secret, proxyHeader, webSocket }: Prelude): number {
  if (secret !== undefined) return STAGE.secret;
  if (proxyHeader) return STAGE.proxyHeader;
  return webSocket ? STAGE.handshake : STAGE.open;
}
