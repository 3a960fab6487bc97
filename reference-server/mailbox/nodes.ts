// The copies of messages that stand in mailboxes: each one index into these arrays. What a node refers to is a body
// (bodies.ts); which queue it stands in, its owner knows.
//
// Cost: 16 bytes a node. Nothing is allocated.

const NONE = -1;

/** Flags of a node. */
export const NODE = {
  /** It was sent on the present connection. */
  sent: 1,
  /** Was sent on an earlier connection: goes out with DUP. */
  dup: 2,
  /** Was sent without packet id: accepted when it is written, by no PUBACK. */
  withoutId: 4,
  /** Its acceptance is nobody's news: a sender's own copy of a message to a group. */
  silent: 8,
} as const;

export class Nodes {
  /** What stands behind it, -1 = nothing; of a free one the next free one. */
  readonly next: Int32Array;
  readonly body: Int32Array;
  /** 0 = was never sent. */
  readonly packetId: Uint16Array;
  readonly flags: Uint8Array;
  /** Connections that left this message behind as their first. */
  readonly left: Uint8Array;
  /** When it was sent last, ms of the clock modulo 2^32: longer than a session lives. */
  readonly sentMs: Uint32Array;
  #freeHead = NONE;
  #touched = 0;

  constructor(nodes: number) {
    this.next = new Int32Array(nodes);
    this.body = new Int32Array(nodes);
    this.packetId = new Uint16Array(nodes);
    this.flags = new Uint8Array(nodes);
    this.left = new Uint8Array(nodes);
    this.sentMs = new Uint32Array(nodes);
  }

  /** A node for `body` with nothing behind it; its owner sees to it that there is one. */
  take(body: number, flags: number): number {
    const node = this.#freeHead === NONE ? this.#touched++ : this.#freeHead;
    if (node === this.#freeHead) this.#freeHead = this.next[node]!;
    this.body[node] = body;
    this.packetId[node] = 0;
    this.flags[node] = flags;
    this.left[node] = 0;
    this.next[node] = NONE;
    return node;
  }

  give(node: number): void {
    this.next[node] = this.#freeHead;
    this.#freeHead = node;
  }
}
