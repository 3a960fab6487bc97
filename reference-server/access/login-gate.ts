// The gate before the edge, where logins are asked for: it keeps the first packet of a connection until
// it is whole, looks at who the client says it is and at the proof, and only then lets the edge see it.
// The edge of a server without logins has no gate before it.
//
//   proof: a token (access/token.ts), a password (the main thread hashes, the client waits), or the
//   certificate that the front or a proxy verified
//   right  -> the packet goes to the edge, and so does everything behind it
//   wrong  -> CONNACK 0x05 / 0x87 or 0x04 / 0x86, and the end; nothing says what was wrong
//
// Memory: parts of first packets, at most `HELD_BYTES_MAX` in all; a packet of at most `connectBytesMax`.

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { CloseReason, Conn, ReactorHandler } from '#core/socket/reactor.ts';
import { ConnectFields, decodeConnect } from '#core/wire/mqtt/decode-connect.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import {
  CONNACK,
  PACKET,
  PROTOCOL_LEVEL_3_1,
  PROTOCOL_LEVEL_5,
  REASON,
} from '#core/wire/mqtt/packet.ts';
import type { LoginRules } from '#reference-server/access/access-rules.ts';
import {
  type PasswordAnswer,
  type PasswordGreeting,
  type PasswordQuestion,
  QUESTIONS_MAX,
} from '#reference-server/access/password-service.ts';
import { isToken } from '#reference-server/access/token.ts';
import type { EdgeReactor } from '#reference-server/edge/edge.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';

/** Parts of first packets, all connections of a worker. */
const HELD_BYTES_MAX = 4 * 1024 * 1024;

const STAGE = { waiting: 0, asking: 1, open: 2 } as const;

/** What a look at a login comes to. */
type Verdict = 'right' | 'asked' | Refusal;
type Refusal = 'wrong' | 'wrong id' | 'no id' | 'busy';

export interface LoginGateOptions {
  rules: LoginRules;
  connections: number;
  /** Bounds of packets before login, as they are now. */
  limits: Pick<ServerLimits, 'connectBytesMax'>;
  stats: WorkerStats;
  /** To the password service; undefined without a password file. */
  port: MessagePort | undefined;
}

export class LoginGate implements ReactorHandler {
  readonly #edge: ReactorHandler;
  readonly #options: LoginGateOptions;
  readonly #stage: Uint8Array;
  /** Shared with the password service, which passes over those who have left. */
  readonly #generation: Uint32Array<SharedArrayBuffer>;
  /** Parts of first packets, and whole ones whose password is being looked at. */
  readonly #held = new Map<Conn, Buffer>();
  readonly #fields = new ConnectFields();
  #reactor!: EdgeReactor;
  #certifiedName!: (conn: Conn) => string | undefined;
  #heldBytes = 0;
  #questions = 0;

