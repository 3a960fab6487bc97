// Searches the highest message rate at which a rule holds: doubles the rate while it holds, then halves
// the interval between the last that held and the first that did not, on a scale of ratios, until both
// lie within RESOLUTION. After a step that did not hold, a pause lets the backlog go away, so that a
// step does not pay for the one before it. Pure: who runs it turns the rate and tells what came of it.

/** The search ends when the rate that failed is at most this many times the one that held. */
const RESOLUTION = 1.08;
/** A search that has not ended by then ends with what it knows. */
const STEPS_MAX = 40;

export type StepVerdict =
  | 'held'
  /** The rule did not hold. */
  | 'broken'
  /** The generator could not keep its plan: says nothing about the target. */
  | 'late';

export interface SearchStep {
  ratePerS: number;
  /** What the rule asked for; null when it could not be told. */
  value: number | null;
  verdict: StepVerdict;
}

export interface SearchResult {
  /** Highest rate that held; 0 = none did. */
  ratePerS: number;
  /** What ended the search from above. */
  limitedBy: 'rule' | 'generator' | 'rate-max' | 'time';
  steps: SearchStep[];
}

export class RateSearch {
  readonly #rateMax: number;
  readonly #resolution: number;
  readonly #steps: SearchStep[] = [];
  #held = 0;
  #broken = Number.POSITIVE_INFINITY;
  #brokenBy: StepVerdict = 'broken';
  #ratePerS: number;

  constructor(startPerS: number, rateMaxPerS: number, resolution = RESOLUTION) {
    this.#resolution = resolution;
    this.#rateMax = rateMaxPerS;
    this.#ratePerS = Math.min(startPerS, rateMaxPerS);
  }

  /** Rate of the step that is to be tried now. */
  get ratePerS(): number {
    return this.#ratePerS;
  }

  get steps(): readonly SearchStep[] {
    return this.#steps;
  }

  get isDone(): boolean {
    if (this.#steps.length >= STEPS_MAX || this.#held >= this.#rateMax) return true;
    // A rate under one message a second is none.
    if (this.#held === 0) return this.#broken <= 1;
    return this.#broken / this.#held <= this.#resolution;
  }

  /** Takes the verdict of the current step and goes to the next. */
  tell(verdict: StepVerdict, value: number | null): void {
    const ratePerS = this.#ratePerS;
    this.#steps.push({ ratePerS, value, verdict });
    if (verdict === 'held') this.#held = Math.max(this.#held, ratePerS);
    else if (ratePerS < this.#broken) {
      this.#broken = ratePerS;
      this.#brokenBy = verdict;
    }
    if (this.#broken === Number.POSITIVE_INFINITY) {
      this.#ratePerS = Math.min(this.#rateMax, ratePerS * 2);
    } else if (this.#held === 0) this.#ratePerS = Math.max(1, ratePerS / 4);
    else this.#ratePerS = Math.round(Math.sqrt(this.#held * this.#broken));
  }

  result(): SearchResult {
    return { ratePerS: this.#held, limitedBy: this.#limit(), steps: [...this.#steps] };
  }

  #limit(): SearchResult['limitedBy'] {
    if (this.#held >= this.#rateMax) return 'rate-max';
    if (!this.isDone || this.#steps.length >= STEPS_MAX) return 'time';
    return this.#brokenBy === 'late' ? 'generator' : 'rule';
  }
}
