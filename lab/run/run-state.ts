// What a run knows about itself while it is under way. Phases fill it in one after the other; what a cut
// run did not reach stays undefined, and the report says so.

import type { Bus } from '#core/bus/bus.ts';
import type { EmbeddedBus } from '#core/bus/embedded-bus.ts';
import type { PublishedSource } from '#core/bus/publish-source.ts';
import type { Clock } from '#core/clock/clock.ts';
import type { HostIdentity } from '#core/host/identity.ts';
import type { LabEnvironment } from '#core/host/lab-environment.ts';
import type { BlockRecord, CoverageResult, LoginCounts } from '#dashboards/report/run-record.ts';
import type { ExperimentFile } from '#lab/experiment/experiment.ts';
import type { LabRecorder } from '#lab/run/lab-recorder.ts';
import type { Preflight } from '#lab/run/preflight.ts';
import type { Progress } from '#lab/run/progress.ts';
import type { SpinJudge } from '#lab/run/spin.ts';
import type { Cut, Supervisor } from '#lab/run/supervisor.ts';

/** What every kind of run has: where it is, its parts, its bus and store. */
export interface LabState {
  readonly clock: Clock;
  /** Folder of the package, and of this run. */
  readonly root: string;
  readonly folder: string;
  readonly runId: string;
  readonly host: HostIdentity;
  readonly progress: Progress;
  readonly startedWallMs: number;
  readonly supervisor: Supervisor;
  /** Aborted when the run is cut; `cut` says why. */
  readonly signal: AbortSignal;
  /** What this host or user could not do, and why. */
  readonly leftOut: string[];
  /** Where bus and store are; filled in when they are up. */
  environment: LabEnvironment;
  embeddedBus: EmbeddedBus | undefined;
  bus: Bus | undefined;
  published: PublishedSource | undefined;
  recorder: LabRecorder | undefined;
  cut: Cut | null;
}

/** The state of a tuning experiment. */
export interface RunState extends LabState {
  readonly source: ExperimentFile;
  readonly preflight: Preflight;
  readonly spins: SpinJudge;
  readonly blocks: BlockRecord[];
  targetUrl: string;
  counts: LoginCounts | null;
  coverage: CoverageResult | null;
}
