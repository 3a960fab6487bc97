// Keeps a process alive that only waits for ticks and signals: timers of a Clock do not.

/** The longest delay that node:timers takes, about 25 days. */
const FOREVER_MS = 2 ** 31 - 1;

/** From now on the process stays until the returned function is called. */
export function keepAlive(): () => void {
  const timer = setInterval(() => {}, FOREVER_MS);
  return () => clearInterval(timer);
}
