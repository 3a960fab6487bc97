// Where edges and homes meet. A call that concerns this worker is a direct call; one that concerns
// another becomes a frame on the link to it. Nothing waits: frames gather during a turn and leave at its
// end with one wake for each worker that got some.
//
// What a link could not take is told by `flush`: the edge then stops reading from clients until the other
// worker has caught up. `canPublish` refuses messages beyond a second, higher bound.

import { assert } from '#core/assert.ts';
import type { Waker } from '#core/socket/reactor.ts';
import { WakeBell } from '#core/socket/waker.ts';
import { copyBytes } from '#core/wire/mqtt/encode.ts';
import type { Edge } from '#reference-server/edge/edge.ts';
import type { Home } from '#reference-server/home/home.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import {
  FRAME_ARGS,
  FRAME_BYTES,
  FRAME_TYPE,
  LinkIn,
  LinkOut,
  payloadAt,
} from '#reference-server/link/link-ring.ts';
import type { SenderReference } from '#reference-server/mailbox/bodies.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import { FRAME, LOGOUT } from '#reference-server/worker/frame-type.ts';
import { GroupExchange } from '#reference-server/worker/group-exchange.ts';

/** Frames of other workers that a turn reads: about 4 ms of messages. */
const FRAMES_PER_TURN = 4096;

export interface ExchangeOptions {
  /** Number of this worker. */
  self: number;
  /** Memory of the links to and from each worker; undefined at this one's own place. */
  outgoing: (SharedArrayBuffer | undefined)[];
  incoming: (SharedArrayBuffer | undefined)[];
  limits: ServerLimits;
  stats: WorkerStats;
}

export class Exchange {
  readonly self: number;
  readonly workers: number;
  /** What homes tell each other of messages to groups. */
  readonly groups: GroupExchange;
  readonly #out: (LinkOut | undefined)[];
  readonly #in: { from: number; link: LinkIn }[];
  readonly #limits: ServerLimits;
  readonly #stats: WorkerStats;
  #bells: WakeBell[] = [];
  /** Knobs link.wake and link.hold: bytes that are worth waking another worker, and how long fewer may wait. */
  wakeBytes = 0;
  holdUs = 0;
  /** When the frames of each link began to wait, us; 0 = none do. */
  readonly #waitingSinceUs: Float64Array;
  #edge!: Edge;
  #home!: Home;
  readonly #sender: SenderReference = { worker: 0, row: 0, generation: 0, packetId: 0 };
  /** The worker whose frames are being read. */
  #from = 0;
  #isDraining = false;
  readonly #read = (words: Int32Array, bytes: Uint8Array, frame: number): void =>
    this.#receive(words, bytes, frame);

