// One login before the crowd: says in one sentence what is wrong with a target that cannot be used,
// when nothing has been started yet. An ordinary socket of the main thread, bounded time; like
// every other user it leaves no TIME_WAIT behind (see population.ts).

import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { Conn, ReactorHandler } from '#core/socket/reactor.ts';
import { encodeConnect, encodeDisconnect, encodePublish } from '#core/wire/mqtt/encode.ts';
import { encodeConnect5 } from '#core/wire/mqtt/encode-5.ts';
import { bodyStart, frameLength } from '#core/wire/mqtt/frame.ts';
import { CONNACK, PACKET, PROTOCOL_LEVEL_5, REASON } from '#core/wire/mqtt/packet.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';
import { type ClientReactor, linkLayers } from '#loadgen/transport/client-reactor.ts';
import { SingleSocket } from '#loadgen/transport/single-socket.ts';
import { WebSocketLayer } from '#loadgen/transport/web-socket-layer.ts';
import { createLayers, type WirePlan } from '#loadgen/wire-plan.ts';

/** A server that has not answered by then will not answer a crowd. */
const ANSWER_TIMEOUT_MS = 5000;
/**
 * The standard wants the server to close after DISCONNECT; one that has not by then leaves it to
 * us.
 */
const GOODBYE_TIMEOUT_MS = 500;
/** CONNACK is four bytes, with the properties of MQTT 5 some more. */
const ANSWER_BYTES_MAX = 4096;

/** Why a server says no (MQTT 3.1.1, table 3.1). */
const REFUSALS: Record<number, string> = {
  [CONNACK.protocolRefused]: 'it does not speak this version of MQTT',
  [CONNACK.clientIdRefused]: 'it does not take this client id',
  [CONNACK.unavailable]: 'it is not available',
  [CONNACK.badLogin]: 'it wants a user name and password',
  [CONNACK.notAuthorized]: 'the user is not authorized',
  [REASON.unsupportedVersion]: 'it does not speak this version of MQTT',
  [REASON.clientIdInvalid]: 'it does not take this client id',
  [REASON.badLogin]: 'it wants a user name and password',
  [REASON.notAuthorized]: 'the user is not authorized',
  [REASON.serverUnavailable]: 'it is not available',
  [REASON.serverBusy]: 'it is busy',
  [REASON.banned]: 'it has banned this host',
  [REASON.connectionRateExceeded]: 'it takes no more connections a second',
};

/** Words for a CONNACK code, or for the 0x80 of a refused subscription. */
export function refusalText(code: number): string {
  return REFUSALS[code] ?? (code === 0x80 ? 'it refused the subscription' : `code ${code}`);
}

export interface ProbePlan {
  target: ResolvedTarget;
  /** Which of the target's ports. */
  port: number;
  wire: WirePlan;
  clientId: string;
  /** Source address; undefined = the kernel chooses. */
  from: string | undefined;
  payloadBytes: number;
}

/**
 * Logs in and out once; of a target that only echoes it wants one message back. Throws
 * WSAR_ERR_UNREACHABLE with what went wrong, WSAR_ERR_USAGE when `from` is not of this host.
 */
export async function probeLogin(plan: ProbePlan, clock: Clock): Promise<void> {
  const { target, port, wire, from, payloadBytes } = plan;
  const { address } = target;
  const socket = new SingleSocket({ address, port, from, tls: wire.tls });
  const layers = createLayers(wire, 1, payloadBytes, payloadBytes + PUBLISH_HEAD_BYTES);
  try {
    const flaw = await new Promise<string | undefined>((resolve) => {
      const probe = (reactor: ClientReactor): Probe => new Probe(plan, reactor, clock, resolve);
      socket.handledBy(linkLayers(layers, probe, socket));
      socket.connect();
    });
    if (flaw === undefined) return;
    if (socket.failure?.code === 'EADDRNOTAVAIL' && from !== undefined) throw foreignSource(from);
    const upgrade = layers.find((layer) => layer instanceof WebSocketLayer)?.flaw ?? '';
    const reason = upgrade === '' ? failureText(socket.failure) : upgrade;
    const where = target.ports.length > 1 ? `${target.text} (port ${port})` : target.text;
    throw unusable(`${where} ${flaw === UNTOLD ? reason : flaw}`);
  } finally {
    socket.abort();
  }
}

/** What went wrong is known by the socket or the layers. */
const UNTOLD = '';
/** More than all of a PUBLISH but its payload. */
const PUBLISH_HEAD_BYTES = 64;

class Probe implements ReactorHandler {
  readonly #plan: ProbePlan;
  readonly #reactor: ClientReactor;
  readonly #clock: Clock;
  readonly #resolve: (flaw: string | undefined) => void;
  #answer = Buffer.alloc(0);
  #isIn = false;
  #hasConnected = false;
  #cancel: () => void;

