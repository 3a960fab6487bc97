// One run from its first check to its last process. Whatever happens in between (a lost part, Ctrl-C, a
// full disk) there is an end: nothing stays behind, and what was measured is reported.
//
//   preflight -> bus -> store -> collector -> server -> login -> warm-up -> blocks -> stop -> report

import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { signalExitCode } from '#core/cli/signals.ts';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { hostIdentity } from '#core/host/identity.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';
import type { ExperimentFile } from '#lab/experiment/experiment.ts';
import {
  announceLab,
  startBus,
  startCollector,
  startServer,
  startStore,
} from '#lab/run/bring-up.ts';
import { logIn, warmUp } from '#lab/run/login-phase.ts';
import { type Preflight, preflight } from '#lab/run/preflight.ts';
import type { Progress } from '#lab/run/progress.ts';
import { runBlocks } from '#lab/run/run-blocks.ts';
import { makeRunFolder, newRunId, writeRun } from '#lab/run/run-folder.ts';
import { recordOf } from '#lab/run/run-record.ts';
import type { RunState } from '#lab/run/run-state.ts';
import { SpinJudge } from '#lab/run/spin.ts';
import { type Cut, createSupervisor } from '#lab/run/supervisor.ts';
import { keepRecord, stopLoadAndServer, stopRest } from '#lab/run/tear-down.ts';
import { RunCut } from '#lab/run/until-cut.ts';

export interface RunOptions {
  source: ExperimentFile;
  root: string;
  clock: Clock;
  /** Aborted by Ctrl-C or SIGTERM. */
  signal: AbortSignal;
  progress: Progress;
  port: number | undefined;
  outputFolder: string | undefined;
}

export interface RunResult {
  record: RunRecord;
  reportFile: string;
  exitCode: ExitCode;
}

/** The end of a run must have time to write its report before `maxDuration` is over. */
const END_SPARE_MS = 15_000;

/** @throws WsarError only before anything was started; later failures end in the report. */
export async function runExperiment(options: RunOptions): Promise<RunResult> {
  const { source, clock, signal, progress } = options;
  const environment = readLabEnvironment();
  progress.start('preflight', source.file);
  const checked = await preflight(source, environment, options.port);
  const host = await hostIdentity();
  const runId = newRunId(source.experiment.name, clock.wallMs());
  const folder = makeRunFolder(runId, options.outputFolder);
  progress.end('done', checked.sizing.sentences.join('; '));
  const stop = new AbortController();
  const cut = (reason: Cut): void => {
    state.cut ??= reason;
    stop.abort();
  };
  const state: RunState = {
    source,
    clock,
    root: options.root,
    folder,
    runId,
    preflight: checked,
    host,
    progress,
    startedWallMs: clock.wallMs(),
    supervisor: createSupervisor(cut),
    signal: stop.signal,
    spins: new SpinJudge(),
    blocks: [],
    leftOut: leftOutBySize(source, checked),
    // Topics of several labs on one outside broker must not mix.
    environment: {
      ...environment,
      runId,
      lab: environment.lab === 'lab' ? runId : environment.lab,
    },
    embeddedBus: undefined,
    bus: undefined,
    published: undefined,
    recorder: undefined,
    targetUrl: '',
    counts: null,
    coverage: null,
    cut: null,
  };
  const interrupt = (): void => cut(interruptedBy(signal));
  if (signal.aborted) interrupt();
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    await runPhases(state, cut);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
  return await finish(state);
}

async function runPhases(state: RunState, cut: (reason: Cut) => void): Promise<void> {
  try {
    await startBus(state, (sentence) =>
      cut({ cause: 'part-lost', sentence, exitCode: EXIT.unreachable }),
    );
    await startStore(state);
    announceLab(state);
    // The recorder before those whose rows it records.
    await startCollector(state);
    await startServer(state);
    await logIn(state);
    await warmUp(state);
    await measure(state);
  } catch (error) {
    if (error instanceof WsarError) {
      cut({
        cause: 'failure',
        sentence: `${error.message}; ${error.hint}`,
        exitCode: error.exitCode,
      });
    } else if (!(error instanceof RunCut) && !state.signal.aborted) {
      // A bug of ours: still nothing may stay behind.
      await stopRest(state);
      throw error;
    }
    if (state.cut !== null) state.progress.end('failed', state.cut.sentence);
  }
}

async function measure(state: RunState): Promise<void> {
  const { progress, source, preflight: checked, startedWallMs, blocks } = state;
  const { experiment } = source;
  progress.start('blocks', `${experiment.design.pairs} pairs`);
  const { isTimeUp } = await runBlocks({
    bus: state.bus!,
    lab: state.environment.lab,
    clock: state.clock,
    signal: state.signal,
    experiment,
    connections: checked.sizing.workload.connections,
    cpus: state.host.cpus,
    recorder: state.recorder!,
    spins: state.spins,
    published: state.published!,
    deadlineWallMs: startedWallMs + experiment.maxDurationMs - END_SPARE_MS,
    onBlock: (text) => progress.update(text),
    blocks,
  });
  if (isTimeUp) {
    const sentence = `maxDuration (${experiment.maxDurationMs / 1000} s) was over after ${blocks.length} blocks.`;
    state.cut ??= { cause: 'time', sentence, exitCode: EXIT.ok };
  }
  const unfit = blocks.filter(({ flaws }) => flaws.length > 0).length;
  progress.end('done', `${blocks.length} blocks, ${unfit} of them unfit`);
}

/** Ends everything and writes the report. */
async function finish(state: RunState): Promise<RunResult> {
  const { progress } = state;
  progress.start('stop', 'load, server, collector');
  await stopLoadAndServer(state);
  progress.end('done', state.coverage?.sentence ?? 'nothing was recorded');
  progress.start('report', 'writing');
  const record = recordOf(state);
  await keepRecord(state, record);
  await stopRest(state);
  const reportFile = writeRun(state.folder, record);
  progress.end('done', reportFile);
  const isInvalid = record.verdict.verdict === 'invalid';
  const ofCut = state.cut === null || state.cut.cause === 'time' ? EXIT.ok : state.cut.exitCode;
  const exitCode = ofCut !== EXIT.ok ? ofCut : isInvalid ? EXIT.invalidRun : EXIT.ok;
  return { record, reportFile, exitCode };
}

/** A host without engine ring bears a smaller population; the report tells why it is so small. */
function leftOutBySize({ experiment }: ExperimentFile, { sizing }: Preflight): string[] {
  const isAsked = experiment.server.engine !== 'auto';
  return isAsked || sizing.workload.engine === 'ring' ? [] : [sizing.sentences[0]!];
}

/** The cut that a signal of the person makes. */
export function interruptedBy(signal: AbortSignal): Cut {
  return {
    cause: 'interrupted',
    sentence: `the run was ended by ${signal.reason}`,
    exitCode: signalExitCode(signal),
  };
}
