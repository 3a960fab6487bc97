// What a home keeps of each user beside its name and mailbox: eleven bytes in typed arrays, by row.

/** Bits of `UserState.flags`. */
export const USER = {
  online: 1,
  /** The session stays when the connection ends. */
  persistent: 2,
  /** Subscribed to m/<own uid>. */
  inbox: 4,
  /** That subscription's QoS is 1. */
  inboxQos1: 8,
  /** Subscribed to r/<own uid>. */
  receipts: 16,
  /** Written to, never logged in. */
  stranger: 32,
  /** Speaks MQTT 5 on its present connection. */
  v5: 64,
  /** Has a session of the broker. */
  general: 128,
  /** The subscription to r/<own uid> has QoS 1: receipts wait for who is away. */
  receiptsQos1: 256,
} as const;

export class UserState {
  /** In shared memory: another thread looks who is online. */
  readonly flags: Uint16Array<SharedArrayBuffer>;
  /** Where the user is online: edge, connection and its generation. */
  readonly worker: Uint8Array;
  readonly conn: Int32Array;
  readonly connGeneration: Uint32Array;

  constructor(users: number) {
    const { BYTES_PER_ELEMENT } = Uint16Array;
    this.flags = new Uint16Array(new SharedArrayBuffer(users * BYTES_PER_ELEMENT));
    this.worker = new Uint8Array(users);
    this.conn = new Int32Array(users);
    this.connGeneration = new Uint32Array(users);
  }

  has(row: number, flag: number): boolean {
    return (this.flags[row]! & flag) !== 0;
  }

  isAt(row: number, worker: number, conn: number, connGeneration: number): boolean {
    return (
      this.worker[row] === worker &&
      this.conn[row] === conn &&
      this.connGeneration[row] === connGeneration
    );
  }
}
