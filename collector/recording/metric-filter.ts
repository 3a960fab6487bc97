// Which metrics are wanted: names with `*` for any text. What a name is asked for again is looked up.

export class MetricFilter {
  /** Whether anything is left out. */
  readonly isOn: boolean;
  readonly #patterns: RegExp[];
  readonly #known = new Map<string, boolean>();

  constructor(patterns: readonly string[] | undefined) {
    this.isOn = patterns !== undefined;
    this.#patterns = (patterns ?? []).map((pattern) => {
      const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
      return new RegExp(`^${parts.join('.*')}$`);
    });
  }

  has(metric: string): boolean {
    if (!this.isOn) return true;
    let isWanted = this.#known.get(metric);
    if (isWanted === undefined) {
      isWanted = this.#patterns.some((pattern) => pattern.test(metric));
      this.#known.set(metric, isWanted);
    }
    return isWanted;
  }

  /** The values that are wanted. */
  of<T>(values: Record<string, T>): Record<string, T> {
    if (!this.isOn) return values;
    return Object.fromEntries(Object.entries(values).filter(([metric]) => this.has(metric)));
  }
}
