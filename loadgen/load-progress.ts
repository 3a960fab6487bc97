// Progress of a load for people, on stderr: one line that is written over each second on a
// terminal, else one line every ten seconds and at each phase.

import type { Timings } from '#loadgen/interval-timings.ts';
import { count, duration } from '#loadgen/summary-table.ts';
import type { Counts } from '#loadgen/worker-board.ts';

/** Seconds between lines where there is no terminal. */
const QUIET_S = 10;
const CLEAR_LINE = '\r\u001b[K';

export interface ProgressState {
  phase: 'ramp' | 'steady' | 'end';
  counts: Counts;
  target: number;
  timings: Timings;
  ratePerS: number;
  /** Messages received in this second. */
  receivedPerS: number;
  loginsPerS: number;
  remainingS: number | undefined;
  /** Hosts that carry the load out; undefined with one. */
  hosts: { alive: number; total: number } | undefined;
}

export class LoadProgress {
  readonly #talk: (text: string) => void;
  readonly #isTerminal: boolean;
  #seconds = 0;
  #hasLine = false;

  constructor(talk: (text: string) => void, isTerminal: boolean) {
    this.#talk = talk;
    this.#isTerminal = isTerminal;
  }

  /** Once a second. */
  second(state: ProgressState): void {
    this.#seconds++;
    if (this.#isTerminal) {
      this.#talk(CLEAR_LINE + progressLine(state));
      this.#hasLine = true;
    } else if (this.#seconds % QUIET_S === 0) this.#talk(`${progressLine(state)}\n`);
  }

  /** Takes the line away before something else is written. */
  clear(): void {
    if (this.#hasLine) this.#talk(CLEAR_LINE);
    this.#hasLine = false;
  }
}

/** One second in one line. */
export function progressLine(state: ProgressState): string {
  const { phase, counts, target, timings, remainingS, hosts } = state;
  const coverage = hosts === undefined ? '' : ` on ${hosts.alive}/${hosts.total} hosts`;
  if (phase === 'ramp') {
    const eta = state.loginsPerS > 0 ? (target - counts.ready) / state.loginsPerS : Number.NaN;
    return (
      `ramp: ${count(counts.ready)} of ${count(target)} in${coverage}, ${count(state.loginsPerS)}/s, ` +
      `${count(counts.failed)} failed, ${seconds(eta)} to go`
    );
  }
  return (
    `${phase}: ${count(counts.loggedIn)} in${coverage}, ${count(state.receivedPerS)} of ` +
    `${count(state.ratePerS)} messages/s, latency p50 ${duration(timings.latency.percentile(50))} ` +
    `p99 ${duration(timings.latency.percentile(99))}, lateness p99 ` +
    `${duration(timings.lateness.percentile(99))}, ${count(counts.errors)} errors, ` +
    `${seconds(remainingS ?? Number.NaN)} to go`
  );
}

function seconds(value: number): string {
  return Number.isFinite(value) ? `${Math.ceil(value)} s` : 'unknown time';
}
