// The users of one worker, as arrays: about 40 bytes a user, no object. Users are numbered over the
// whole population; a worker has those from `first` to `first + count - 1` and keeps them by local
// number.

import { assert } from '#core/assert.ts';

export const USER = {
  /** Not connected; waits for his turn. */
  waiting: 0,
  /** connect() is under way. */
  connecting: 1,
  /** CONNECT and SUBSCRIBE are sent. */
  loggingIn: 2,
  /** CONNACK has come, SUBACK not yet. */
  loggedIn: 3,
  /** Logged in and subscribed. */
  ready: 4,
  /** DISCONNECT is sent. */
  leaving: 5,
  /** Not tried again. */
  gone: 6,
  /** A storm of ours has reset his connection. */
  cutOff: 7,
  /** His block is down: he stays away until it comes back. */
  parked: 8,
  /** In no session: he logs in when the next one begins. */
  away: 9,
} as const;

/** A byte for each user of the whole population, which all workers of a process read. */
export const PRESENT = {
  no: 0,
  /** Ready: he gets messages. */
  yes: 1,
  /** Ready, and the server refused him his group: what goes there does not reach him. */
  outsideGroup: 2,
} as const;

export class UserTable {
  readonly first: number;
  readonly count: number;
  readonly originUs: number;
  /** One of USER. */
  readonly state: Uint8Array;
  /** Connection of a user, -1 without; and the user of a connection. */
  readonly conn: Int32Array;
  readonly userOf: Int32Array;
  /**
   * How often he tried to connect (places on the wheel of sources), and in vain since his last
   * login.
   */
  readonly attempts: Uint16Array;
  readonly failures: Uint8Array;
  /** 1 when he has been logged in before. */
  readonly wasIn: Uint8Array;
  /** Last packet id, and messages that wait for their PUBACK. */
  readonly packetId: Uint16Array;
  readonly unacked: Uint16Array;
  /** Start of the login; later the last time he sent something. Milliseconds since `originUs`. */
  readonly sinceMs: Uint32Array;
  /** 1 while a PINGREQ is unanswered. */
  readonly pinging: Uint8Array;
  /** 1 from his goodbye until his next session stands. */
  readonly resting: Uint8Array;

  constructor(first: number, count: number, connections: number, originUs: number) {
    assert(connections >= count, 'every user may have a connection');
    this.first = first;
    this.count = count;
    this.originUs = originUs;
    this.state = new Uint8Array(count);
    this.conn = new Int32Array(count).fill(-1);
    this.userOf = new Int32Array(connections).fill(-1);
    this.attempts = new Uint16Array(count);
    this.failures = new Uint8Array(count);
    this.wasIn = new Uint8Array(count);
    this.packetId = new Uint16Array(count);
    this.unacked = new Uint16Array(count);
    this.sinceMs = new Uint32Array(count);
    this.pinging = new Uint8Array(count);
    this.resting = new Uint8Array(count);
  }

  bind(user: number, conn: number): void {
    this.conn[user] = conn;
    this.userOf[conn] = user;
  }

  /** Takes user and connection apart; returns the user. */
  unbind(conn: number): number {
    const user = this.userOf[conn]!;
    this.userOf[conn] = -1;
    this.conn[user] = -1;
    this.unacked[user] = 0;
    this.pinging[user] = 0;
    return user;
  }

  /** Milliseconds on the users' own time line. */
  ms(nowUs: number): number {
    return (nowUs - this.originUs) / 1000;
  }

  /** Next packet id of a user: 1..65535, over and over. */
  nextPacketId(user: number): number {
    const id = (this.packetId[user]! % 65_535) + 1;
    this.packetId[user] = id;
    return id;
  }
}

/**
 * Users in the order in which they get their turn, each at most once, with the time before which it is not. Those who
 * wait from the start are a count; memory is real as far as others ever waited at the same time.
 */
export class TurnQueue {
  readonly #users: Int32Array;
  readonly #readyMs: Uint32Array;
  #head = 0;
  #size = 0;
  /** Of those who wait from the start: the first whose turn is still to come, and one past the last. */
  #fresh = 0;
  readonly #freshEnd: number;

  /** Users 0 to `fresh` - 1 wait already, and may have their turn at once. */
  constructor(capacity: number, fresh = 0) {
    assert(fresh <= capacity, 'who waits has room to wait');
    this.#users = new Int32Array(capacity);
    this.#readyMs = new Uint32Array(capacity);
    this.#freshEnd = fresh;
  }

  get size(): number {
    return this.#size + this.#freshEnd - this.#fresh;
  }

  /** Times must not fall, so that the first one is always the next. */
  push(user: number, readyMs: number): void {
    assert(this.size < this.#users.length, 'a user waits for one turn at a time');
    const tail = (this.#head + this.#size) % this.#users.length;
    this.#users[tail] = user;
    this.#readyMs[tail] = readyMs;
    this.#size++;
  }

  /** When the first may have his turn, ms; Infinity when nobody waits. */
  get readyMs(): number {
    if (this.#fresh < this.#freshEnd) return 0;
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#readyMs[this.#head]!;
  }

  shift(): number {
    assert(this.size > 0, 'somebody waits');
    if (this.#fresh < this.#freshEnd) return this.#fresh++;
    const user = this.#users[this.#head]!;
    this.#head = (this.#head + 1) % this.#users.length;
    this.#size--;
    if (this.#size === 0) this.#head = 0;
    return user;
  }
}
