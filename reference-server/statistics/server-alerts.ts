// What somebody should look at, from the figures of a second. An alert is raised after RAISE_TICKS in a row and clears
// after as many with the figure at half of its bound or below, so that it does not flap. Pure.

export interface AlertFigures {
  /** Receivers that are there and have not accepted their oldest message for STUCK_S. */
  stuck: number;
  slow: number;
  /** Longest mailbox, per cent of what a mailbox may hold. */
  longestPercent: number;
  /** Stored messages, per cent of what the server may hold. */
  storedPercent: number;
  /** All mailboxes are empty after so long; Infinity = they grow. */
  drainS: number;
  /** Messages in them: a few that never drain are nobody's concern. */
  queued: number;
}

interface Rule {
  name: string;
  /** What it says, with the figure that raised it. */
  text: (value: number) => string;
  value: (figures: AlertFigures) => number;
  bound: number;
}

const RAISE_TICKS = 3;
const QUEUED_MIN = 10_000;

const RULES: readonly Rule[] = [
  {
    name: 'stuck-receivers',
    text: (value) => `${value} receivers are online and do not accept what they were sent`,
    value: ({ stuck }) => stuck,
    bound: 1,
  },
  {
    name: 'slow-receivers',
    text: (value) => `${value} receivers accept messages slowly`,
    value: ({ slow }) => slow,
    bound: 1,
  },
  {
    name: 'mailbox-near-full',
    text: (value) => `the longest mailbox is ${value.toFixed(0)} % full`,
    value: ({ longestPercent }) => longestPercent,
    bound: 90,
  },
  {
    name: 'store-near-full',
    text: (value) => `the store of messages is ${value.toFixed(0)} % full`,
    value: ({ storedPercent }) => storedPercent,
    bound: 80,
  },
  {
    name: 'slow-drain',
    text: (value) => `the mailboxes are empty after ${value.toFixed(0)} s`,
    value: ({ drainS, queued }) => (queued < QUEUED_MIN || !(drainS < 1e9) ? 0 : drainS),
    bound: 600,
  },
];

export const ALERT_NAMES = RULES.map(({ name }) => name);

export interface AlertChange {
  name: string;
  isRaised: boolean;
  text: string;
}

export class ServerAlerts {
  readonly #above = new Map<string, number>();
  readonly #below = new Map<string, number>();
  /** What is raised now, and what it says. */
  readonly raised = new Map<string, string>();

  /** Once a second; returns what changed. */
  observe(figures: AlertFigures): AlertChange[] {
    const changes: AlertChange[] = [];
    for (const { name, text, value: of, bound } of RULES) {
      const value = of(figures);
      const isRaised = this.raised.has(name);
      const above = count(this.#above, name, value >= bound);
      const below = count(this.#below, name, value <= bound / 2);
      if (isRaised) this.raised.set(name, text(value));
      if (!isRaised && above >= RAISE_TICKS) {
        this.raised.set(name, text(value));
        changes.push({ name, isRaised: true, text: text(value) });
      } else if (isRaised && below >= RAISE_TICKS) {
        this.raised.delete(name);
        changes.push({ name, isRaised: false, text: text(value) });
      }
    }
    return changes;
  }
}

/** How many times in a row. */
function count(counts: Map<string, number>, name: string, isTrue: boolean): number {
  const now = isTrue ? (counts.get(name) ?? 0) + 1 : 0;
  counts.set(name, now);
  return now;
}
