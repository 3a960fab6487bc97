// What the server knows of each connection of one reactor: 22 to 28 bytes in typed arrays, indexed by the
// reactor's connection number. No object, closure or buffer per connection.

/** Where a connection stands. */
export const STATE = {
  /** The number is not in use. */
  free: 0,
  /** Accepted; nothing but a CONNECT may come. */
  connecting: 1,
  /** CONNECT came; its home has been asked. What else comes is kept. */
  loggingIn: 2,
  online: 3,
  /** We closed it and wait for `onClose`. */
  closing: 4,
} as const;

/** Bits of `flags`. */
export const CONN_FLAG = {
  /** In the list of throttled connections; survives the connection until the list is looked through. */
  listed: 1,
  /** Reading is paused. */
  paused: 2,
  /** A PUBACK was withheld: the deadline now ends the connection. */
  withheld: 4,
  /** Speaks MQTT 5. */
  v5: 8,
  /** Its keep-alive is ours, which CONNACK tells. */
  keepAliveChanged: 16,
  /** Its session outlives the connection. */
  expires: 32,
  /** Speaks MQTT 3.1, whose CONNACK says nothing of a session. */
  v31: 64,
  /** Takes no packet that is long enough for a Server Reference. */
  takesLittle: 128,
} as const;

export const NO_CAUSE = 255;

const UNITS_PER_S = 10_000;
const UNITS_PER_TENTH = 1000;
const AHEAD_MAX = 5 * UNITS_PER_S;

export class Connections {
  readonly state: Uint8Array;
  readonly flags: Uint8Array;
  /** CLOSE_CAUSE of a connection that we close. */
  readonly cause: Uint8Array;
  /** Rises with every connection that gets the number: late frames for an older one are recognised. */
  readonly generation: Uint32Array;
  /** Worker that owns the user. */
  readonly home: Uint8Array;
  /** The user's row at its home, and that row's generation. */
  readonly row: Int32Array;
  readonly rowGeneration: Uint32Array;
  readonly keepAliveS: Uint16Array;
  /** When the last packet came, tenths of a second since the worker's start. */
  readonly lastHeard: Uint32Array;
  /** Deliveries without packet id that wait for room before they count as written. */
  readonly unwritten: Uint16Array;
  /** Until when what it published is paid for, units of 100 us, modulo 2^32; see `mayPublish`. */
  readonly paidUntil: Uint32Array;

  constructor(capacity: number) {
    this.state = new Uint8Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.cause = new Uint8Array(capacity);
    this.generation = new Uint32Array(capacity);
    this.home = new Uint8Array(capacity);
    this.row = new Int32Array(capacity);
    this.rowGeneration = new Uint32Array(capacity);
    this.keepAliveS = new Uint16Array(capacity);
    this.lastHeard = new Uint32Array(capacity);
    this.unwritten = new Uint16Array(capacity);
    this.paidUntil = new Uint32Array(capacity);
  }

  open(conn: number): void {
    this.state[conn] = STATE.connecting;
    this.flags[conn]! &= CONN_FLAG.listed;
    this.cause[conn] = NO_CAUSE;
    this.generation[conn]!++;
    this.row[conn] = -1;
    this.keepAliveS[conn] = 0;
    // Not written when they are 0, which they nearly always are: pages that nobody needs stay untouched.
    if (this.unwritten[conn] !== 0) this.unwritten[conn] = 0;
    if (this.paidUntil[conn] !== 0) this.paidUntil[conn] = 0;
  }

  /**
   * Whether one more message is within `perS` in a second, five times as many at once. Each pays a span of
   * 1/perS seconds, and they may be five seconds ahead of the clock, which is when the client was last heard.
   */
  mayPublish(conn: number, perS: number): boolean {
    const now = Math.imul(this.lastHeard[conn]!, UNITS_PER_TENTH);
    const price = Math.ceil(UNITS_PER_S / perS);
    let ahead = (this.paidUntil[conn]! - now) | 0;
    // Behind the clock; or so far from it that the counter has come round.
    if (ahead < 0 || ahead > AHEAD_MAX) ahead = 0;
    if (ahead + price > AHEAD_MAX) return false;
    this.paidUntil[conn] = now + ahead + price;
    return true;
  }

  /** Whether a reference from elsewhere still means a connection that is logged in. */
  isOnline(conn: number, generation: number): boolean {
    return this.state[conn] === STATE.online && this.generation[conn] === generation;
  }
}
