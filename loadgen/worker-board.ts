// What a worker has counted, in shared memory: written by that worker only, read by the main thread
// at any time. Counters only rise; gauges say what is now.

/** Index of each figure. */
export const BOARD = {
  /** connect() calls. */
  attempted: 0,
  /** TCP connections established. */
  connected: 1,
  /** CONNACKs with code 0. */
  logins: 2,
  /** Gauge: users logged in now (CONNACK received, connection open). */
  loggedIn: 3,
  /** Gauge: users that are logged in and subscribed: these send and receive. */
  ready: 4,
  /** Attempts to log in that failed, for whatever reason. */
  failed: 5,
  /** Failed because the server said no (CONNACK code, refused subscription). */
  refused: 6,
  /** Failed because the server did not answer in time. */
  timeouts: 7,
  /**
   * Attempts that met a taken source address and port, and went on with the next. Not in `failed`.
   */
  sourceTaken: 8,
  /** Logged-in users whose connection broke. */
  lost: 9,
  /** Logins of users that had been lost. */
  reconnects: 10,
  /** Gauge: users that will not be tried again. */
  givenUp: 11,
  /** Messages whose time has come. */
  planned: 12,
  sent: 13,
  /** PUBACKs for them. */
  acked: 14,
  /** Messages that arrived, each once. */
  received: 15,
  /** Receipts that came back to senders. */
  receipts: 16,
  /**
   * Planned messages that were not sent: nobody there to send or receive, or too many held back.
   */
  errors: 17,
  /** Messages that arrived and were on nobody's list: delivered twice, or not ours. */
  unmatched: 18,
  /**
   * Messages sent later than planned because the connection took no more (back-pressure of the
   * target).
   */
  heldBack: 19,
  /** Gauge: messages held back now. */
  held: 20,
  /** Messages that were on their way so long that their place was needed; lost. */
  overrun: 21,
  pings: 22,
  /** Users that said goodbye. */
  left: 23,
  /** Connections dropped for bytes that are no MQTT. */
  malformed: 24,
  /** The last error number of a failed connect, and the last code of a refusal. */
  lastErrno: 25,
  lastRefusal: 26,
  /** Users that a storm of ours has cut off. Not in `lost`. */
  cutOff: 28,
  /** Gauge: users who are away by plan: of a block that is down, or between two sessions. */
  parked: 29,
  /** 1 when every planned message of the run has had its turn. */
  planDone: 27,
  /** Deliveries that sent messages should make: one for each, and for each member of a group who was there. */
  expected: 30,
  /** Of `sent`, `expected` and `received` those of groups, and messages that every expected member has. */
  groupSent: 31,
  groupExpected: 32,
  groupReceived: 33,
  groupComplete: 34,
  /** Copies that came to their own writer, and to members who were on their way in or out. Not in `received`. */
  groupOwn: 35,
  groupExtra: 36,
  /** Receipts of messages to groups: at the first, the half and the last. Not in `receipts`. */
  groupReceipts: 37,
  /** Memberships that the server refused. */
  groupRefused: 38,
  /** 'typing' that went to a receiver, QoS 0, and that arrived. */
  hintsSent: 39,
  hintsReceived: 40,
  /** 'online' and 'offline' that users said of themselves, and that reached who watches them. */
  presenceSent: 41,
  presenceReceived: 42,
  /** Connections given up because too much waited for room below TLS: the generator's bound, not the target's doing. */
  tlsGivenUp: 43,
  /** About so many messages more than `planned` were due and never looked at: see MessageSender.abandon. */
  uncounted: 44,
} as const;
export type BoardField = keyof typeof BOARD;

const BOARD_FIELDS = Object.keys(BOARD) as BoardField[];

export type Board = Float64Array<SharedArrayBuffer>;

export function createBoard(): Board {
  return new Float64Array(
    new SharedArrayBuffer(BOARD_FIELDS.length * Float64Array.BYTES_PER_ELEMENT),
  );
}

/** Sums over all workers, by name (the two `last...` fields: the largest, so any that is set). */
export type Counts = Record<BoardField, number>;

export function sumBoards(boards: readonly Board[]): Counts {
  const sums = {} as Counts;
  for (const field of BOARD_FIELDS) {
    const values = boards.map((board) => board[BOARD[field]]!);
    sums[field] = field.startsWith('last')
      ? Math.max(...values)
      : values.reduce((sum, value) => sum + value, 0);
  }
  return sums;
}
