// The retained messages: the last one of each topic that was published with RETAIN (3.3.1.3). Every worker
// has all of them, so that a subscription finds them where it is made; which of two is the later one
// is decided by a number that rises with every retained PUBLISH of the whole server, so all workers
// agree. Bounded in number and bytes: what is refused is counted, and the topic keeps what it had.

import type { Message } from '#reference-server/broker/message.ts';
import { isMatch } from '#reference-server/broker/topic-tree.ts';

interface Entry {
  /** Undefined: was deleted by an empty payload, remembered until older ones cannot come any more. */
  message: Message | undefined;
  version: number;
}

export interface RetainedLimits {
  retainedMax: number;
  retainedBytesMax: number;
}

/** Deletions that are remembered. */
const DELETIONS_MAX = 1024;

export class RetainedStore {
  readonly #entries = new Map<string, Entry>();
  readonly #limits: RetainedLimits;
  #deletions = 0;
  /** Messages, and their bytes. */
  count = 0;
  bytes = 0;
  refused = 0;

  constructor(limits: RetainedLimits) {
    this.#limits = limits;
  }

  /** Keeps, replaces or (empty payload) deletes [MQTT-3.3.1-5..7]; false when there is no room. */
  put(message: Message, version: number): boolean {
    const key = message.topicText;
    const old = this.#entries.get(key);
    if (old !== undefined && old.version > version) return true;
    const oldBytes = old?.message?.bytes ?? 0;
    if (message.payload.length === 0) {
      this.#remove(key, old);
      this.#remember(key, version);
      return true;
    }
    const hasRoom =
      this.count + (old?.message === undefined ? 1 : 0) <= this.#limits.retainedMax &&
      this.bytes - oldBytes + message.bytes <= this.#limits.retainedBytesMax;
    if (!hasRoom) {
      this.refused++;
      return false;
    }
    this.#remove(key, old);
    this.#entries.set(key, { message, version });
    this.count++;
    this.bytes += message.bytes;
    return true;
  }

  /**
   * Calls `found` for every retained message that matches `filter` and has not expired, in the order of
   * their topics: a topic comes before those below it.
   */
  match(filter: string, nowMs: number, found: (message: Message) => void): void {
    if (!/[+#]/.test(filter)) {
      const entry = this.#entries.get(filter);
      if (entry !== undefined) this.#offer(filter, entry, nowMs, found);
      return;
    }
    const topics: string[] = [];
    for (const [topic, { message }] of this.#entries) {
      if (message !== undefined && isMatch(filter, topic)) topics.push(topic);
    }
    for (const topic of topics.sort()) this.#offer(topic, this.#entries.get(topic)!, nowMs, found);
  }

  /** Those of now that are still there when their turn comes, each once, however fast they change. */
  *messages(): Generator<Message> {
    for (const topic of [...this.#entries.keys()]) {
      const message = this.#entries.get(topic)?.message;
      if (message !== undefined) yield message;
    }
  }

  #offer(topic: string, entry: Entry, nowMs: number, found: (message: Message) => void): void {
    const { message } = entry;
    if (message === undefined) return;
    if (message.expiresMs <= nowMs) this.#remove(topic, entry);
    else found(message);
  }

  #remove(key: string, entry: Entry | undefined): void {
    if (entry === undefined) return;
    this.#entries.delete(key);
    if (entry.message === undefined) this.#deletions--;
    else {
      this.count--;
      this.bytes -= entry.message.bytes;
    }
  }

  #remember(key: string, version: number): void {
    if (this.#deletions >= DELETIONS_MAX) {
      for (const [topic, entry] of this.#entries) {
        if (entry.message === undefined) {
          this.#remove(topic, entry);
          break;
        }
      }
    }
    this.#entries.set(key, { message: undefined, version });
    this.#deletions++;
  }
}
