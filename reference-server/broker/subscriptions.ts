// All subscriptions of one worker's sessions: the tree that finds them by topic, and the bounds.

import type { BrokerPeers } from '#reference-server/broker/broker.ts';
import type { BrokerLimits } from '#reference-server/broker/broker-limits.ts';
import type { Session, Subscription } from '#reference-server/broker/session.ts';
import { SharedGroup, sharedParts } from '#reference-server/broker/shared-group.ts';
import { TopicTree } from '#reference-server/broker/topic-tree.ts';

export interface SubscriptionOptions {
  qos: number;
  noLocal: boolean;
  retainAsPublished: boolean;
  /** Subscription Identifier; 0 = none. */
  id: number;
}

/** What a place of the tree holds: a session's own subscription, or a group. */
export type Target = Subscription | SharedGroup;

export class Subscriptions {
  readonly tree = new TopicTree<Target>();
  readonly #groups = new Map<string, SharedGroup>();
  readonly #limits: BrokerLimits;
  readonly #peers: BrokerPeers;
  count = 0;

  constructor(limits: BrokerLimits, peers: BrokerPeers) {
    this.#limits = limits;
    this.#peers = peers;
  }

  /** Whether there is room for one more of this session. */
  hasRoom(session: Session, filter: string): boolean {
    if (session.subscriptions.has(filter)) return true;
    const { sessionSubscriptionsMax, subscriptionsMax } = this.#limits;
    return session.subscriptions.size < sessionSubscriptionsMax && this.count < subscriptionsMax;
  }

  /** Adds or replaces [MQTT-3.8.4-3]; true when it is new. */
  add(session: Session, filter: string, options: SubscriptionOptions): boolean {
    const parts = sharedParts(filter);
    let group: SharedGroup | undefined;
    if (parts !== undefined) {
      group = this.#groups.get(filter) ?? new SharedGroup(parts.name, parts.filter);
      this.#groups.set(filter, group);
    }
    const subscription: Subscription = { session, filter, group, ...options };
    const isNew = !session.subscriptions.has(filter);
    session.subscriptions.set(filter, subscription);
    if (group !== undefined) {
      group.join(subscription);
      if (group.members.length === 1) this.tree.set(group.filter, group, group);
    } else this.tree.set(filter, session, subscription);
    if (isNew) {
      this.count++;
      this.#peers.interest(parts?.filter ?? filter, 1);
    }
    return isNew;
  }

  /** Removes one; false when there was none. */
  remove(session: Session, filter: string): boolean {
    const subscription = session.subscriptions.get(filter);
    if (subscription === undefined) return false;
    session.subscriptions.delete(filter);
    const { group } = subscription;
    if (group === undefined) this.tree.delete(filter, session);
    else {
      group.leave(session);
      if (group.members.length === 0) {
        this.tree.delete(group.filter, group);
        this.#groups.delete(filter);
      }
    }
    this.count--;
    this.#peers.interest(group?.filter ?? filter, -1);
    return true;
  }

  removeAll(session: Session): void {
    for (const filter of [...session.subscriptions.keys()]) this.remove(session, filter);
  }
}