  constructor(edge: ReactorHandler, options: LoginGateOptions) {
    this.#edge = edge;
    this.#options = options;
    this.#stage = new Uint8Array(options.connections);
    const bytes = options.connections * Uint32Array.BYTES_PER_ELEMENT;
    this.#generation = new Uint32Array(new SharedArrayBuffer(bytes));
    options.port?.postMessage({ generations: this.#generation } satisfies PasswordGreeting);
  }

  /**
   * What stands between the gate and the wire, and how it knows the common name of a client's verified
   * certificate; before it runs.
   */
  attach(reactor: EdgeReactor, certifiedName: (conn: Conn) => string | undefined): void {
    this.#reactor = reactor;
    this.#certifiedName = certifiedName;
  }

  onAccept(conn: Conn, listener: number): void {
    this.#stage[conn] = STAGE.waiting;
    this.#generation[conn]!++;
    this.#edge.onAccept(conn, listener);
  }

  onConnect(): void {
    // A server connects to nobody.
  }

  onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#stage[conn] === STAGE.open) {
      this.#edge.onData(conn, bytes, start, end);
      return;
    }
    const held = this.#take(conn);
    const fresh = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    const all = held === undefined ? fresh : Buffer.concat([held, fresh]);
    if (this.#stage[conn] === STAGE.asking) {
      if (all.length > this.#options.limits.connectBytesMax) this.#reactor.pauseReceive(conn);
      this.#hold(conn, all);
      return;
    }
    const length = frameLength(all, 0, all.length, this.#options.limits.connectBytesMax);
    if (length === 0) this.#hold(conn, all);
    else this.#look(conn, all, length);
  }

  onEnd(conn: Conn): void {
    this.#edge.onEnd(conn);
  }

  onDrain(conn: Conn): void {
    this.#edge.onDrain(conn);
  }

  onClose(conn: Conn, reason: CloseReason, errno: number): void {
    this.#take(conn);
    this.#stage[conn] = STAGE.waiting;
    this.#generation[conn]!++;
    this.#edge.onClose(conn, reason, errno);
  }

  onDeadline(conn: Conn): void {
    this.#edge.onDeadline(conn);
  }

  onWake(): void {
    const { port } = this.#options;
    for (let at = port && receiveMessageOnPort(port); at; at = receiveMessageOnPort(port!)) {
      this.#questions--;
      this.#answered(at.message as PasswordAnswer);
    }
    this.#edge.onWake();
  }

  onTurn(nowUs: number): number {
    return this.#edge.onTurn(nowUs);
  }

  /** Looks at the first packet, the `length` bytes at the start of `all` (negative: it is none). */
  #look(conn: Conn, all: Buffer, length: number): void {
    const fields = this.#fields;
    const isConnect = length > 0 && all[0]! >> 4 === PACKET.connect;
    const isSound =
      isConnect &&
      decodeConnect(all, 0, length, fields) === 0 &&
      fields.level >= PROTOCOL_LEVEL_3_1 &&
      fields.level <= PROTOCOL_LEVEL_5;
    if (!isSound) {
      // The edge knows what to answer; that nobody comes in this way does not depend on it.
      this.#edge.onData(conn, all, 0, all.length);
      this.#edge.onEnd(conn);
      return;
    }
    const verdict = this.#judge(conn, all);
    if (verdict === 'right') this.#open(conn, all);
    else if (verdict === 'asked') {
      // It is read on, up to a bound: who leaves now is noticed, and must not log in after that, where
      // it would take the place of a client of its name that came later.
      this.#stage[conn] = STAGE.asking;
      this.#hold(conn, all);
    } else this.#refuse(conn, fields.level, verdict);
  }

  #judge(conn: Conn, packet: Buffer): Verdict {
    const { rules, port } = this.#options;
    const { clientIdStart, clientIdEnd, usernameStart, usernameEnd } = this.#fields;
    const { passwordStart, passwordEnd } = this.#fields;
    const clientId = packet.subarray(clientIdStart, clientIdEnd);
    const { level, keepAliveS } = this.#fields;
    const isTooQuiet =
      level < PROTOCOL_LEVEL_5 &&
      rules.keepAliveMaxS > 0 &&
      (keepAliveS === 0 || keepAliveS > rules.keepAliveMaxS);
    // Mosquitto's code for it, and there is no better one.
    if (isTooQuiet) return 'wrong id';
    if (rules.needsId && clientId.length === 0) return 'no id';
    const given = usernameStart < 0 ? undefined : packet.subarray(usernameStart, usernameEnd);
    const certified = this.#certifiedName(conn);
    const userName = certified === undefined ? given : Buffer.from(certified);
    if (userName === undefined) return rules.anonymous ? 'right' : 'wrong';
    const canProve = rules.tokenKey !== undefined || port !== undefined || certified !== undefined;
    // A name that nothing here can vouch for is as good as none.
    if (!canProve && rules.anonymous) return 'right';
    if (rules.idIsUserName && clientId.length > 0 && !clientId.equals(userName)) return 'wrong id';
    if (certified !== undefined) {
      return given === undefined || given.equals(userName) ? 'right' : 'wrong';
    }
    // An empty password proves nothing, even where somebody has put its hash into the file.
    if (passwordStart < 0 || passwordStart === passwordEnd) return 'wrong';
    const password = packet.subarray(passwordStart, passwordEnd);
    if (rules.tokenKey !== undefined && isToken(rules.tokenKey, userName, password)) return 'right';
    if (port === undefined) return 'wrong';
    if (this.#questions >= QUESTIONS_MAX) return 'busy';
    this.#questions++;
    port.postMessage({
      conn,
      generation: this.#generation[conn]!,
      userName: userName.toString('utf8'),
      password: Uint8Array.from(password),
    } satisfies PasswordQuestion);
    return 'asked';
  }

  #answered({ conn, generation, isRight }: PasswordAnswer): void {
    // The client left while its password was looked at.
    if (this.#generation[conn] !== generation || this.#stage[conn] !== STAGE.asking) return;
    const all = this.#take(conn);
    if (all === undefined) return;
    this.#stage[conn] = STAGE.waiting;
    this.#reactor.resumeReceive(conn);
    if (isRight) {
      this.#open(conn, all);
      return;
    }
    // It was whole when it was looked at; its bound may have been turned since.
    const length = frameLength(all, 0, all.length, all.length);
    decodeConnect(all, 0, length, this.#fields);
    this.#refuse(conn, this.#fields.level, 'wrong');
  }

  #open(conn: Conn, all: Buffer): void {
    this.#stage[conn] = STAGE.open;
    this.#edge.onData(conn, all, 0, all.length);
  }

  #refuse(conn: Conn, level: number, verdict: Refusal): void {
    this.#options.stats[STAT.loginsRefused]!++;
    const isV5 = level === PROTOCOL_LEVEL_5;
    const old = {
      wrong: CONNACK.notAuthorized,
      'wrong id': CONNACK.clientIdRefused,
      'no id': CONNACK.clientIdRefused,
      busy: CONNACK.unavailable,
    };
    const now = {
      wrong: REASON.notAuthorized,
      'wrong id': REASON.clientIdInvalid,
      'no id': REASON.unspecified,
      busy: REASON.serverBusy,
    };
    const answer = isV5
      ? Buffer.from([PACKET.connack << 4, 3, 0, now[verdict], 0])
      : Buffer.from([PACKET.connack << 4, 2, 0, old[verdict]]);
    this.#reactor.send(conn, answer, 0, answer.length);
    this.#edge.onEnd(conn);
  }

  #hold(conn: Conn, all: Buffer): void {
    if (this.#heldBytes + all.length > HELD_BYTES_MAX) {
      this.#options.stats[STAT.loginsRefused]!++;
      this.#edge.onEnd(conn);
      return;
    }
    this.#heldBytes += all.length;
    this.#held.set(conn, Buffer.from(all));
  }

  #take(conn: Conn): Buffer | undefined {
    const held = this.#held.get(conn);
    if (held === undefined) return undefined;
    this.#held.delete(conn);
    this.#heldBytes -= held.length;
    return held;
  }
}
