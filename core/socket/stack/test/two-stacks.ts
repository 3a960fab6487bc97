// Two stacks that open to each other, and a bad way between them: packets are lost, come twice, late or overtaken, some
// of them long after (old duplicates). Virtual time jumps to whatever is next; everything follows from the seed.
//
// Each packet is judged as it leaves, by a reading of RFC 9293 that knows nothing of the stack: bytes are those of the
// stream, within the window that was offered; acknowledgements never go back nor name what was not sent.

import assert from 'node:assert/strict';
import { type CloseReason, type Conn, REACTOR_STAT_COUNT } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import { type NetworkMix, NO_NETWORK } from '#core/socket/stack/network-classes.ts';
import { PACKET_BYTES_MAX, readPacket, Segment, TCP_FLAG } from '#core/socket/stack/packet.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import { sequenceDistance } from '#core/socket/stack/sequence.ts';
import { STACK_COUNT, STACK_COUNT_COUNT } from '#core/socket/stack/stack-counters.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import { TcpStack } from '#core/socket/stack/tcp-stack.ts';
import { hashAddresses } from '#core/socket/stack/tcp-table.ts';
import { draws } from '#core/socket/stack/test/simulation.ts';

const PORT = 5000;
const STEP_US = 1000;
const RESET_AND_SYN = TCP_FLAG.rst | TCP_FLAG.syn;
const OUTPUT_BYTES_MAX = 2 ** 20;

export interface Way {
  seed: number;
  lossRatio: number;
  /** Share of packets that come twice; of these, so many come the second time only after `lateMs`. */
  twiceRatio: number;
  lateRatio: number;
  lateMs: number;
  delayMs: number;
  jitterMs: number;
}

export interface SideOptions {
  tcp: Partial<TcpKnobs>;
  windowBytes: number;
  /** How far before the end of the circle sequence numbers begin; undefined = anywhere. */
  beforeWrap: number | undefined;
}

/** One of the two: its stack, what it was told, and what its packets have said so far. */
export class Side implements PacketLink {
  readonly out = new Uint8Array(PACKET_BYTES_MAX);
  readonly received = new Uint8Array(PACKET_BYTES_MAX);
  readonly stack: TcpStack;
  readonly counters = new Float64Array(STACK_COUNT_COUNT);
  readonly address: number;
  readonly clockUs: number;
  readonly arrived: Uint8Array[] = [];
  conn: Conn = -1;
  stream = Buffer.alloc(0);
  receivedBytes = 0;
  connectErrno: number | undefined;
  hasEnded = false;
  closeReason: CloseReason | undefined;
  closeErrno = 0;
  closedUs = 0;
  first = -1;
  /** Highest that was sent and acknowledged, and the edge of the window that was offered, as offsets. */
  sentMax = 0;
  ackedMax = 0;
  edgeMax = 0;
  shift = -1;
  other!: Side;
  readonly #carry: (packet: Uint8Array, to: Side) => void;
  readonly #segment = new Segment();
  #nowUs = 0;

  constructor(
    index: number,
    options: SideOptions,
    seed: number,
    carry: (packet: Uint8Array, to: Side) => void,
  ) {
    this.#carry = carry;
    this.address = 0x0a400000 + index * 0x10000;
    const secret = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
    const hash = hashAddresses(this.address, PORT, 0, secret);
    this.clockUs = ((-(options.beforeWrap ?? seed * 7919) - hash) >>> 0) * 4;
    const network: NetworkMix = {
      classes: [{ ...NO_NETWORK, windowBytes: options.windowBytes }],
      seed,
    };
    this.stack = new TcpStack({
      settings: settleOptions({
        capacity: 2,
        outputBytesMax: OUTPUT_BYTES_MAX,
        outputBytesTotalMax: OUTPUT_BYTES_MAX,
        handler: this.#handler(),
      }),
      link: this,
      network,
      tcp: options.tcp,
      block: { addressMin: this.address, addressCount: 256 },
      stats: new Float64Array(REACTOR_STAT_COUNT),
      counters: this.counters,
      secret,
      nowUs: this.clockUs,
    });
  }

