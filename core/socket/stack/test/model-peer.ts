// The other side of simulated tests: a plain TCP server in objects, written from RFC 9293 and not from the
// stack. It keeps what comes out of order, sends again after 300 ms of silence, and echoes or only reads. It has the
// options that a test lets it offer; reports of the stack that cannot be true are an error.
// Time is virtual. Offsets count bytes from the start of the connection, so nothing here wraps.

import {
  PACKET_BYTES_MAX,
  payloadStart,
  readPacket,
  SEGMENT_BYTES_MAX,
  Segment,
  TCP_FLAG,
  writePacket,
} from '#core/socket/stack/packet.ts';
import { SACK_BLOCKS_MAX, TcpOptions } from '#core/socket/stack/tcp-options.ts';

/** What a peer offers in its SYN. */
export interface ModelOffer {
  sack: boolean;
  /** -1 = no window scaling. */
  windowShift: number;
  timestamps: boolean;
}

const RETRY_MS = 300;
const SEGMENT_BYTES = 1000;
const { fin: FIN, syn: SYN, rst: RST, ack: ACK } = TCP_FLAG;

export class ModelConnection {
  readonly address: number;
  readonly port: number;
  readonly theirFirst: number;
  readonly first: number;
  isEstablished = false;
  wasReset = false;
  /** In order so far, and what came too early by its offset. */
  received = Buffer.alloc(0);
  readonly early = new Map<number, Buffer>();
  theirFinAt = -1;
  /** Everything ever to be sent; bytes of it that are acknowledged and sent. */
  output = Buffer.alloc(0);
  acknowledged = 0;
  sent = 0;
  endsOutput = false;
  isFinSent = false;
  isFinAcked = false;
  theirWindow = 0;
  lastSendMs = 0;
  /** Agreed in the handshake. */
  hasSack = false;
  hasTimestamps = false;
  ourShift = 0;
  theirShift = 0;
  theirTimestamp = 0;
  /** Offset of what came last behind a gap. */
  latest = -1;
  /** Offsets that the next acknowledgement says came twice (RFC 2883). */
  twice: [number, number] | undefined;

  constructor(segment: Segment, first: number) {
    this.address = segment.sourceAddress;
    this.port = segment.sourcePort;
    this.theirFirst = segment.sequence;
    this.first = first;
  }

  get hasTheirFin(): boolean {
    return this.theirFinAt === this.received.length;
  }

  get isOver(): boolean {
    return this.wasReset || (this.hasTheirFin && this.isFinAcked);
  }
}

export class ModelPeer {
  readonly connections = new Map<string, ModelConnection>();
  echoes = true;
  refuses = false;
  /** Connects itself while it is connected to: both SYNs cross. */
  crosses = false;
  /** Closes its side when theirs is closed. */
  endsAfter = true;
  windowBytes = 65_535;
  resetsReceived = 0;
  offer: ModelOffer = { sack: false, windowShift: -1, timestamps: false };
  /** Blocks that the stack reported beyond a gap, and as having come twice. */
  reports = 0;
  duplicateReports = 0;
  /** Largest distance between what is acknowledged and what is sent. */
  inFlightMax = 0;
  /** Added to the clock of its timestamps, ms. */
  timestampShift = 0;
  nowMs = 0;
  readonly #send: (packet: Uint8Array) => void;
  readonly #address: number;
  readonly #port: number;
  #first = 0xffffff00;

  constructor(address: number, port: number, send: (packet: Uint8Array) => void) {
    this.#address = address;
    this.#port = port;
    this.#send = send;
  }

