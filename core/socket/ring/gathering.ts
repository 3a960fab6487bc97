// Decides whether a sleep gathers events before it ends. Gathering pays while it makes sleeps fewer: several events
// come in the time that it takes, and one wake-up serves them all. Where one answer waits for the other (few
// clients, each of which sends when it has been answered) it holds every event up and saves nothing.
//
// So the two are compared, all the time: events from one sleep to the next, plain, then in a short trial. A trial
// that did not bring PAYS_RATIO times as many is followed by plain sleeps, twice as many each time; one that
// did by many that gather, then by a few plain ones to compare with again.

const PLAIN_SLEEPS_MIN = 16;
/** A trial of 8 in 4,096: what a loop that must not gather loses is below one part in a hundred. */
const PLAIN_SLEEPS_MAX = 4096;
const TRIAL_SLEEPS = 8;
const PAYING_SLEEPS = 256;
const PAYS_RATIO = 1.5;

type Phase = 'plain' | 'trial' | 'paying';

export class Gathering {
  #phase: Phase = 'plain';
  #sleeps = PLAIN_SLEEPS_MIN;
  #sleepsLeft = PLAIN_SLEEPS_MIN;
  #events = 0;
  /** Events from one plain sleep to the next. */
  #plainEvents = 0;
  #nextPlain = PLAIN_SLEEPS_MIN;

  /** Whether the next sleep gathers. */
  get isOn(): boolean {
    return this.#phase !== 'plain';
  }

  /** So many events were served since the last sleep began; call it before the next one does. */
  served(events: number): void {
    // A sleep that only its time ended says nothing of either.
    if (events === 0) return;
    this.#events += events;
    if (--this.#sleepsLeft > 0) return;
    const mean = this.#events / this.#sleeps;
    if (this.#phase === 'plain') {
      this.#plainEvents = mean;
      this.#begin('trial', TRIAL_SLEEPS);
    } else if (this.#phase === 'paying') {
      this.#begin('plain', PLAIN_SLEEPS_MIN);
    } else if (mean >= this.#plainEvents * PAYS_RATIO) {
      this.#nextPlain = PLAIN_SLEEPS_MIN;
      this.#begin('paying', PAYING_SLEEPS);
    } else {
      this.#begin('plain', this.#nextPlain);
      this.#nextPlain = Math.min(this.#nextPlain * 2, PLAIN_SLEEPS_MAX);
    }
  }

  #begin(phase: Phase, sleeps: number): void {
    this.#phase = phase;
    this.#sleeps = this.#sleepsLeft = sleeps;
    this.#events = 0;
  }
}
