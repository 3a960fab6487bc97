// All subscriptions of one worker's sessions: the tree that finds them by topic, and the bounds.

import type { BrokerPeers } from '#reference-server/broker/broker.ts';
import type { BrokerLimits } from '#reference-server/broker/broker-limits.ts';
import type { Session, Subscription } from '#reference-server/broker/session.ts';
import { SharedGroup, sharedFilter } from '#reference-server/broker/shared-group.ts';
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
  readonly #isOnline: (row: number) => boolean;
  count = 0;

  constructor(limits: BrokerLimits, peers: BrokerPeers, isOnline: (row: number) => boolean) {
    this.#limits = limits;
    this.#peers = peers;
    this.#isOnline = isOnline;
  }

  /** Whether there is room for one more of this session. */
  hasRoom(session: Session, filter: string): boolean {
    if (session.subscriptions.has(filter)) return true;
    const { sessionSubscriptionsMax, subscriptionsMax } = this.#limits;
    return session.subscriptions.size < sessionSubscriptionsMax && this.count < subscriptionsMax;
  }

  /** Adds or replaces [MQTT-3.8.4-3]; true when it is new. */
  add(session: Session, filter: string, options: SubscriptionOptions): boolean {
    const inner = sharedFilter(filter);
    const group = inner === undefined ? undefined : this.#obtainGroup(filter, inner);
    const subscription: Subscription = { session, filter, group, ...options };
    const isNew = !session.subscriptions.has(filter);
    session.subscriptions.set(filter, subscription);
    if (group === undefined) this.tree.set(filter, session, subscription);
    else {
      group.join(subscription);
      this.tellGroup(group);
    }
    if (isNew) {
      this.count++;
      if (group === undefined) this.#peers.interest(filter, 1);
    }
    return isNew;
  }

  /** Removes one; false when there was none. */
  remove(session: Session, filter: string): boolean {
    const subscription = session.subscriptions.get(filter);
    if (subscription === undefined) return false;
    session.subscriptions.delete(filter);
    this.count--;
    const { group } = subscription;
    if (group === undefined) {
      this.tree.delete(filter, session);
      this.#peers.interest(filter, -1);
      return true;
    }
    group.leave(session);
    this.tellGroup(group);
    this.#dropEmpty(group);
    return true;
  }

  group(key: string): SharedGroup | undefined {
    return this.#groups.get(key);
  }

  /** Another worker says what members a group has there. */
  setRemote(key: string, worker: number, online: number, all: number): void {
    const inner = sharedFilter(key);
    if (inner === undefined) return;
    const group = this.#obtainGroup(key, inner);
    group.setRemote(worker, online, all);
    this.#dropEmpty(group);
  }

  /** A session came or went: its groups have one more or less who is ready. */
  tellGroups(session: Session): void {
    for (const { group } of session.subscriptions.values()) {
      if (group !== undefined) this.tellGroup(group);
    }
  }

  /** Tells the other workers what members a group has here. */
  tellGroup(group: SharedGroup): void {
    this.#peers.share(group.key, this.onlineOf(group), group.members.length);
  }

  onlineOf({ members }: SharedGroup): number {
    let online = 0;
    for (const { session } of members) if (this.#isOnline(session.row)) online++;
    return online;
  }

  #obtainGroup(key: string, inner: string): SharedGroup {
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new SharedGroup(key, inner);
      this.#groups.set(key, group);
      this.tree.set(inner, group, group);
    }
    return group;
  }

  #dropEmpty(group: SharedGroup): void {
    if (!group.isEmpty) return;
    this.tree.delete(group.filter, group);
    this.#groups.delete(group.key);
  }

  removeAll(session: Session): void {
    for (const filter of [...session.subscriptions.keys()]) this.remove(session, filter);
  }
}
