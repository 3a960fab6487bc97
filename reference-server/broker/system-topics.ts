// What the server says about itself, $SYS/...: the last text of each topic, in every worker, so that a subscription
// finds them where it is made. Beside the retained messages of clients: they take nothing of their bounds and
// are not counted among them. Only the main thread writes here (report/sys-topics.ts), never a client.

import { assert } from '#core/assert.ts';
import { Message } from '#reference-server/broker/message.ts';
import { isMatch } from '#reference-server/broker/topic-tree.ts';

const PREFIX = '$SYS/';
const NO_PROPERTIES = new Uint8Array(0);
/** Topics that there can be: a fixed tree, ranks, and a few for each worker. */
const TOPICS_MAX = 4096;

/** Whether a filter can match a topic of the server, and no other. */
export function isSystemFilter(filter: string): boolean {
  const bare = filter.startsWith('$share/') ? filter.split('/').slice(2).join('/') : filter;
  return bare === '$SYS' || bare.startsWith(PREFIX);
}

export class SystemTopics {
  readonly #messages = new Map<string, Message>();

  /** The new text of a topic, as a message; an empty text deletes it. */
  put(topic: string, text: string): Message {
    assert(topic.startsWith(PREFIX), 'the server speaks under $SYS/');
    const message = new Message(
      Buffer.from(topic),
      NO_PROPERTIES,
      Buffer.from(text),
      0,
      true,
      Number.POSITIVE_INFINITY,
    );
    if (text === '') this.#messages.delete(topic);
    else this.#messages.set(topic, message);
    assert(this.#messages.size <= TOPICS_MAX, 'the topics of the server are a fixed tree');
    return message;
  }

  /** Calls `found` for every topic that matches `filter`. */
  match(filter: string, found: (message: Message) => void): void {
    if (!filter.startsWith('$')) return;
    for (const [topic, message] of this.#messages) if (isMatch(filter, topic)) found(message);
  }
}
