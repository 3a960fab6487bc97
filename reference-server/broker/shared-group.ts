// A shared subscription (5: 4.8.2): each message goes to one member of all workers. The worker that routes a
// message chooses whose turn it is: members take turns in proportion to how many each worker has; who is
// online comes before whose session only waits. What the other workers have, they tell (`setRemote`).

import type { Session, Subscription } from '#reference-server/broker/session.ts';

/** Members of one worker. */
interface Crowd {
  online: number;
  all: number;
}

export class SharedGroup {
  /** As clients write it: `$share/<name>/<filter>`. */
  readonly key: string;
  /** The filter without `$share/<name>/`. */
  readonly filter: string;
  /** Those of this worker. */
  readonly members: Subscription[] = [];
  readonly #remote = new Map<number, Crowd>();
  #turn = 0;
  #workerTurn = 0;

  constructor(key: string, filter: string) {
    this.key = key;
    this.filter = filter;
  }

  /** Nobody anywhere. */
  get isEmpty(): boolean {
    return this.members.length === 0 && this.#remote.size === 0;
  }

  /** Adds a member, or replaces what it had. */
  join(subscription: Subscription): void {
    const at = this.members.findIndex(({ session }) => session === subscription.session);
    if (at < 0) this.members.push(subscription);
    else this.members[at] = subscription;
  }

  leave(session: Session): void {
    const at = this.members.findIndex((member) => member.session === session);
    if (at >= 0) this.members.splice(at, 1);
  }

  /** What another worker has. */
  setRemote(worker: number, online: number, all: number): void {
    if (all === 0) this.#remote.delete(worker);
    else this.#remote.set(worker, { online, all });
  }

  /** The worker whose member gets the next message; `online` of this one's members are. */
  chooseWorker(self: number, online: number): number {
    if (this.#remote.size === 0) return self;
    let onlineAll = online;
    let all = this.members.length;
    for (const crowd of this.#remote.values()) {
      onlineAll += crowd.online;
      all += crowd.all;
    }
    const isSomebodyOnline = onlineAll > 0;
    let left = this.#workerTurn++ % (isSomebodyOnline ? onlineAll : all);
    for (const [worker, crowd] of this.#remote) {
      left -= isSomebodyOnline ? crowd.online : crowd.all;
      if (left < 0) return worker;
    }
    return self;
  }

  /**
   * The member here whose turn it is. `rank` says how well a member is placed: 2 = ready, 1 = online,
   * 0 = waiting, below = no candidate.
   */
  choose(rank: (subscription: Subscription) => number): Subscription | undefined {
    const { members } = this;
    let best: Subscription | undefined;
    let bestRank = -1;
    for (let i = 0; i < members.length && bestRank < 2; i++) {
      const at = (this.#turn + i) % members.length;
      const given = rank(members[at]!);
      if (given <= bestRank) continue;
      best = members[at]!;
      bestRank = given;
    }
    if (best !== undefined) this.#turn = members.indexOf(best) + 1;
    return best;
  }
}

/** The filter in `$share/<name>/<filter>`; undefined for other filters. */
export function sharedFilter(filter: string): string | undefined {
  if (!filter.startsWith('$share/')) return undefined;
  return filter.slice(filter.indexOf('/', 7) + 1);
}