  constructor(
    plan: ProbePlan,
    reactor: ClientReactor,
    clock: Clock,
    resolve: (flaw: string | undefined) => void,
  ) {
    this.#plan = plan;
    this.#reactor = reactor;
    this.#clock = clock;
    this.#resolve = resolve;
    this.#cancel = clock.after(ANSWER_TIMEOUT_MS, () => {
      const asked = plan.wire.echo === undefined ? 'did not answer a login' : 'sent nothing back';
      const did = this.#hasConnected
        ? `accepts connections but ${asked}`
        : 'did not answer a connection';
      this.#finish(`${did} within ${ANSWER_TIMEOUT_MS / 1000} s`);
    });
  }

  onConnect(conn: Conn, errno: number): void {
    if (errno !== 0) {
      this.#finish(UNTOLD);
      return;
    }
    this.#hasConnected = true;
    const { clientId, wire } = this.#plan;
    const bytes = new Uint8Array(64);
    const encode = wire.level === PROTOCOL_LEVEL_5 ? encodeConnect5 : encodeConnect;
    const end = encode(bytes, 0, { clientId, keepAliveS: 60, cleanSession: true });
    this.#reactor.send(conn, bytes, 0, end);
  }

  onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#isIn) {
      if (this.#plan.wire.echo !== undefined) this.#sayGoodbye(conn);
      return;
    }
    this.#answer = Buffer.concat([this.#answer, bytes.subarray(start, end)]);
    const length = frameLength(this.#answer, 0, this.#answer.length, ANSWER_BYTES_MAX);
    if (length === 0) return;
    const code = length < 0 ? undefined : this.#answer[bodyStart(this.#answer, 0) + 1];
    if (length < 4 || this.#answer[0]! >>> 4 !== PACKET.connack) {
      this.#finish('is no MQTT server: its answer to a login is no CONNACK');
    } else if (code !== CONNACK.accepted) {
      this.#finish(`refused the login: ${refusalText(code!)}`);
    } else {
      this.#isIn = true;
      if (this.#plan.wire.echo === undefined) this.#sayGoodbye(conn);
      else this.#sendMessage(conn);
    }
  }

  onEnd(): void {
    const asked =
      this.#plan.wire.echo === undefined ? 'answering a login' : 'sending a message back';
    const hasDone = this.#isIn && this.#plan.wire.echo === undefined;
    this.#finish(hasDone ? undefined : `closed the connection instead of ${asked}`);
  }

  onClose(): void {
    const hasDone = this.#isIn && this.#plan.wire.echo === undefined;
    this.#finish(hasDone ? undefined : UNTOLD);
  }

  onAccept(): void {}
  onDrain(): void {}
  onDeadline(): void {}
  onWake(): void {}

  onTurn(): number {
    return Number.POSITIVE_INFINITY;
  }

  #sendMessage(conn: Conn): void {
    const payload = new Uint8Array(this.#plan.payloadBytes);
    const topic = new TextEncoder().encode('m/00000000');
    const bytes = new Uint8Array(payload.length + PUBLISH_HEAD_BYTES);
    const [size, id] = [topic.length, 1];
    const end = encodePublish(
      bytes,
      0,
      topic,
      size,
      1,
      id,
      false,
      false,
      payload,
      0,
      payload.length,
    );
    this.#reactor.send(conn, bytes, 0, end);
  }

  #sayGoodbye(conn: Conn): void {
    const goodbye = new Uint8Array(2);
    encodeDisconnect(goodbye, 0);
    this.#reactor.send(conn, goodbye, 0, 2);
    this.#cancel();
    this.#cancel = this.#clock.after(GOODBYE_TIMEOUT_MS, () => this.#resolve(undefined));
    if (this.#plan.wire.echo !== undefined) this.#finish(undefined);
  }

  #finish(flaw: string | undefined): void {
    this.#cancel();
    this.#resolve(flaw);
  }
}

/** Words for what a socket or its TLS reported. */
function failureText(failure: NodeJS.ErrnoException | undefined): string {
  if (failure === undefined) return 'broke the connection off';
  const { code, message } = failure;
  if (code === undefined || !/^ERR_|CERT|SIGNED|ISSUER/.test(code)) {
    return `cannot be reached: ${code ?? message}`;
  }
  const isOfCertificate = /CERT|SIGNED|ISSUER|ALTNAME/.test(code);
  return isOfCertificate
    ? `has a certificate that is not trusted: ${message.split(/[\n;]/)[0]} (${code})`
    : `speaks no TLS that we know: ${code}`;
}

/** What to do about each flaw that is not the usual one. */
const REMEDIES: [RegExp, string][] = [
  [
    /refused the login: (it wants a user|the user is not)/,
    'users of a load have no name and password; let the server take such logins on this port',
  ],
  [/does not speak this version/, 'take the other one: --mqtt 3.1.1 or --mqtt 5'],
  [/refused the login/, "look at the server's log for its reason"],
  [/certificate that is not trusted/, '--cafile FILE names its authority, --insecure takes any'],
  [/refused the upgrade/, 'does that path speak WebSocket? ws://HOST:PORT/PATH names another one'],
];

function unusable(what: string): WsarError {
  const remedy = REMEDIES.find(([flaw]) => flaw.test(what))?.[1];
  const usual = 'is the server running, and on that port?';
  return new WsarError('WSAR_ERR_UNREACHABLE', what, remedy ?? usual);
}

function foreignSource(from: string): WsarError {
  return new WsarError(
    'WSAR_ERR_USAGE',
    `connections shall come from ${from}, which is no address of this host`,
    'take a block that is, for example --sources 127.1.0.0/16 for a target on loopback',
  );
}
