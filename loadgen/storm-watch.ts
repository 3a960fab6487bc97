// What a storm did: how many users it cut off, how fast they came back at most, and how long until as many
// were in as before. Looked at many times a second by the main thread. Pure.

import type { Storm } from '#loadgen/storm.ts';

/** Back as before: the last few may be held up by anything. */
const RECOVERED_RATIO = 0.99;
/** Logins a second are counted over this time. */
const WINDOW_MS = 1000;

export interface StormReport {
  atS: number;
  share: number;
  cutOff: number;
  /** Highest rate of logins afterwards. */
  loginsPerSMax: number;
  /** From the storm until 99 % of the users from before were in; null when that was not seen. */
  recoveredS: number | null;
}

interface Watched {
  storm: Storm;
  before: number;
  cutOffBefore: number;
  hasDipped: boolean;
  report: StormReport;
}

export class StormWatch {
  readonly #waiting: Storm[];
  readonly #watched: Watched[] = [];
  readonly #logins: { ms: number; count: number }[] = [];

  constructor(storms: readonly Storm[]) {
    this.#waiting = [...storms];
  }

  /** `ms` since the start of the steady phase. */
  look(ms: number, counts: { ready: number; logins: number; cutOff: number }): void {
    if (this.#waiting.length === 0 && this.#watched.length === 0) return;
    const perS = this.#loginsPerS(ms, counts.logins);
    // The look before the storm is the one to come back to.
    while (this.#waiting[0] !== undefined && this.#waiting[0].atMs <= ms) {
      const storm = this.#waiting.shift()!;
      const { share, atMs } = storm;
      const report = { atS: atMs / 1000, share, cutOff: 0, loginsPerSMax: 0, recoveredS: null };
      const before = this.#readyBefore;
      const cutOffBefore = this.#cutOffBefore;
      this.#watched.push({ storm, before, cutOffBefore, hasDipped: false, report });
    }
    const watched = this.#watched.at(-1);
    if (watched !== undefined) this.#follow(watched, ms, counts, perS);
    this.#readyBefore = counts.ready;
    this.#cutOffBefore = counts.cutOff;
  }

  get reports(): StormReport[] {
    return this.#watched.map(({ report }) => report);
  }

  #readyBefore = 0;
  #cutOffBefore = 0;

  #follow(
    watched: Watched,
    ms: number,
    counts: { ready: number; cutOff: number },
    perS: number,
  ): void {
    const { report, before, storm } = watched;
    report.cutOff = counts.cutOff - watched.cutOffBefore;
    report.loginsPerSMax = Math.max(report.loginsPerSMax, Math.round(perS));
    const isBack = counts.ready >= before * RECOVERED_RATIO;
    if (!isBack) watched.hasDipped = true;
    else if (watched.hasDipped && report.recoveredS === null) {
      report.recoveredS = Math.round((ms - storm.atMs) / 10) / 100;
    }
  }

  #loginsPerS(ms: number, count: number): number {
    this.#logins.push({ ms, count });
    while (this.#logins[0]!.ms < ms - WINDOW_MS) this.#logins.shift();
    const first = this.#logins[0]!;
    return ((count - first.count) * 1000) / WINDOW_MS;
  }
}
