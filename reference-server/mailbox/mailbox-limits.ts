// Bounds of the mailboxes, what they answer when one is reached, and where the figures of each mailbox stand.

/** Words of a box's figures in `flow` (boxes.ts). */
export const FLOW = {
  /** Counters, modulo 2^32. */
  enqueued: 0,
  dequeued: 1,
  /** When its oldest message was stored; 0 = it is empty. */
  oldestS: 2,
  /** Messages in it. Beside the others, in one line of the cache: whoever counts it has the others at hand. */
  length: 3,
  /** Whose mailbox it is. */
  user: 4,
} as const;
export const FLOW_WORDS = 5;

/** Why `put` refused. */
export const REFUSAL = {
  /** The mailbox has its most messages. */
  mailboxMessages: -1,
  /** The mailbox has its most bytes. */
  mailboxBytes: -2,
  /** The worker has its most messages. */
  messages: -3,
  /** The worker has its most bytes. */
  bytes: -4,
} as const;

export interface MailboxLimits {
  /** Rows of the user table. */
  users: number;
  /** Most messages of all mailboxes. */
  messagesMax: number;
  /** Most payload bytes of all mailboxes (in blocks of powers of two). */
  bytesMax: number;
  mailboxMessagesMax: number;
  mailboxBytesMax: number;
  /** Most messages that are sent and not accepted, a receiver. */
  windowMessagesMax: number;
  /** Most of their bytes; a single larger message may still go alone. */
  windowBytesMax: number;
  /** How often a message may be the first of a window that a connection left behind. */
  redeliveriesMax: number;
}

/** Of receipts: how many one node has, their bytes; what part of a mailbox they may take, and how many nodes. */
export const RECEIPT_BOUNDS = {
  countMax: 100,
  bytesMax: 32 * 1024,
  share: 1 / 4,
  nodesMax: 255,
} as const;
