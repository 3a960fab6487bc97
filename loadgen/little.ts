// Little's law as a check of our own counting: the mean number of messages on their way (looked at
// many times a second) must be the rate at which they leave times the mean time they take. Three
// figures that are measured in different places; when they do not fit together, messages were lost,
// counted twice or timed wrongly. Pure.
//
// How far they may be apart: RATIO_MAX, or four standard errors of the mean (by batch means, since
// neighbouring looks are not independent), or half a message.

/** Difference that is no sign of anything. */
const RATIO_MAX = 0.05;
const MESSAGES_MIN = 0.5;
/** Batches that the looks are divided into, and looks that a batch needs. */
const BATCHES = 20;
const BATCH_LOOKS_MIN = 5;
/** 10 minutes of looks at 50 a second. More are thinned out: every second one is dropped. */
const LOOKS_MAX = 30_000;

export interface LittleCheck {
  /** Mean number of messages on their way, as looked at. */
  onTheWay: number;
  /** Rate times mean service time. */
  expected: number;
  agrees: boolean;
}

export class LittleWatch {
  #looks: number[] = [];
  #stride = 1;
  #skipped = 0;

  look(onTheWay: number): void {
    if (++this.#skipped < this.#stride) return;
    this.#skipped = 0;
    this.#looks.push(onTheWay);
    if (this.#looks.length < LOOKS_MAX) return;
    this.#looks = this.#looks.filter((_, index) => index % 2 === 0);
    this.#stride *= 2;
  }

  /** Undefined with too few looks or without messages. */
  check(ratePerS: number, meanServiceUs: number): LittleCheck | undefined {
    const looks = this.#looks;
    const size = Math.floor(looks.length / BATCHES);
    const expected = (ratePerS * meanServiceUs) / 1e6;
    if (size < BATCH_LOOKS_MIN || !(expected > 0)) return undefined;
    const onTheWay = mean(looks);
    const batches = Array.from({ length: BATCHES }, (_, i) =>
      mean(looks.slice(i * size, (i + 1) * size)),
    );
    const variance = batches.reduce((sum, x) => sum + (x - onTheWay) ** 2, 0) / (BATCHES - 1);
    const errorMax = Math.max(
      RATIO_MAX * expected,
      4 * Math.sqrt(variance / BATCHES),
      MESSAGES_MIN,
    );
    return { onTheWay, expected, agrees: Math.abs(onTheWay - expected) <= errorMax };
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
