// What became of the snapshots of a server, for its rows: the last one that was written, how many were and were not,
// and what was taken from the one before it. Without a file all of it is 0 but the age, which then is the server's.

import type { Clock } from '#core/clock/clock.ts';
import type { SavedSnapshot } from '#reference-server/snapshot/snapshot-desk.ts';
import type { Restored } from '#reference-server/worker/worker-message.ts';

const US_PER_S = 1e6;

export class SaveFigures {
  readonly restored: Restored;
  /** Of the last one that was written, 0 = none was. */
  durationS = 0;
  bytes = 0;
  users = 0;
  messages = 0;
  /** Ever. */
  saves = 0;
  failures = 0;
  readonly #clock: Clock;
  /** When the last one was begun that was written: what came later is in no file. At first, the start. */
  #beganUs: number;

  constructor(clock: Clock, restored: Restored) {
    this.#clock = clock;
    this.#beganUs = clock.monoUs();
    this.restored = restored;
  }

  /** What a server that is killed now would lose, s of its work. */
  get ageS(): number {
    return (this.#clock.monoUs() - this.#beganUs) / US_PER_S;
  }

  get restoredUsers(): number {
    return this.restored.users;
  }

  get restoredMessages(): number {
    return this.restored.messages;
  }

  get restoreRefused(): number {
    return this.restored.dropped;
  }

  /** Waits for what `write` writes, and notes what became of it. */
  async note(write: () => Promise<SavedSnapshot>): Promise<SavedSnapshot> {
    const beganUs = this.#clock.monoUs();
    try {
      const saved = await write();
      this.saves++;
      this.#beganUs = beganUs;
      this.durationS = (this.#clock.monoUs() - beganUs) / US_PER_S;
      this.bytes = saved.bytes;
      this.users = saved.users;
      this.messages = saved.messages;
      return saved;
    } catch (error) {
      this.failures++;
      throw error;
    }
  }
}