  constructor(options: ExchangeOptions) {
    this.self = options.self;
    this.workers = options.outgoing.length;
    this.#waitingSinceUs = new Float64Array(this.workers);
    this.#limits = options.limits;
    this.#stats = options.stats;
    this.#out = options.outgoing.map((memory) => memory && new LinkOut(memory));
    this.#in = options.incoming.flatMap((memory, from) =>
      memory === undefined ? [] : [{ from, link: new LinkIn(memory) }],
    );
    this.groups = new GroupExchange({
      linkTo: (home) => this.#out[home],
      hasRoom: (home) => this.#hasRoom(home),
      begin: (link, type, first, second, bytes) => this.#begin(link, type, first, second, bytes),
      desk: () => this.#home.groups,
    });
  }

  /** Joins the two halves of this worker; before the first call of anything below. */
  join(edge: Edge, home: Home): void {
    this.#edge = edge;
    this.#home = home;
  }

  /** How the others are woken; before the reactor runs. */
  setWakers(wakers: Waker[]): void {
    this.#bells = wakers.map((waker) => new WakeBell(waker));
  }

  /**
   * Reads what the others have sent; returns the number of frames. Also called before a packet of the
   * general lane is handled, so that what another worker did before the client sent it is known here.
   */
  drain(): number {
    if (this.#isDraining) return 0;
    this.#isDraining = true;
    let count = 0;
    for (const { from, link } of this.#in) {
      this.#from = from;
      count += link.drain(this.#read);
    }
    this.#isDraining = false;
    return count;
  }

  /** Reads a turn's share of it; true when there may be more, which the next turn is to read at once. */
  drainSome(): boolean {
    if (this.#isDraining) return false;
    this.#isDraining = true;
    const share = Math.ceil(FRAMES_PER_TURN / Math.max(1, this.#in.length));
    let hasMore = false;
    for (const { from, link } of this.#in) {
      this.#from = from;
      if (link.drain(this.#read, share) === share) hasMore = true;
    }
    this.#isDraining = false;
    return hasMore;
  }

  /**
   * Sends what was gathered, and is enough or has waited long enough; returns the bytes that are still here, of the
   * link that is most behind.
   */
  flush(nowUs: number): number {
    let behindBytes = 0;
    for (let worker = 0; worker < this.workers; worker++) {
      const link = this.#out[worker];
      if (link === undefined || link.backlogBytes === 0) continue;
      if (this.#mayWait(worker, link.backlogBytes, nowUs)) {
        behindBytes = Math.max(behindBytes, link.backlogBytes);
        continue;
      }
      this.#waitingSinceUs[worker] = 0;
      if (link.flush()) this.#bells[worker]!.ring();
      behindBytes = Math.max(behindBytes, link.backlogBytes);
    }
    return behindBytes;
  }

  /** Whether so many bytes are not worth a wake-up yet. */
  #mayWait(worker: number, bytes: number, nowUs: number): boolean {
    if (bytes >= this.wakeBytes) return false;
    const since = this.#waitingSinceUs;
    if (since[worker] === 0) since[worker] = nowUs;
    return nowUs - since[worker]! < this.holdUs;
  }

  /** Whether a message for `worker` is taken at all. */
  canPublish(worker: number): boolean {
    const link = this.#out[worker];
    return link === undefined || link.backlogBytes < this.#limits.linkBacklogBytesMax;
  }

  // From an edge to a home.

  login(
    home: number,
    conn: number,
    connGeneration: number,
    wishes: number,
    uid: Uint8Array,
    uidStart: number,
    uidEnd: number,
    packet: Uint8Array,
    start: number,
    end: number,
  ): void {
    const link = this.#out[home];
    if (link === undefined) {
      const home = this.#home;
      home.login(
        this.self,
        conn,
        connGeneration,
        wishes,
        uid,
        uidStart,
        uidEnd,
        packet,
        start,
        end,
      );
      return;
    }
    const uidBytes = uidEnd - uidStart;
    const frame = this.#begin(link, FRAME.login, conn, connGeneration, uidBytes + end - start);
    const at = copyBytes(link.bytes, payloadAt(frame), uid, uidStart, uidEnd);
    copyBytes(link.bytes, at, packet, start, end);
    link.words[frame + FRAME_ARGS + 2] = wishes;
    link.words[frame + FRAME_ARGS + 3] = uidBytes;
  }

  logout(
    home: number,
    row: number,
    generation: number,
    conn: number,
    connGeneration: number,
    flags: number,
    expiryS: number,
  ): void {
    const link = this.#out[home];
    if (link === undefined) {
      this.#home.logout(row, generation, this.self, conn, connGeneration, flags, expiryS);
      return;
    }
    const args = this.#begin(link, FRAME.logout, row, generation, 0) + FRAME_ARGS;
    link.words[args + 2] = conn;
    link.words[args + 3] = connGeneration;
    // -1 and 0xFFFFFFFF share their bits: the flag tells them apart.
    link.words[args + 4] = flags | (expiryS >= 0 ? LOGOUT.hasExpiry : 0);
    link.words[args + 5] = expiryS;
  }

  /** A packet that the edge has found sound. */
  packet(
    home: number,
    row: number,
    generation: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const link = this.#out[home];
    if (link === undefined) this.#home.packet(row, generation, bytes, start, end);
    else this.#write(link, FRAME.packet, row, generation, bytes, start, end);
  }

  publish(
    home: number,
    conn: number,
    connGeneration: number,
    sender: Readonly<SenderReference>,
    qos: number,
    hash: number,
    bytes: Uint8Array,
    uidStart: number,
    uidEnd: number,
    payloadStart: number,
    payloadEnd: number,
  ): void {
    const link = this.#out[home];
    if (link === undefined) {
      this.#home.publish(
        this.self,
        conn,
        connGeneration,
        sender,
        qos,
        hash,
        bytes,
        uidStart,
        uidEnd,
        payloadStart,
        payloadEnd,
      );
      return;
    }
    const uidBytes = uidEnd - uidStart;
    const length = uidBytes + payloadEnd - payloadStart;
    const frame = this.#begin(link, FRAME.publish, conn, connGeneration, length);
    const args = frame + FRAME_ARGS;
    link.words[args + 2] = sender.row;
    link.words[args + 3] = sender.generation;
    link.words[args + 4] = sender.worker;
    link.words[args + 5] = sender.packetId | (qos << 16) | (uidBytes << 20);
    link.words[args + 6] = hash;
    const at = copyBytes(link.bytes, payloadAt(frame), bytes, uidStart, uidEnd);
    copyBytes(link.bytes, at, bytes, payloadStart, payloadEnd);
  }

  acknowledge(
    home: number,
    row: number,
    generation: number,
    packetId: number,
    reason: number,
  ): void {
    const link = this.#out[home];
    if (link === undefined) {
      this.#home.acknowledge(row, generation, packetId, reason);
      return;
    }
    const frame = this.#begin(link, FRAME.acknowledge, row, generation, 0);
    link.words[frame + FRAME_ARGS + 2] = packetId;
    link.words[frame + FRAME_ARGS + 3] = reason;
  }

  written(home: number, row: number, generation: number, count: number): void {
    const link = this.#out[home];
    if (link === undefined) {
      this.#home.written(row, generation, count);
      return;
    }
    const frame = this.#begin(link, FRAME.written, row, generation, 0);
    link.words[frame + FRAME_ARGS + 2] = count;
  }

  // From a home to a home.

  receipt(
    home: number,
    row: number,
    generation: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const link = this.#out[home];
    if (link === undefined) this.#home.receipt(row, generation, bytes, start, end);
    else this.#write(link, FRAME.receipt, row, generation, bytes, start, end);
  }

  /** A message of the general lane, as a PUBLISH of MQTT 5, for the sessions of another worker. */
  route(
    home: number,
    version: number,
    sourceBytes: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const link = this.#out[home];
    assert(link !== undefined, 'a message is routed to other workers only');
    if (!this.#hasRoom(home)) return;
    const high = Math.floor(version / 0x1_0000_0000);
    const frame = this.#write(link, FRAME.route, version | 0, high, bytes, start, end);
    link.words[frame + FRAME_ARGS + 2] = sourceBytes;
  }

  /** Somebody wants to know how things are with a uid. */
  presence(home: number, bytes: Uint8Array, start: number, end: number): void {
    const link = this.#out[home];
    if (link === undefined) this.#home.presence.tell(bytes, start, end);
    else this.#write(link, FRAME.presence, 0, 0, bytes, start, end);
  }

  /** What members a shared subscription has here. */
  share(
    home: number,
    online: number,
    all: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const link = this.#out[home];
    assert(link !== undefined, 'members are told to other workers only');
    this.#write(link, FRAME.share, online, all, bytes, start, end);
  }

  /** A message for one of a group's members of another worker: `keyBytes` of filter, then the PUBLISH. */
  routeShared(home: number, keyBytes: number, bytes: Uint8Array, start: number, end: number): void {
    const link = this.#out[home];
    assert(link !== undefined, 'a message is routed to other workers only');
    if (!this.#hasRoom(home)) return;
    this.#write(link, FRAME.routeShared, keyBytes, 0, bytes, start, end);
  }

  // From a home to an edge.

  loginAnswer(
    worker: number,
    conn: number,
    connGeneration: number,
    row: number,
    generation: number,
    returnCode: number,
    isPresent: boolean,
  ): void {
    const link = this.#out[worker];
    if (link === undefined) {
      const { self } = this;
      this.#edge.loginAnswer(self, conn, connGeneration, row, generation, returnCode, isPresent);
      return;
    }
    const frame = this.#begin(link, FRAME.loginAnswer, conn, connGeneration, 0);
    link.words[frame + FRAME_ARGS + 2] = row;
    link.words[frame + FRAME_ARGS + 3] = generation;
    link.words[frame + FRAME_ARGS + 4] = returnCode | (isPresent ? 0x100 : 0);
  }

  kick(worker: number, conn: number, connGeneration: number, cause: number): void {
    const link = this.#out[worker];
    if (link === undefined) {
      this.#edge.kick(conn, connGeneration, cause);
      return;
    }
    const frame = this.#begin(link, FRAME.kick, conn, connGeneration, 0);
    link.words[frame + FRAME_ARGS + 2] = cause;
  }

  output(
    worker: number,
    conn: number,
    connGeneration: number,
    kind: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const link = this.#out[worker];
    if (link === undefined) {
      this.#edge.output(conn, connGeneration, kind, bytes, start, end);
      return;
    }
    const frame = this.#write(link, FRAME.output, conn, connGeneration, bytes, start, end);
    link.words[frame + FRAME_ARGS + 2] = kind;
  }

  withhold(worker: number, conn: number, connGeneration: number, packetId: number): void {
    const link = this.#out[worker];
    if (link === undefined) {
      this.#edge.withhold(conn, connGeneration, packetId);
      return;
    }
    const frame = this.#begin(link, FRAME.withhold, conn, connGeneration, 0);
    link.words[frame + FRAME_ARGS + 2] = packetId;
  }

  /** False, and counted, when a worker is so far behind that it gets no more messages. */
  #hasRoom(worker: number): boolean {
    if (this.canPublish(worker)) return true;
    this.#stats[STAT.linkRefused]!++;
    return false;
  }

  /** A frame whose payload is [start, end) of `bytes`; returns its first word. */
  #write(
    link: LinkOut,
    type: number,
    first: number,
    second: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    const frame = this.#begin(link, type, first, second, end - start);
    copyBytes(link.bytes, payloadAt(frame), bytes, start, end);
    return frame;
  }

  #begin(link: LinkOut, type: number, first: number, second: number, payloadBytes: number): number {
    const frame = link.begin(type, payloadBytes);
    link.words[frame + FRAME_ARGS] = first;
    link.words[frame + FRAME_ARGS + 1] = second;
    this.#stats[STAT.linkFrames]!++;
    return frame;
  }

  #receive(words: Int32Array, bytes: Uint8Array, frame: number): void {
    const type = words[frame + FRAME_TYPE]!;
    const args = frame + FRAME_ARGS;
    const first = words[args]!;
    const generation = words[args + 1]! >>> 0;
    const third = words[args + 2]!;
    const start = payloadAt(frame);
    const end = start + words[frame + FRAME_BYTES]!;
    const home = this.#home;
    const edge = this.#edge;
    switch (type) {
      case FRAME.publish:
        this.#receivePublish(words, bytes, args, start, end);
        break;
      case FRAME.output:
        edge.output(first, generation, third, bytes, start, end);
        break;
      case FRAME.acknowledge:
        home.acknowledge(first, generation, third, words[args + 3]!);
        break;
      case FRAME.receipt:
        home.receipt(first, generation, bytes, start, end);
        break;
      case FRAME.written:
        home.written(first, generation, third);
        break;
      case FRAME.packet:
        home.packet(first, generation, bytes, start, end);
        break;
      case FRAME.kick:
        edge.kick(first, generation, third);
        break;
      case FRAME.withhold:
        edge.withhold(first, generation, third);
        break;
      case FRAME.route:
        home.broker.routed(version(first, generation), third, bytes, start, end);
        break;
      case FRAME.presence:
        home.presence.tell(bytes, start, end);
        break;
      case FRAME.share:
        home.broker.shared(this.#from, first, generation, bytes, start, end);
        break;
      case FRAME.routeShared:
        home.broker.routedShared(bytes, start, start + first, end);
        break;
      case FRAME.groupMessage:
      case FRAME.groupStored:
      case FRAME.groupAccepted:
      case FRAME.groupParked:
        this.groups.receive(this.#from, type, words, bytes, args, start, end);
        break;
      default:
        this.#receiveSession(type, words, bytes, args, start, end);
    }
  }

  /** Frames of logins and their ends. */
  #receiveSession(
    type: number,
    words: Int32Array,
    bytes: Uint8Array,
    args: number,
    start: number,
    end: number,
  ): void {
    const from = this.#from;
    const first = words[args]!;
    const generation = words[args + 1]! >>> 0;
    const third = words[args + 2]!;
    if (type === FRAME.login) {
      const uidEnd = start + words[args + 3]!;
      const home = this.#home;
      home.login(from, first, generation, third, bytes, start, uidEnd, bytes, uidEnd, end);
      return;
    }
    if (type === FRAME.logout) {
      const flags = words[args + 4]!;
      const expiryS = (flags & LOGOUT.hasExpiry) === 0 ? -1 : words[args + 5]! >>> 0;
      const connGeneration = words[args + 3]! >>> 0;
      this.#home.logout(first, generation, from, third, connGeneration, flags, expiryS);
      return;
    }
    const code = words[args + 4]!;
    const rowGeneration = words[args + 3]! >>> 0;
    this.#edge.loginAnswer(
      from,
      first,
      generation,
      third,
      rowGeneration,
      code & 0xff,
      (code & 0x100) !== 0,
    );
  }

  #receivePublish(
    words: Int32Array,
    bytes: Uint8Array,
    args: number,
    start: number,
    end: number,
  ): void {
    const packed = words[args + 5]!;
    const sender = this.#sender;
    sender.row = words[args + 2]!;
    sender.generation = words[args + 3]! >>> 0;
    sender.worker = words[args + 4]!;
    sender.packetId = packed & 0xffff;
    const qos = (packed >>> 16) & 15;
    const uidEnd = start + (packed >>> 20);
    const hash = words[args + 6]! >>> 0;
    this.#home.publish(
      this.#from,
      words[args]!,
      words[args + 1]! >>> 0,
      sender,
      qos,
      hash,
      bytes,
      start,
      uidEnd,
      uidEnd,
      end,
    );
  }
}

/** The version of a retained message, in two words. */
function version(low: number, high: number): number {
  return high * 0x1_0000_0000 + (low >>> 0);
}
