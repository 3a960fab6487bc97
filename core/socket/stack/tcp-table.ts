// What the stack knows of each connection, open or idle: 32 bytes in typed arrays, and no more while
// nothing is under way. What a connection needs while bytes are on their way is a flight (flights.ts).
//
// A packet finds its connection through a hash of its addresses: one chain for each connection of the
// capacity, linked through `#next`; free numbers are linked through the same array.
//
// Peers are few (the targets of a load), so a connection knows its peer by an index of 16 bits.

import { MSS_DEFAULT, TIMESTAMP_OPTION_BYTES } from '#core/socket/stack/tcp-options.ts';

/** Flags of a connection, 16 bits. What the handshake agreed is beside the address (MARK). */
export const FLAG = {
  /** SYN is out. */
  connecting: 1 << 0,
  /** Established and announced. */
  open: 1 << 1,
  /** `close()` was called: output still leaves, nothing is delivered. */
  closing: 1 << 2,
  /** Nothing more will be queued: FIN follows the output. */
  outputEnded: 1 << 3,
  /** Our FIN was acknowledged; while connecting: the peer's own SYN was taken (open from both sides). */
  finAcked: 1 << 4,
  synTaken: 1 << 4,
  /** The peer's FIN was taken. */
  peerEnded: 1 << 5,
  /** `pauseReceive()` holds; `heldOff`: something was dropped meanwhile. */
  paused: 1 << 6,
  heldOff: 1 << 7,
  /** A send was refused: `onDrain` is owed. */
  owesDrain: 1 << 8,
  /** Over; the handler is about to be told. */
  gone: 1 << 9,
  /** In the list of those to be looked at at the end of the turn. */
  listed: 1 << 10,
  /** An acknowledgement leaves at the end of the turn, or after a while unless it rides on data. */
  ackNow: 1 << 11,
  ackOwed: 1 << 12,
  /** In the list of delayed acknowledgements. */
  ackListed: 1 << 13,
  /** Our FIN was acknowledged after `close()`, the peer's is waited for. */
  lingering: 1 << 14,
  /** In the list of those whom only the bound of the whole reactor held up. */
  starved: 1 << 15,
} as const;
/** What shares a word with the address of a connection, above its bits. */
export const MARK = {
  /** Agreed with the peer in the handshake: RFC 2018; RFC 7323. */
  sack: 1 << 24,
  timestamps: 1 << 25,
  /** Segments of it lie in KeptSegments; `resumed`: in the list of those that are to get theirs. */
  kept: 1 << 26,
  resumed: 1 << 27,
} as const;
/** Bits that say how far the windows of the peer are shifted (0..14), plus one; 0 = no shift was agreed. */
const WINDOW_SHIFT_AT = 28;
/** A block of clients has at most so many addresses (10.0.0.0/8). */
export const ADDRESSES_MAX = 2 ** 24;
const ADDRESS_MASK = ADDRESSES_MAX - 1;
/** These stay with the number when the connection ends: its entry in a list is still there. */
export const LIST_FLAGS = FLAG.listed | FLAG.ackListed | FLAG.starved;
const LIST_MARKS = MARK.resumed;

const REMOTES_MAX = 65_535;
const NO_CONN = -1;

export class TcpTable {
  readonly capacity: number;
  readonly flags: Uint16Array;
  /** First sequence number that the peer has not acknowledged. */
  readonly unacknowledged: Uint32Array;
  /** Next sequence number that is expected. */
  readonly expected: Uint32Array;
  /** Its address, counted from the first of the block, and marks. */
  readonly marks: Int32Array;
  readonly localPort: Uint16Array;
  readonly remote: Uint16Array;
  /** What the peer is ready to take from `unacknowledged` on, as it says it: not shifted. */
  readonly peerWindow: Uint16Array;
  /** Latest timestamp of the peer, which is echoed to it; empty without the option. */
  readonly peerTimestamp: Uint32Array;
  /**
   * Below 0: the number of its flight, inverted. Else nothing is under way, and this is what it remembers of its
   * round trips (Flights.giveBack); 0 = none was measured.
   */
  readonly flight: Int32Array;
  readonly remoteAddress: number[] = [];
  readonly remotePort: number[] = [];
  /** Largest segment that a peer takes. */
  readonly remoteMss: number[] = [];
  used = 0;
  /** First of each chain, plus one. */
  readonly #chain: Int32Array;
  readonly #next: Int32Array;
  readonly #chainsPerHash: number;
  readonly #addressMin: number;
  readonly #remotes = new Map<number, number>();
  #lastRemote = 0;
  #free = 0;
  #fresh = 0;

  /** `addressMin`: the first address that clients have. */
  constructor(capacity: number, hasTimestamps = false, addressMin = 0) {
    this.capacity = capacity;
    this.#addressMin = addressMin;
    this.flags = new Uint16Array(capacity);
    this.peerTimestamp = new Uint32Array(hasTimestamps ? capacity : 0);
    this.unacknowledged = new Uint32Array(capacity);
    this.expected = new Uint32Array(capacity);
    this.marks = new Int32Array(capacity);
    this.localPort = new Uint16Array(capacity);
    this.remote = new Uint16Array(capacity);
    this.peerWindow = new Uint16Array(capacity);
    this.flight = new Int32Array(capacity);
    this.#chain = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#chainsPerHash = capacity / 2 ** 32;
  }

