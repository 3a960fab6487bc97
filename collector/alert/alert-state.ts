// Where one alert stands: quiet, about to be raised, raised. Two conditions with a hold each are its hysteresis. A
// tick in which nothing is known changes nothing; a raised alert about which nothing is known for a minute is lost,
// which is neither. Time is that of the ticks, so the same rows always give the same alerts.

import type { AlertRule } from '#collector/alert/alert-rule.ts';

export type Transition = 'raised' | 'cleared' | 'lost';

/** A raised alert without values is given up after this. */
const LOST_S = 60;

export class AlertState {
  /** Raises and clears that were not told because the last raise was too recent. */
  suppressed = 0;
  isRaised = false;
  /** How long the alert was raised, when it was cleared last. */
  raisedS = 0;
  readonly #rule: Pick<AlertRule, 'forS' | 'clearForS' | 'everyS'>;
  /** Since when what would change the state holds; NaN: it does not. */
  #sinceS = Number.NaN;
  #raisedAtS = Number.NaN;
  #toldAtS = Number.NEGATIVE_INFINITY;
  #isTold = false;
  #knownAtS = 0;

  constructor(rule: Pick<AlertRule, 'forS' | 'clearForS' | 'everyS'>) {
    this.#rule = rule;
  }

  /**
   * A tick at `nowS`: whether the condition to raise and that to clear hold; undefined: not known. Returns what is
   * to be told.
   */
  step(
    raises: boolean | undefined,
    clears: boolean | undefined,
    nowS: number,
  ): Transition | undefined {
    const changes = this.isRaised ? clears : raises;
    if (changes === undefined) return this.#unknown(nowS);
    this.#knownAtS = nowS;
    if (!changes) this.#sinceS = Number.NaN;
    else if (Number.isNaN(this.#sinceS)) this.#sinceS = nowS;
    const holdS = this.isRaised ? this.#rule.clearForS : this.#rule.forS;
    if (changes && nowS - this.#sinceS >= holdS) return this.#change(nowS);
    return this.#tellLate(nowS);
  }

  #unknown(nowS: number): Transition | undefined {
    if (!this.isRaised || nowS - this.#knownAtS < LOST_S) return undefined;
    this.#end(nowS);
    return this.#isTold ? 'lost' : undefined;
  }

  #change(nowS: number): Transition | undefined {
    if (this.isRaised) {
      this.#end(nowS);
      return this.#isTold ? 'cleared' : undefined;
    }
    this.isRaised = true;
    this.#sinceS = Number.NaN;
    this.#raisedAtS = nowS;
    this.#isTold = nowS - this.#toldAtS >= this.#rule.everyS;
    if (!this.#isTold) {
      this.suppressed++;
      return undefined;
    }
    this.#toldAtS = nowS;
    return 'raised';
  }

  /** A raise that came too soon to be told is told when it lasts. */
  #tellLate(nowS: number): Transition | undefined {
    if (!this.isRaised || this.#isTold || nowS - this.#toldAtS < this.#rule.everyS)
      return undefined;
    this.#isTold = true;
    this.#toldAtS = nowS;
    return 'raised';
  }

  #end(nowS: number): void {
    this.raisedS = nowS - this.#raisedAtS;
    this.isRaised = false;
    this.#sinceS = Number.NaN;
  }
}
