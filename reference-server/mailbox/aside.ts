// Messages that were put aside because their receiver could not take them (poison): a list of nodes that stand in no
// mailbox any more, oldest first. So many are kept; the oldest makes room. Cost: none beside their nodes and bodies.

import type { Nodes } from '#reference-server/mailbox/nodes.ts';

const NONE = -1;
/** Messages that are kept. */
export const ASIDE_MAX = 256;

export class Aside {
  /** First node, -1 = none; the next ones by `nodes.next`. */
  head = NONE;
  kept = 0;
  /** Ever: the first one that is kept is number `added - kept`. */
  added = 0;
  #tail = NONE;
  readonly #nodes: Nodes;

  constructor(nodes: Nodes) {
    this.#nodes = nodes;
  }

  /** Keeps a node; returns the oldest one when that has to go for it, else -1. */
  add(node: number): number {
    const { next } = this.#nodes;
    next[node] = NONE;
    if (this.head === NONE) this.head = node;
    else next[this.#tail] = node;
    this.#tail = node;
    this.added++;
    if (++this.kept <= ASIDE_MAX) return NONE;
    const oldest = this.head;
    this.head = next[oldest]!;
    this.kept--;
    return oldest;
  }
}