  take(packet: Uint8Array): void {
    const segment = new Segment();
    if (readPacket(packet, packet.length, segment) !== 0) throw new Error('a malformed packet');
    const key = `${segment.sourceAddress}:${segment.sourcePort}`;
    let one = this.connections.get(key);
    if ((segment.flags & RST) !== 0) {
      this.resetsReceived++;
      if (one !== undefined && segment.sequence === this.#expected(one)) one.wasReset = true;
    } else if ((segment.flags & SYN) !== 0 && this.refuses) {
      this.#refuse(segment);
    } else if ((segment.flags & (SYN | ACK)) === (SYN | ACK) && one !== undefined) {
      this.#acknowledge(one, segment);
      this.acknowledge(one);
    } else if ((segment.flags & SYN) !== 0) {
      if (one === undefined || one.isOver) {
        this.#first = (this.#first + 4_000_037) >>> 0;
        one = new ModelConnection(segment, this.#first);
        this.connections.set(key, one);
      }
      one.theirWindow = segment.window;
      this.#agree(one, segment);
      if (this.crosses) this.#segment(one, one.first, SYN, Buffer.alloc(0), 0);
      this.#segment(one, one.first, SYN | ACK, Buffer.alloc(0));
    } else if (one === undefined || one.wasReset) {
      this.#refuse(segment);
    } else {
      if (one.hasTimestamps) {
        if (!segment.options.hasTimestamp) throw new Error('a segment without its timestamp');
        one.theirTimestamp = segment.options.timestamp;
      }
      this.#readReports(one, segment);
      this.#acknowledge(one, segment);
      const data = Buffer.from(packet.subarray(segment.dataStart, segment.dataEnd));
      if (data.length > 0 || (segment.flags & FIN) !== 0) this.#data(one, segment, data);
      // Nothing new, one back: a question whether we live.
      else if (((segment.sequence - this.#expected(one)) | 0) === -1) this.acknowledge(one);
      this.#flush(one);
    }
  }

  /** Lets time pass: sends again what nobody has answered. */
  tick(nowMs: number): void {
    this.nowMs = nowMs;
    for (const one of this.connections.values()) {
      const owes = one.acknowledged < one.output.length || (one.endsOutput && !one.isFinAcked);
      const isSilent = nowMs - one.lastSendMs >= RETRY_MS;
      if (one.wasReset || !isSilent) continue;
      if (!one.isEstablished) this.#segment(one, one.first, SYN | ACK, Buffer.alloc(0));
      else if (owes) {
        one.sent = one.acknowledged;
        one.isFinSent = false;
        this.#flush(one);
        if (one.theirWindow === 0) this.#piece(one, 1);
      }
    }
  }

  write(one: ModelConnection, bytes: Buffer): void {
    one.output = Buffer.concat([one.output, bytes]);
    this.#flush(one);
  }

  end(one: ModelConnection): void {
    one.endsOutput = true;
    this.#flush(one);
  }

  reset(one: ModelConnection): void {
    one.wasReset = true;
    this.#segment(one, this.#next(one), RST | ACK, Buffer.alloc(0));
  }

  /** A bare acknowledgement with the present window. */
  acknowledge(one: ModelConnection): void {
    this.#segment(one, this.#next(one), ACK, Buffer.alloc(0));
  }

  /** Any segment at all. */
  forge(
    one: ModelConnection,
    sequence: number,
    flags: number,
    acknowledged: number,
    bytes = Buffer.alloc(0),
  ): void {
    this.#segment(one, sequence, flags, bytes, acknowledged);
  }

  #agree(one: ModelConnection, { options }: Segment): void {
    one.hasSack = this.offer.sack && options.isSackPermitted;
    one.hasTimestamps = this.offer.timestamps && options.hasTimestamp;
    one.theirTimestamp = options.timestamp;
    const isScaled = this.offer.windowShift >= 0 && options.windowShift >= 0;
    one.ourShift = isScaled ? this.offer.windowShift : 0;
    one.theirShift = isScaled ? options.windowShift : 0;
  }

  /** What the stack says it has must have been sent, and not be acknowledged, but for a first block (RFC 2883). */
  #readReports(one: ModelConnection, { acknowledged, options }: Segment): void {
    for (let block = 0; block < options.sackCount; block++) {
      const [start, end] = [options.sacks[2 * block]!, options.sacks[2 * block + 1]!];
      const sent = (one.first + 1 + one.output.length + 1) >>> 0;
      if (!one.hasSack || ((end - start) | 0) <= 0 || ((end - sent) | 0) > 0) {
        throw new Error(`a report of [${start}, ${end}) that cannot be`);
      }
      if (((end - acknowledged) | 0) <= 0 && block === 0) this.duplicateReports++;
      else if (((start - acknowledged) | 0) <= 0)
        throw new Error('a report of what is acknowledged');
      else this.reports++;
    }
  }

  #expected(one: ModelConnection): number {
    return (one.theirFirst + 1 + one.received.length + (one.hasTheirFin ? 1 : 0)) >>> 0;
  }

  #next(one: ModelConnection): number {
    return (one.first + 1 + one.sent + (one.isFinSent ? 1 : 0)) >>> 0;
  }

  #acknowledge(one: ModelConnection, segment: Segment): void {
    if ((segment.flags & ACK) === 0) return;
    one.isEstablished = true;
    const count = (segment.acknowledged - one.first - 1) >>> 0;
    if (count > one.output.length + 1) throw new Error('an acknowledgement of what was never sent');
    if (count > one.output.length) one.isFinAcked = true;
    const bytes = Math.min(count, one.output.length);
    if (bytes >= one.acknowledged) one.theirWindow = segment.window * 2 ** one.theirShift;
    one.acknowledged = Math.max(one.acknowledged, bytes);
    one.sent = Math.max(one.sent, one.acknowledged);
  }

