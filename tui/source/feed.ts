// A feed: where messages come from, a lab's bus or a collector of our own.

import type { KnobState, KnobValue } from '#core/knob/knob.ts';
import type { Message } from '#tui/model/message.ts';

/** What a feed tells. */
export interface FeedListener {
  message(message: Message): void;
  /** Something came that was no message. */
  malformed(): void;
  /** The feed is over; one sentence why. Called once, and not after `close`. */
  lost(why: string): void;
}

export interface Feed {
  /** Asks for a knob turn; resolves with the owner's answer, rejects with one sentence when there is none. */
  turn(owner: string, name: string, value: KnobValue): Promise<KnobState>;
  close(): Promise<void>;
}
