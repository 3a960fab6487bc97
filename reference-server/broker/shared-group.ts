// A shared subscription (5: 4.8.2): each message goes to one member. Members take turns; those who are
// online and have room come first, then those who are online, then those whose session waits.

import type { Session, Subscription } from '#reference-server/broker/session.ts';

export class SharedGroup {
  readonly name: string;
  /** The filter without `$share/<name>/`. */
  readonly filter: string;
  readonly members: Subscription[] = [];
  #turn = 0;

  constructor(name: string, filter: string) {
    this.name = name;
    this.filter = filter;
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

  /**
   * The member whose turn it is. `rank` says how well a member is placed: 2 = ready, 1 = online,
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

/** Cuts `$share/<name>/<filter>`; undefined for other filters. */
export function sharedParts(filter: string): { name: string; filter: string } | undefined {
  if (!filter.startsWith('$share/')) return undefined;
  const nameEnd = filter.indexOf('/', 7);
  return { name: filter.slice(7, nameEnd), filter: filter.slice(nameEnd + 1) };
}
