// Lets a few statements run at a time and a bounded number wait: one lane for inserts, so that a heavy
// question does not hold up the rows of a run, and one for everything else.

export interface Lane {
  /** Runs `work` when its turn comes; undefined at once when too many wait already. */
  enter<T>(work: () => Promise<T>): Promise<T> | undefined;
  /** Resolves when nothing runs or waits. */
  idle(): Promise<void>;
}

export function createLane(runningMax: number, waitingMax: number): Lane {
  let running = 0;
  const waiting: (() => void)[] = [];
  let onIdle: (() => void)[] = [];

  async function run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // The place goes straight to the next one, so `running` does not change.
      if (next !== undefined) next();
      else if (--running === 0) {
        for (const resolve of onIdle) resolve();
        onIdle = [];
      }
    }
  }

  return {
    enter(work) {
      if (running < runningMax) {
        running++;
        return run(work);
      }
      if (waiting.length >= waitingMax) return undefined;
      return new Promise<void>((resolve) => waiting.push(resolve)).then(() => run(work));
    },
    idle: () =>
      running === 0 ? Promise.resolve() : new Promise((resolve) => onIdle.push(resolve)),
  };
}