  #data(one: ModelConnection, segment: Segment, data: Buffer): void {
    const offset = (segment.sequence - one.theirFirst - 1) | 0;
    if ((segment.flags & FIN) !== 0) one.theirFinAt = offset + data.length;
    const edge = one.received.length + this.windowBytes;
    const before = one.received.length;
    if (offset < edge) one.early.set(offset, data.subarray(0, edge - offset));
    one.latest = offset;
    for (let isFound = true; isFound; ) {
      isFound = false;
      for (const [start, bytes] of one.early) {
        const known = one.received.length - start;
        if (known < 0) continue;
        one.early.delete(start);
        if (known >= bytes.length) continue;
        one.received = Buffer.concat([one.received, bytes.subarray(known)]);
        isFound = true;
      }
    }
    if (this.echoes && before < one.received.length) {
      one.output = Buffer.concat([one.output, one.received.subarray(before)]);
    }
    if (one.hasTheirFin && this.endsAfter) one.endsOutput = true;
    this.acknowledge(one);
  }

  #flush(one: ModelConnection): void {
    if (one.wasReset) return;
    while (one.sent < one.output.length && one.sent - one.acknowledged < one.theirWindow) {
      this.#piece(one, one.theirWindow - (one.sent - one.acknowledged));
    }
    if (one.endsOutput && one.sent === one.output.length && !one.isFinSent && !one.isFinAcked) {
      this.#segment(one, this.#next(one), FIN | ACK, Buffer.alloc(0));
      one.isFinSent = true;
    }
  }

  #piece(one: ModelConnection, room: number): void {
    const end = Math.min(one.output.length, one.sent + Math.min(SEGMENT_BYTES, room));
    const bytes = one.output.subarray(one.sent, end);
    this.#segment(one, (one.first + 1 + one.sent) >>> 0, ACK, bytes);
    one.sent = end;
    this.inFlightMax = Math.max(this.inFlightMax, one.sent - one.acknowledged);
  }

  #refuse(segment: Segment): void {
    const packet = new Uint8Array(PACKET_BYTES_MAX);
    const length = writePacket(
      packet,
      {
        sourceAddress: this.#address,
        sourcePort: this.#port,
        targetAddress: segment.sourceAddress,
        targetPort: segment.sourcePort,
        sequence: segment.acknowledged,
        acknowledged: (segment.sequence + 1) >>> 0,
        flags: (segment.flags & SYN) === 0 ? RST : RST | ACK,
        window: 0,
        options: new TcpOptions(),
      },
      0,
    );
    this.#send(packet.slice(0, length));
  }

  #segment(
    one: ModelConnection,
    sequence: number,
    flags: number,
    bytes: Buffer,
    acknowledged = this.#expected(one),
  ): void {
    const packet = new Uint8Array(PACKET_BYTES_MAX);
    const isSyn = (flags & SYN) !== 0;
    const options = isSyn ? this.#offered(one) : this.#reported(one, flags, bytes);
    if (one.hasTimestamps && (flags & RST) === 0) {
      options.hasTimestamp = true;
      options.timestamp = Math.floor(this.nowMs + this.timestampShift) >>> 0;
      options.timestampEcho = one.theirTimestamp;
    }
    packet.set(bytes, payloadStart(options));
    one.lastSendMs = this.nowMs;
    const length = writePacket(
      packet,
      {
        sourceAddress: this.#address,
        sourcePort: this.#port,
        targetAddress: one.address,
        targetPort: one.port,
        sequence,
        acknowledged,
        flags,
        window: Math.min(65_535, isSyn ? this.windowBytes : this.windowBytes >>> one.ourShift),
        options,
      },
      bytes.length,
    );
    this.#send(packet.slice(0, length));
  }

  #offered(one: ModelConnection): TcpOptions {
    const options = new TcpOptions();
    options.mss = SEGMENT_BYTES_MAX;
    options.isSackPermitted = one.hasSack;
    if (this.offer.windowShift >= 0) options.windowShift = this.offer.windowShift;
    return options;
  }

  /** What lies beyond a gap, the block that grew last first (RFC 2018, 4). */
  #reported(one: ModelConnection, flags: number, bytes: Buffer): TcpOptions {
    const options = new TcpOptions();
    if (!one.hasSack || flags !== ACK || bytes.length > 0) return options;
    const blocks: [number, number][] = [];
    const early = [...one.early].sort(([a], [b]) => a - b);
    for (const [start, data] of early) {
      const end = start + data.length;
      const last = blocks.at(-1);
      if (last !== undefined && last[1] >= start) last[1] = Math.max(last[1], end);
      else if (end > start) blocks.push([start, end]);
    }
    const isLatest = ([start, end]: [number, number]): boolean =>
      one.latest >= start && one.latest < end;
    blocks.sort((a, b) => Number(isLatest(b)) - Number(isLatest(a)));
    const base = one.theirFirst + 1;
    if (one.twice !== undefined) {
      const [start, end] = one.twice;
      options.addSack((base + start) >>> 0, (base + end) >>> 0);
      one.twice = undefined;
    }
    const most = SACK_BLOCKS_MAX - (one.hasTimestamps ? 1 : 0);
    for (const [start, end] of blocks.slice(0, most - options.sackCount)) {
      options.addSack((base + start) >>> 0, (base + end) >>> 0);
    }
    return options;
  }
}
