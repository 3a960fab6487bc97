// Presence: 'online' and 'offline' on p/<uid>, for who subscribed to it (a chat that is open). Published by the
// home of the user, never stored and never queued. Nothing is done for a user whom nobody watches, and
// while nobody watches anybody a login costs one look at a shared counter.
//
// Who comes back within the delay was not away [will delay of 3.8]. A new watcher asks the home of
// the user, which says how things are to all who watch.

import type { Clock } from '#core/clock/clock.ts';
import type { Broker } from '#reference-server/broker/broker.ts';
import { DueHeap } from '#reference-server/broker/due-heap.ts';
import { Message } from '#reference-server/broker/message.ts';
import { homeOf } from '#reference-server/home/uid-hash.ts';
import { USER, type UserState } from '#reference-server/home/user-state.ts';
import type { UserTable } from '#reference-server/home/user-table.ts';
import { USER_TOPIC_BYTES_MAX, writeUserTopic } from '#reference-server/home/user-topic.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';

const PRESENCE_PREFIX = 0x70;
/** 'p/' before the uid. */
const PREFIX_BYTES = 2;
/** Users whose leaving waits to be told; beyond, in a storm, nobody hears of it. */
const LEAVING_MAX = 100_000;
const NOTHING = new Uint8Array(0);
const ONLINE = Buffer.from('online');
const OFFLINE = Buffer.from('offline');

export interface PresenceOptions {
  /** How long a user is away before others hear of it, ms. */
  delayMs: number;
  users: UserTable;
  state: UserState;
  broker: Broker;
  clock: Clock;
  exchange: Exchange;
  /** Whether anybody of any worker watches anybody. */
  isAnyoneWatching: () => boolean;
  /** Whether presence is not told for now, because there is no memory for messages. */
  isShed: () => boolean;
  stats: WorkerStats;
}

export class Presence {
  /** How long a user is away before others hear of it, ms. */
  delayMs: number;
  readonly #options: PresenceOptions;
  readonly #topic = new Uint8Array(USER_TOPIC_BYTES_MAX);
  /** Topics of users who have left. */
  readonly #leaving = new DueHeap<Uint8Array>();

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.delayMs = options.delayMs;
  }

  /** True while somebody's leaving is still to be told. */
  get isWaiting(): boolean {
    return this.#leaving.size > 0;
  }

  cameOnline(row: number): void {
    if (this.#options.isAnyoneWatching()) this.#publish(this.#topicOf(row), ONLINE);
  }

  wentOffline(row: number): void {
    const { isAnyoneWatching, clock } = this.#options;
    const { delayMs } = this;
    if (isAnyoneWatching() && this.#leaving.size < LEAVING_MAX) {
      this.#leaving.push(clock.monoUs() / 1000 + delayMs, this.#topicOf(row));
    }
  }

  /** Lets the home of the uid in `p/<uid>` tell how things are with it. */
  ask(filter: string): void {
    const { users, exchange } = this.#options;
    const topic = Buffer.from(filter);
    const hash = users.hashOf(topic, PREFIX_BYTES, topic.length);
    exchange.presence(homeOf(hash, exchange.workers), topic, PREFIX_BYTES, topic.length);
  }

  /** Says how things are with the uid in [start, end). */
  tell(bytes: Uint8Array, start: number, end: number): void {
    const topic = new Uint8Array(PREFIX_BYTES + end - start);
    topic.set([PRESENCE_PREFIX, 0x2f]);
    topic.set(bytes.subarray(start, end), PREFIX_BYTES);
    this.#publish(topic, this.#isOnline(topic) ? ONLINE : OFFLINE);
  }

  /** Tells of those who have been away for long enough. */
  tick(): void {
    const nowMs = this.#options.clock.monoUs() / 1000;
    for (;;) {
      const topic = this.#leaving.pop(nowMs);
      if (topic === undefined) return;
      if (!this.#isOnline(topic)) this.#publish(topic, OFFLINE);
    }
  }

  #isOnline(topic: Uint8Array): boolean {
    const { users, state } = this.#options;
    const hash = users.hashOf(topic, PREFIX_BYTES, topic.length);
    const row = users.find(topic, PREFIX_BYTES, topic.length, hash);
    return row >= 0 && state.has(row, USER.online);
  }

  #topicOf(row: number): Uint8Array {
    const length = writeUserTopic(this.#topic, PRESENCE_PREFIX, this.#options.users, row);
    return this.#topic.slice(0, length);
  }

  #publish(topic: Uint8Array, payload: Uint8Array): void {
    const { isShed, stats } = this.#options;
    if (isShed()) {
      stats[STAT.presenceShed]!++;
      return;
    }
    const never = Number.POSITIVE_INFINITY;
    this.#options.broker.publish(new Message(topic, NOTHING, payload, 0, false, never));
  }
}