  count(name: keyof typeof STACK_COUNT): number {
    return this.counters[STACK_COUNT[name]]!;
  }

  connect(): void {
    this.conn = this.stack.connect({
      remoteAddress: this.other.address,
      remotePort: PORT,
      localAddress: this.address,
      localPort: PORT,
    });
  }

  write(bytes: Buffer): void {
    if (!this.stack.life.send(this.conn, bytes, 0, bytes.length)) return;
    this.stream = Buffer.concat([this.stream, bytes]);
  }

  turn(us: number): void {
    this.#nowUs = us;
    this.stack.receive(us + this.clockUs, 1000);
    this.stack.fireTimers();
    this.stack.finishTurn();
  }

  send(length: number): boolean {
    this.#judge(length);
    this.#carry(this.out.slice(0, length), this.other);
    return true;
  }

  receive(): number {
    const packet = this.arrived.shift();
    if (packet === undefined) return 0;
    this.received.set(packet);
    return packet.length;
  }

  advance(): void {}

  waitUs(): number {
    return Number.POSITIVE_INFINITY;
  }

  reaches(): boolean {
    return true;
  }

  close(): void {}

  #judge(length: number): void {
    const segment = this.#segment;
    assert.equal(readPacket(this.out, length, segment), 0, 'a packet is well-formed');
    if ((segment.flags & TCP_FLAG.syn) !== 0) {
      if (this.first === -1) this.first = segment.sequence;
      assert.equal(segment.sequence, this.first, 'SYN has one sequence number');
      this.shift = segment.options.windowShift;
    }
    if ((segment.flags & TCP_FLAG.ack) !== 0) this.#judgeAcknowledgement(segment);
    if ((segment.flags & RESET_AND_SYN) === 0) this.#judgeData(segment);
  }

  #judgeAcknowledgement({ acknowledged, flags, window, options }: Segment): void {
    const { other } = this;
    const offset = sequenceDistance(acknowledged, other.first) - 1;
    assert.ok(offset <= other.sentMax, `acknowledges ${offset} of ${other.sentMax}`);
    if ((flags & TCP_FLAG.rst) !== 0) return;
    assert.ok(offset >= this.ackedMax, `acknowledges ${offset} after ${this.ackedMax}`);
    this.ackedMax = offset;
    const isScaled = (flags & TCP_FLAG.syn) === 0 && this.shift >= 0 && other.shift >= 0;
    this.edgeMax = Math.max(this.edgeMax, offset + window * 2 ** (isScaled ? this.shift : 0));
    for (let block = 0; block < options.sackCount; block++) {
      const start = sequenceDistance(options.sacks[2 * block]!, other.first) - 1;
      const end = sequenceDistance(options.sacks[2 * block + 1]!, other.first) - 1;
      assert.ok(start < end && end <= other.sentMax, `reports [${start}, ${end})`);
      const isTwice = block === 0 && end <= offset;
      assert.ok(isTwice || start > offset, `reports [${start}, ${end}) above ${offset}`);
    }
  }

  #judgeData({ sequence, flags, dataStart, dataEnd }: Segment): void {
    const { stream, other } = this;
    const offset = sequenceDistance(sequence, this.first) - 1;
    const end = offset + dataEnd - dataStart;
    const expected = stream.subarray(offset, end);
    const bytes = this.out.subarray(dataStart, dataEnd);
    assert.ok(dataStart === dataEnd || expected.equals(bytes), `bytes [${offset}, ${end})`);
    const withFin = end + (flags & TCP_FLAG.fin);
    // One byte more asks whether a closed window is open.
    const edge = other.edgeMax + (dataEnd - dataStart === 1 ? 1 : 0);
    assert.ok(
      dataStart === dataEnd || end <= edge,
      `[${offset}, ${end}) of a window until ${edge}`,
    );
    if ((flags & TCP_FLAG.fin) !== 0) assert.equal(end, stream.length, 'FIN is behind all of it');
    this.sentMax = Math.max(this.sentMax, withFin);
  }

  #handler(): Parameters<typeof settleOptions>[0]['handler'] {
    return {
      onAccept: () => assert.fail('nobody is accepted'),
      onConnect: (_, errno) => {
        assert.equal(this.connectErrno, undefined, 'a connect ends once');
        this.connectErrno = errno;
      },
      onData: (_, bytes, start, end) => {
        assert.ok(this.connectErrno === 0 && !this.hasEnded && this.closeReason === undefined);
        const piece = Buffer.from(bytes.subarray(start, end));
        const whole = this.other.stream.subarray(
          this.receivedBytes,
          this.receivedBytes + end - start,
        );
        assert.ok(
          whole.equals(piece),
          `bytes from ${this.receivedBytes} on are those that were sent`,
        );
        this.receivedBytes += end - start;
      },
      onEnd: () => {
        assert.ok(!this.hasEnded, 'the end comes once');
        assert.equal(this.receivedBytes, this.other.stream.length, 'the end is behind all bytes');
        this.hasEnded = true;
      },
      onDrain: () => {},
      onClose: (_, reason, errno) => {
        assert.equal(this.closeReason, undefined, 'a close comes once');
        this.closeReason = reason;
        this.closeErrno = errno;
        this.closedUs = this.#nowUs;
      },
      onDeadline: () => {},
      onWake: () => {},
      onTurn: () => Number.POSITIVE_INFINITY,
    };
  }
}