  /** Bytes that one connection of the capacity costs here. */
  get bytesPerConnection(): number {
    const columns = [this.flags, this.unacknowledged, this.expected, this.marks];
    const more = [this.localPort, this.remote, this.peerWindow];
    const rest = [this.flight, this.#chain, this.#next];
    const all = [...columns, ...more, ...rest, this.peerTimestamp].filter(
      ({ length }) => length > 0,
    );
    return all.reduce((sum, one) => sum + one.BYTES_PER_ELEMENT, 0);
  }

  /** Payload of the largest segment that this peer takes. */
  segmentBytes(conn: number): number {
    const mss = this.remoteMss[this.remote[conn]!]!;
    return (this.marks[conn]! & MARK.timestamps) === 0 ? mss : mss - TIMESTAMP_OPTION_BYTES;
  }

  /** What the peer is ready to take from `unacknowledged` on, bytes. */
  sendWindow(conn: number): number {
    const shift = this.marks[conn]! >>> WINDOW_SHIFT_AT;
    return shift === 0 ? this.peerWindow[conn]! : this.peerWindow[conn]! << (shift - 1);
  }

  /** Agreed: the peer's windows are shifted so far from now on, but not the one of its SYN. */
  scale(conn: number, shift: number): void {
    const others = this.marks[conn]! & ((1 << WINDOW_SHIFT_AT) - 1);
    this.marks[conn] = others | ((shift + 1) << WINDOW_SHIFT_AT);
    this.peerWindow[conn]! >>>= shift;
  }

  /** Whether windows are shifted, by whatever: both sides said by how much. */
  isScaled(conn: number): boolean {
    return this.marks[conn]! >>> WINDOW_SHIFT_AT !== 0;
  }

  localAddress(conn: number): number {
    return this.#addressMin + (this.marks[conn]! & ADDRESS_MASK);
  }

  /** One past the highest number that was ever in use. */
  get end(): number {
    return this.#fresh;
  }

  /** Index of a peer; -1 when there are too many different ones. */
  remoteIndex(address: number, port: number): number {
    if (this.remoteAddress[this.#lastRemote] === address) {
      if (this.remotePort[this.#lastRemote] === port) return this.#lastRemote;
    }
    const key = address * 65_536 + port;
    let index = this.#remotes.get(key);
    if (index === undefined) {
      index = this.remoteAddress.length;
      if (index === REMOTES_MAX) return -1;
      this.#remotes.set(key, index);
      this.remoteAddress.push(address);
      this.remotePort.push(port);
      this.remoteMss.push(MSS_DEFAULT);
    }
    this.#lastRemote = index;
    return index;
  }

  /** A free number, or -1. */
  take(): number {
    if (this.used === this.capacity) return -1;
    this.used++;
    if (this.#free === 0) return this.#fresh++;
    const conn = this.#free - 1;
    this.#free = this.#next[conn]!;
    return conn;
  }

  /** Gives a number back that is no longer linked. */
  give(conn: number): void {
    this.flags[conn]! &= LIST_FLAGS;
    this.marks[conn]! &= LIST_MARKS;
    this.flight[conn] = 0;
    this.#next[conn] = this.#free;
    this.#free = conn + 1;
    this.used--;
  }

  /** Packets of these addresses find `conn` from now on. */
  link(conn: number, address: number, port: number, remote: number): void {
    this.marks[conn] = (this.marks[conn]! & LIST_MARKS) | (address - this.#addressMin);
    this.localPort[conn] = port;
    this.remote[conn] = remote;
    const chain = this.#chainOf(address, port, remote);
    this.#next[conn] = this.#chain[chain]!;
    this.#chain[chain] = conn + 1;
  }

  unlink(conn: number): void {
    const chain = this.#chainOf(this.localAddress(conn), this.localPort[conn]!, this.remote[conn]!);
    let node = this.#chain[chain]!;
    if (node === conn + 1) {
      this.#chain[chain] = this.#next[conn]!;
      return;
    }
    while (this.#next[node - 1] !== conn + 1) node = this.#next[node - 1]!;
    this.#next[node - 1] = this.#next[conn]!;
  }

  /** The connection of these addresses, or -1. */
  find(address: number, port: number, remote: number): number {
    let node = this.#chain[this.#chainOf(address, port, remote)]!;
    while (node !== 0) {
      const conn = node - 1;
      const isIt =
        this.localPort[conn] === port &&
        this.localAddress(conn) === address &&
        this.remote[conn] === remote;
      if (isIt) return conn;
      node = this.#next[conn]!;
    }
    return NO_CONN;
  }

  /** Index of a peer that is known already, or -1. */
  knownRemote(address: number, port: number): number {
    const last = this.#lastRemote;
    if (this.remoteAddress[last] === address && this.remotePort[last] === port) return last;
    return this.#remotes.get(address * 65_536 + port) ?? -1;
  }

  #chainOf(address: number, port: number, remote: number): number {
    return Math.floor(hashAddresses(address, port, remote, 0) * this.#chainsPerHash);
  }
}

/** 32 well-mixed bits of the addresses of a connection. */
export function hashAddresses(
  address: number,
  port: number,
  remote: number,
  secret: number,
): number {
  let hash = Math.imul(address ^ secret, 0x9e3779b1) ^ Math.imul((port << 16) | remote, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
