// The other side of simulated tests: a plain TCP server in objects, written from RFC 9293 and not from the
// stack. It keeps what comes out of order, sends again after 300 ms of silence, and echoes or only reads.
// Time is virtual. Offsets count bytes from the start of the connection, so nothing here wraps.

import {
  PACKET_BYTES_MAX,
  PAYLOAD_START,
  readPacket,
  Segment,
  TCP_FLAG,
  writePacket,
} from '#core/socket/stack/packet.ts';

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
  /** Closes its side when theirs is closed. */
  endsAfter = true;
  windowBytes = 65_535;
  resetsReceived = 0;
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
    } else if ((segment.flags & SYN) !== 0) {
      if (one === undefined || one.isOver) {
        this.#first = (this.#first + 4_000_037) >>> 0;
        one = new ModelConnection(segment, this.#first);
        this.connections.set(key, one);
      }
      one.theirWindow = segment.window;
      this.#segment(one, one.first, SYN | ACK, Buffer.alloc(0));
    } else if (one === undefined || one.wasReset) {
      this.#refuse(segment);
    } else {
      this.#acknowledge(one, segment);
      const data = Buffer.from(packet.subarray(segment.dataStart, segment.dataEnd));
      if (data.length > 0 || (segment.flags & FIN) !== 0) this.#data(one, segment, data);
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
  forge(one: ModelConnection, sequence: number, flags: number, acknowledged: number): void {
    this.#segment(one, sequence, flags, Buffer.alloc(0), acknowledged);
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
    if (bytes >= one.acknowledged) one.theirWindow = segment.window;
    one.acknowledged = Math.max(one.acknowledged, bytes);
    one.sent = Math.max(one.sent, one.acknowledged);
  }

  #data(one: ModelConnection, segment: Segment, data: Buffer): void {
    const offset = (segment.sequence - one.theirFirst - 1) | 0;
    if ((segment.flags & FIN) !== 0) one.theirFinAt = offset + data.length;
    const edge = one.received.length + this.windowBytes;
    const before = one.received.length;
    if (offset < edge) one.early.set(offset, data.subarray(0, edge - offset));
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
    packet.set(bytes, PAYLOAD_START);
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
        window: this.windowBytes,
      },
      bytes.length,
    );
    this.#send(packet.slice(0, length));
  }
}
