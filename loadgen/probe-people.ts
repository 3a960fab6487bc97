// What a target makes of the topics of people, found by one user before the crowd: he subscribes to a group and
// to his own presence beside mailbox and receipts, and writes one message to himself. A server that knows
// people tells his presence at once and makes a receipt; a plain broker takes the topics and does neither.
//
// Nothing is an error here: what is not told TOLD_MS after a second message came back, which was sent behind the
// acknowledgement of the first, is not told, however slow the server is. The login itself has been tried before
// (probe-login.ts). Takes TOLD_MS and two round trips at a plain broker, less at one that tells.

import type { Clock } from '#core/clock/clock.ts';
import type { Conn, ReactorHandler } from '#core/socket/reactor.ts';
import { decodeSuback, SubackFields } from '#core/wire/mqtt/decode-acknowledge.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { encodePuback } from '#core/wire/mqtt/encode.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import { PACKET, SUBACK_FAILURE } from '#core/wire/mqtt/packet.ts';
import type { TargetManners } from '#loadgen/people.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';
import { type ClientReactor, linkLayers } from '#loadgen/transport/client-reactor.ts';
import { SingleSocket } from '#loadgen/transport/single-socket.ts';
import { PAYLOAD_BYTES_MIN, UserPackets } from '#loadgen/user-packets.ts';
import { createLayers, type WirePlan } from '#loadgen/wire-plan.ts';

/** From the return of the second message on: what its server tells of the first is on its way by then. */
const TOLD_MS = 300;
/** A target that does not even answer the subscription is found out by the crowd. */
const ANSWER_TIMEOUT_MS = 5000;
const ANSWER_BYTES_MAX = 65_536;
const PACKET_BYTES = 512;
/** Filters of the login, in this order. */
const FILTER = { mailbox: 0, receipts: 1, group: 2, presence: 3 } as const;
const LETTER = { m: 0x6d, p: 0x70, r: 0x72 } as const;

export interface PeopleProbePlan {
  target: ResolvedTarget;
  wire: WirePlan;
  /** Number of the user who asks, and of a group that nobody is in. */
  user: number;
  group: number;
  /** Source address; undefined = the kernel chooses. */
  from: string | undefined;
}

export async function probePeople(plan: PeopleProbePlan, clock: Clock): Promise<TargetManners> {
  const { target, wire, from } = plan;
  const { address, port } = target;
  const socket = new SingleSocket({ address, port, from, tls: wire.tls });
  const layers = createLayers(wire, 1, PAYLOAD_BYTES_MIN, PACKET_BYTES);
  try {
    return await new Promise<TargetManners>((resolve) => {
      const probe = (reactor: ClientReactor): PeopleProbe =>
        new PeopleProbe(plan, reactor, clock, resolve);
      socket.handledBy(linkLayers(layers, probe, socket));
      socket.connect();
    });
  } finally {
    socket.abort();
  }
}

class PeopleProbe implements ReactorHandler {
  readonly #plan: PeopleProbePlan;
  readonly #reactor: ClientReactor;
  readonly #clock: Clock;
  readonly #resolve: (manners: TargetManners) => void;
  readonly #packets: UserPackets;
  readonly #manners: TargetManners = {
    ...{ takesGroups: false, takesPresence: false, tellsPresence: false, makesReceipts: false },
  };
  /** Own messages that came back. */
  #messages = 0;
  #answer = Buffer.alloc(0);
  #cancel: () => void;

  constructor(
    plan: PeopleProbePlan,
    reactor: ClientReactor,
    clock: Clock,
    resolve: (manners: TargetManners) => void,
  ) {
    this.#plan = plan;
    this.#reactor = reactor;
    this.#clock = clock;
    this.#resolve = resolve;
    this.#cancel = clock.after(ANSWER_TIMEOUT_MS, () => this.#finish());
    const { level } = plan.wire;
    this.#packets = new UserPackets(
      {
        ...{ level, keepAliveS: 60, isCleanSession: true, receipts: true, contacts: 1 },
        ...{ payloadBytes: PAYLOAD_BYTES_MIN, run: 0, uidOffset: 0 },
      },
      { groupOf: () => plan.group, contactOf: (user) => user },
    );
  }

  onConnect(conn: Conn, errno: number): void {
    if (errno !== 0) {
      this.#finish();
      return;
    }
    this.#packets.writeLogin(this.#plan.user);
    const { login } = this.#packets;
    this.#reactor.send(conn, login, 0, login.length);
  }

  onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    this.#answer = Buffer.concat([this.#answer, bytes.subarray(start, end)]);
    for (;;) {
      const { length: have } = this.#answer;
      const length = frameLength(this.#answer, 0, have, ANSWER_BYTES_MAX);
      if (length < 0) this.#finish();
      if (length <= 0) return;
      this.#packet(conn, this.#answer, length);
      this.#answer = this.#answer.subarray(length);
    }
  }

  onEnd(): void {
    this.#finish();
  }

  onClose(): void {
    this.#finish();
  }

  onAccept(): void {}
  onDrain(): void {}
  onDeadline(): void {}
  onWake(): void {}

  onTurn(): number {
    return Number.POSITIVE_INFINITY;
  }

  #packet(conn: Conn, bytes: Uint8Array, end: number): void {
    const kind = bytes[0]! >>> 4;
    if (kind === PACKET.suback) this.#subscribed(conn, bytes, end);
    else if (kind === PACKET.publish) this.#told(conn, bytes, end);
  }

  #subscribed(conn: Conn, bytes: Uint8Array, end: number): void {
    const fields = new SubackFields();
    if (decodeSuback(bytes, 0, end, fields, this.#plan.wire.level) !== 0) {
      this.#finish();
      return;
    }
    const isTaken = (filter: number): boolean =>
      bytes[fields.codesStart + filter]! < SUBACK_FAILURE;
    this.#manners.takesGroups = isTaken(FILTER.group);
    this.#manners.takesPresence = isTaken(FILTER.presence);
    this.#write(conn, 1);
  }

  /** A message to himself. */
  #write(conn: Conn, packetId: number): void {
    const nowUs = this.#clock.monoUs();
    const { user } = this.#plan;
    this.#packets.writePublish(user, user, packetId, 0, nowUs, nowUs);
    const { publish } = this.#packets;
    this.#reactor.send(conn, publish, 0, publish.length);
  }

  #told(conn: Conn, bytes: Uint8Array, end: number): void {
    const fields = new PublishFields();
    if (decodePublish(bytes, 0, end, fields, this.#plan.wire.level) !== 0) return;
    const letter = bytes[fields.topicStart];
    if (fields.qos === 1) {
      const puback = new Uint8Array(4);
      encodePuback(puback, 0, fields.packetId);
      this.#reactor.send(conn, puback, 0, puback.length);
    }
    if (letter === LETTER.m && ++this.#messages === 1) this.#write(conn, 2);
    else if (letter === LETTER.m) {
      this.#cancel();
      this.#cancel = this.#clock.after(TOLD_MS, () => this.#finish());
    }
    if (letter === LETTER.p) this.#manners.tellsPresence = true;
    if (letter === LETTER.r) this.#manners.makesReceipts = true;
    if (this.#manners.tellsPresence && this.#manners.makesReceipts) this.#finish();
  }

  #finish(): void {
    this.#cancel();
    this.#resolve({ ...this.#manners });
  }
}
