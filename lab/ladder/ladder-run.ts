// A ladder from its first check to its last process: bus, store and collector once, then step after step until the
// last one, a stop rule, or a step that the host has no room for. Whatever happens there is a record of the steps
// that were taken, and nothing stays behind.

import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { WsarError } from '#core/errors.ts';
import { hostIdentity } from '#core/host/identity.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import type { NetworkNamespace } from '#core/socket/stack/network-namespace.ts';
import { LADDER_SCHEMA, type LadderRecord } from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import { EMPTY_SERIES } from '#dashboards/report/run-record.ts';
import { firstEngines, type ServerChoice } from '#lab/ladder/choose-engines.ts';
import { Climb } from '#lab/ladder/climb.ts';
import { compareSettings } from '#lab/ladder/compare-settings.ts';
import { startServerOnce } from '#lab/ladder/first-start.ts';
import { compareHostStates, type HostState, readHostState } from '#lab/ladder/host-state.ts';
import type { Ladder } from '#lab/ladder/ladder.ts';
import { enterLadderNamespace } from '#lab/ladder/ladder-namespace.ts';
import { announceLab, startBus, startCollector, startStore } from '#lab/run/bring-up.ts';
import { interruptedBy, type RunOptions } from '#lab/run/experiment-run.ts';
import { makeRunFolder, newRunId, writeLadder } from '#lab/run/run-folder.ts';
import type { LabState } from '#lab/run/run-state.ts';
import { type Cut, createSupervisor } from '#lab/run/supervisor.ts';
import { keepRecord, stopRest } from '#lab/run/tear-down.ts';
import { RunCut } from '#lab/run/until-cut.ts';

export interface LadderResult {
  record: LadderRecord;
  reportFile: string;
  exitCode: ExitCode;
}

export type LadderOptions = Omit<RunOptions, 'source' | 'port'> & {
  ladder: Ladder;
  file: string;
  /** What was given beside the file, to run it again. */
  argumentsText: string;
};

interface LadderContext {
  state: LabState;
  options: LadderOptions;
  server: ServerChoice;
  hostBefore: HostState;
  climb: Climb;
  namespace: NetworkNamespace | undefined;
}

/** @throws WsarError only before anything was started. */
export async function runLadder(options: LadderOptions): Promise<LadderResult> {
  const { ladder, clock, signal, progress } = options;
  const environment = readLabEnvironment();
  progress.start('preflight', options.file);
  const { server } = firstEngines(ladder.steps);
  const hostBefore = readHostState();
  const host = await hostIdentity();
  const runId = newRunId(ladder.name, clock.wallMs());
  const folder = makeRunFolder(runId, options.outputFolder);
  progress.end('done', server.sentence);
  const stop = new AbortController();
  const cut = (reason: Cut): void => {
    state.cut ??= reason;
    stop.abort();
  };
  const state: LabState = {
    clock,
    root: options.root,
    folder,
    runId,
    host,
    progress,
    startedWallMs: clock.wallMs(),
    supervisor: createSupervisor(cut),
    signal: stop.signal,
    leftOut: [],
    environment: {
      ...environment,
      runId,
      lab: environment.lab === 'lab' ? runId : environment.lab,
    },
    embeddedBus: undefined,
    bus: undefined,
    published: undefined,
    recorder: undefined,
    cut: null,
  };
  const interrupt = (): void => cut(interruptedBy(signal));
  if (signal.aborted) interrupt();
  signal.addEventListener('abort', interrupt, { once: true });
  const climb = new Climb(state, ladder);
  const context: LadderContext = {
    ...{ state, options, server, hostBefore, climb },
    namespace: undefined,
  };
  try {
    await goUp(context, cut);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
  return await finish(context);
}

async function goUp(context: LadderContext, cut: (reason: Cut) => void): Promise<void> {
  const { state, options, climb } = context;
  try {
    await startBus(state, (sentence) =>
      cut({ cause: 'part-lost', sentence, exitCode: EXIT.unreachable }),
    );
    context.namespace = await enterLadderNamespace(state, options.ladder);
    if (options.ladder.history === 'store') await startStore(state);
    announceLab(state);
    await startCollector(state);
    await startServerOnce(state);
    await climb.run();
  } catch (error) {
    if (error instanceof WsarError) {
      const sentence = `${error.message}; ${error.hint}`;
      cut({ cause: 'failure', sentence, exitCode: error.exitCode });
    } else if (!(error instanceof RunCut) && !state.signal.aborted) {
      await stopRest(state);
      throw error;
    }
    state.progress.end('failed', state.cut!.sentence);
    climb.cutShort(state.cut!.sentence);
  }
}

async function finish(context: LadderContext): Promise<LadderResult> {
  const { state, options, server, climb, namespace } = context;
  const { ladder, file, argumentsText } = options;
  const { progress, supervisor } = state;
  progress.start('stop', 'load, server, collector');
  for (const name of ['load', 'server', 'collector'] as const) await supervisor.stop(name, 15_000);
  const { steps, phases, reached, end } = climb;
  const record: LadderRecord = {
    schema: LADDER_SCHEMA,
    runId: state.runId,
    name: ladder.name,
    question: ladder.question,
    startedWallMs: state.startedWallMs,
    endedWallMs: state.clock.wallMs(),
    command: `wsar run ${file}${argumentsText}`,
    host: { ...state.host },
    plan: ladder,
    engines: { server: server.engine },
    steps,
    phases,
    comparisons: compareSettings(climb.compared, steps, ladder.stop),
    restored: null,
    reached,
    sentence: `Held ${numberText(reached)} users; ended because ${end}.`,
    leftOut: state.leftOut,
    series: state.recorder?.series() ?? EMPTY_SERIES,
  };
  await keepRecord(state, record);
  await stopRest(state);
  namespace?.leave();
  record.restored = compareHostStates(context.hostBefore, readHostState(), namespace?.name ?? null);
  progress.end('done', 'nothing is left');
  const reportFile = writeLadder(state.folder, record);
  // A rule that ended it above a step that was held is how a ladder ends; below the first it is a failure.
  const exitCode = state.cut?.exitCode ?? (reached > 0 ? EXIT.ok : EXIT.stopRule);
  return { record, reportFile, exitCode };
}
