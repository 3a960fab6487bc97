// The subscriptions of one worker as a tree of topic levels: one node a level, '+' and '#' beside the
// named children. Matching a topic visits only nodes that lie on its way.
//
// Wildcards at the first level do not see topics that begin with '$' [MQTT-4.7.2-1]. Generic in what a
// subscription is, so that the tree is tested alone.

interface Node<T> {
  /** Named children; '+' is a name like others here, because no topic has that level. */
  children: Map<string, Node<T>> | undefined;
  /** Subscriptions that end here, by their owner. */
  here: Map<unknown, T> | undefined;
  /** Subscriptions of this level and all below. */
  below: Map<unknown, T> | undefined;
}

export class TopicTree<T> {
  readonly #root: Node<T> = emptyNode();
  /** Subscriptions in the tree. */
  size = 0;
  /** Nodes of the tree, which bound its memory. */
  nodes = 1;

  /** Adds or replaces the subscription of `owner` to `filter`; returns the one that was there. */
  set(filter: string, owner: unknown, subscription: T): T | undefined {
    let node = this.#root;
    const levels = filter.split('/');
    const isDeep = levels.at(-1) === '#';
    if (isDeep) levels.pop();
    for (const level of levels) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) {
        child = emptyNode();
        node.children.set(level, child);
        this.nodes++;
      }
      node = child;
    }
    const list = isDeep ? (node.below ??= new Map()) : (node.here ??= new Map());
    const old = list.get(owner);
    list.set(owner, subscription);
    if (old === undefined) this.size++;
    return old;
  }

  /** Removes the subscription of `owner` to `filter`; returns it. */
  delete(filter: string, owner: unknown): T | undefined {
    const levels = filter.split('/');
    const isDeep = levels.at(-1) === '#';
    if (isDeep) levels.pop();
    const path: Node<T>[] = [this.#root];
    for (const level of levels) {
      const child = path.at(-1)!.children?.get(level);
      if (child === undefined) return undefined;
      path.push(child);
    }
    const node = path.at(-1)!;
    const list = isDeep ? node.below : node.here;
    const old = list?.get(owner);
    if (old === undefined) return undefined;
    list!.delete(owner);
    if (list!.size === 0) {
      if (isDeep) node.below = undefined;
      else node.here = undefined;
    }
    this.size--;
    this.#prune(path, levels);
    return old;
  }

  /** Calls `found` for every subscription that matches `topic`; one owner may come more than once. */
  match(topic: string, found: (subscription: T) => void): void {
    this.#match(this.#root, topic.split('/'), 0, found);
  }

  #match(node: Node<T>, levels: string[], depth: number, found: (subscription: T) => void): void {
    const isHidden = depth === 0 && levels[0]!.startsWith('$');
    if (node.below !== undefined && !isHidden) for (const one of node.below.values()) found(one);
    if (depth === levels.length) {
      if (node.here !== undefined) for (const one of node.here.values()) found(one);
      return;
    }
    const { children } = node;
    if (children === undefined) return;
    const named = children.get(levels[depth]!);
    if (named !== undefined) this.#match(named, levels, depth + 1, found);
    const any = isHidden ? undefined : children.get('+');
    if (any !== undefined) this.#match(any, levels, depth + 1, found);
  }

  /** Takes away nodes that lead nowhere any more. */
  #prune(path: Node<T>[], levels: string[]): void {
    for (let depth = path.length - 1; depth > 0; depth--) {
      const { children, here, below } = path[depth]!;
      if (here !== undefined || below !== undefined || (children?.size ?? 0) > 0) return;
      path[depth - 1]!.children!.delete(levels[depth - 1]!);
      this.nodes--;
    }
  }
}

function emptyNode<T>(): Node<T> {
  return { children: undefined, here: undefined, below: undefined };
}

/** Levels of a topic or filter; no list of them is made, as there may be 65,536. */
export function levelsOf(topic: string): number {
  let levels = 1;
  for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) levels++;
  return levels;
}

/** Whether `filter` matches `topic`: the rule itself (4.7), for single filters. */
export function isMatch(filter: string, topic: string): boolean {
  const filterLevels = filter.split('/');
  const topicLevels = topic.split('/');
  if (topic.startsWith('$') && (filterLevels[0] === '#' || filterLevels[0] === '+')) return false;
  for (let i = 0; i < filterLevels.length; i++) {
    if (filterLevels[i] === '#') return true;
    if (i >= topicLevels.length) return false;
    if (filterLevels[i] !== '+' && filterLevels[i] !== topicLevels[i]) return false;
  }
  return filterLevels.length === topicLevels.length;
}