/** A packet on its way. */
interface Moving {
  dueUs: number;
  packet: Uint8Array;
  to: Side;
}

export class TwoStacks {
  readonly sides: readonly [Side, Side];
  us = 0;
  way: Way;
  readonly #draw: () => number;
  #moving: Moving[] = [];

  constructor(way: Way, options: readonly [SideOptions, SideOptions]) {
    this.way = way;
    this.#draw = draws(way.seed);
    const carry = (packet: Uint8Array, to: Side): void => this.#carry(packet, to);
    const sides = [0, 1].map((index) => new Side(index, options[index]!, way.seed + index, carry));
    this.sides = [sides[0]!, sides[1]!];
    for (const [index, side] of sides.entries()) side.other = sides[1 - index]!;
  }

  /** Lets time pass until `untilUs` at most: to the next packet or timer. */
  step(untilUs: number): void {
    let nextUs = untilUs;
    for (const { dueUs } of this.#moving) nextUs = Math.min(nextUs, dueUs);
    for (const { stack, clockUs } of this.sides) {
      nextUs = Math.min(nextUs, this.us + stack.waitUs(this.us + clockUs));
    }
    this.us = Math.max(this.us + STEP_US, Math.ceil(nextUs / STEP_US) * STEP_US);
    const due = this.#moving.filter(({ dueUs }) => dueUs <= this.us);
    this.#moving = this.#moving.filter(({ dueUs }) => dueUs > this.us);
    for (const { packet, to } of due.sort((a, b) => a.dueUs - b.dueUs)) to.arrived.push(packet);
    for (const side of this.sides) side.turn(this.us);
  }

  /** Steps until it holds, at most so many virtual seconds. */
  until(condition: () => boolean, secondsMax: number): void {
    const untilUs = this.us + secondsMax * 1e6;
    while (!condition()) {
      assert.ok(this.us < untilUs, `it did not happen in ${secondsMax} virtual seconds`);
      this.step(untilUs);
    }
  }

  /** Packets that are still on their way. */
  get underWay(): number {
    return this.#moving.length;
  }

  #carry(packet: Uint8Array, to: Side): void {
    const { lossRatio, twiceRatio, lateRatio, lateMs, delayMs, jitterMs } = this.way;
    const copies = this.#draw() < twiceRatio ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#draw() < lossRatio) continue;
      const late = copy === 1 && this.#draw() < lateRatio ? lateMs : 0;
      const ms = delayMs + this.#draw() * jitterMs + late;
      this.#moving.push({ dueUs: this.us + ms * 1000, packet, to });
    }
  }
}
