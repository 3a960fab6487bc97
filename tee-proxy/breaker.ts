// The circuit breaker of one shadow: keeps a dead shadow from costing one connect attempt for every
// client. Closed, every new connection may try. After FAILURES_MAX failures in a row it opens: then one
// attempt (a probe) for each backoff interval, which doubles from BACKOFF_MS_MIN to BACKOFF_MS_MAX. The
// first success closes it again. The longest interval bounds recovery: once the shadow is back, new
// connections are copied again at most BACKOFF_MS_MAX later, and never by a stampede.

export const FAILURES_MAX = 3;
export const BACKOFF_MS_MIN = 100;
export const BACKOFF_MS_MAX = 1000;

export class Breaker {
  /** How often it opened. */
  tripped = 0;
  /** Attempts that were let through while open. */
  probes = 0;
  #failures = 0;
  #backoffMs = 0;
  #nextProbeMs = 0;

  get isOpen(): boolean {
    return this.#backoffMs > 0;
  }

  /** Whether a connection may be tried now; time is monotonic, ms. */
  allows(nowMs: number): boolean {
    if (!this.isOpen) return true;
    if (nowMs < this.#nextProbeMs) return false;
    // An outcome that never comes (the client left first) costs one interval, no more.
    this.#nextProbeMs = nowMs + this.#backoffMs;
    this.probes++;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#backoffMs = 0;
  }

  failed(nowMs: number): void {
    this.#failures++;
    if (this.#failures < FAILURES_MAX) return;
    if (!this.isOpen) this.tripped++;
    this.#backoffMs = Math.min(BACKOFF_MS_MAX, this.#backoffMs * 2 || BACKOFF_MS_MIN);
    this.#nextProbeMs = nowMs + this.#backoffMs;
  }
}
