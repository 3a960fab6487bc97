// A load as whoever reports it sees it: the same for a population on reactors and for HTTP clients.

import type { WsarError } from '#core/errors.ts';
import type { Timings } from '#loadgen/interval-timings.ts';
import type { LoadResult } from '#loadgen/load-summary.ts';
import type { Counts } from '#loadgen/worker-board.ts';

/** What became of the hosts of a load. */
export interface HostsReport {
  total: number;
  alive: number;
  policy: string;
  /** Seconds after the start of the steady phase. */
  lost: { id: string; atS: number; wallMs: number }[];
  /** The most that the clocks of the hosts may be apart, us. */
  clockErrorUsMax: number;
  /** Of the plan that all carry out together. */
  planHash: string;
}

export type PhaseName = 'ramp' | 'steady' | 'end';

export interface LoadDriver {
  readonly phase: PhaseName;
  readonly ratePerS: number;
  /** Seconds until the steady phase ends; undefined before it. */
  readonly remainingS: number | undefined;
  /** Why the run failed, when it did: the error to end with after the report. */
  readonly failure: WsarError | undefined;
  /** With several hosts. */
  readonly hosts?: HostsReport;
  counts(): Counts;
  /** Histograms since the last call. */
  takeSecond(): Promise<Timings>;
  /** Turns the message rate from now on; false when that is not possible (any more). */
  setRate(ratePerS: number): boolean;
  /** Ends the steady phase now. */
  finish(): void;
  /** Runs to the end. Throws only what is no result. */
  run(): Promise<LoadResult>;
}
