// A load as whoever reports it sees it: the same for a population on reactors and for HTTP clients.

import type { WsarError } from '#core/errors.ts';
import type { OfferedKnob } from '#core/knob/offer-knobs.ts';
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
  /** The most that one has run away from ours during the run beside that, us. */
  clockDriftUsMax: number;
  /** Of the plan that all carry out together, and of it as it was turned; '' before it is known. */
  planHash: string;
  turnedHash: string;
  /** Whether they carried out what one host would have; null when a host could not tell. */
  agrees: boolean | null;
  /** Turns of knobs that came to a host after their time. */
  lateTurns: number;
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
  /** What can be turned while it runs; undefined = nothing. */
  readonly knobs?: OfferedKnob[];
  counts(): Counts;
  /** Histograms since the last call, of a second that ended at `atUs`; all hosts are waited for to tell of it. */
  takeSecond(atUs?: number): Promise<Timings>;
  /** Turns the message rate from now on; false when that is not possible (any more). */
  setRate(ratePerS: number): boolean;
  /** Ends the steady phase now. */
  finish(): void;
  /** Runs to the end. Throws only what is no result. */
  run(): Promise<LoadResult>;
}
