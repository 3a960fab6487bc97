// A ladder from its first check to its last process: bus, store and collector once, then step after step until the
// last one, a stop rule, or a step that the host has no room for. Whatever happens there is a record of the steps
// that were taken, and nothing stays behind.

import { availableParallelism } from 'node:os';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { WsarError } from '#core/errors.ts';
import { hostIdentity } from '#core/host/identity.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { whyNoStack } from '#core/socket/stack/why-no-stack.ts';
import {
  LADDER_SCHEMA,
  type LadderRecord,
  type LadderStep,
} from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import { EMPTY_SERIES } from '#dashboards/report/run-record.ts';
import { readHostMemory } from '#lab/ladder/host-memory.ts';
import type { Ladder } from '#lab/ladder/ladder.ts';
import type { Engines } from '#lab/ladder/ladder-parts.ts';
import { runStep } from '#lab/ladder/ladder-step.ts';
import { startBus, startCollector, startStore } from '#lab/run/bring-up.ts';
import { interruptedBy, type RunOptions } from '#lab/run/experiment-run.ts';
import { makeRunFolder, newRunId, writeLadder } from '#lab/run/run-folder.ts';
import type { LabState } from '#lab/run/run-state.ts';
import { type Cut, createSupervisor } from '#lab/run/supervisor.ts';
import { keepRecord, stopRest } from '#lab/run/tear-down.ts';
import { RunCut } from '#lab/run/until-cut.ts';

/** Before a step was measured: bytes of one user, kernel and ours, with clients in user space and in the kernel. */
const USER_BYTES_GUESS = { stack: 5000, kernel: 9500 };
/** Lab, store, collector, server and generator without users. */
const BASE_BYTES = 800 * 1024 ** 2;
/** Memory of a step is foreseen from the one before, and a little more. */
const FORESIGHT = 1.03;

export interface LadderResult {
  record: LadderRecord;
  reportFile: string;
  exitCode: ExitCode;
}

export type LadderOptions = Omit<RunOptions, 'source' | 'port'> & { ladder: Ladder; file: string };

/** @throws WsarError only before anything was started. */
export async function runLadder(options: LadderOptions): Promise<LadderResult> {
  const { ladder, clock, signal, progress } = options;
  const environment = readLabEnvironment();
  progress.start('preflight', options.file);
  const { engines, sentence } = chooseEngines(ladder);
  const host = await hostIdentity();
  const runId = newRunId(ladder.name, clock.wallMs());
  const folder = makeRunFolder(runId, options.outputFolder);
  progress.end('done', sentence);
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
  const steps: LadderStep[] = [];
  let end = '';
  try {
    end = await climb(state, ladder, engines, steps, cut);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
  return await finish(state, options, engines, steps, end);
}

function chooseEngines({ server, load }: Ladder): { engines: Engines; sentence: string } {
  const { engine, reason } = chooseEngine(server.engine);
  const obstacle = load.engine === 'auto' ? whyNoStack() : undefined;
  const wanted = load.engine === 'auto' && obstacle === undefined ? 'stack' : load.engine;
  const chosen = wanted === 'auto' ? engine : chooseEngine(wanted).engine;
  const workers = server.workers === 'auto' ? availableParallelism() : server.workers;
  const left = obstacle === undefined ? '' : `; clients in the kernel, because ${obstacle}`;
  return {
    engines: { server: engine, load: chosen, workers },
    sentence: `server on ${engine} (${reason}), clients on ${chosen}${left}`,
  };
}

/** Goes up; returns why it ended. */
async function climb(
  state: LabState,
  ladder: Ladder,
  engines: Engines,
  steps: LadderStep[],
  cut: (reason: Cut) => void,
): Promise<string> {
  const { progress } = state;
  try {
    await startBus(state, (sentence) =>
      cut({ cause: 'part-lost', sentence, exitCode: EXIT.unreachable }),
    );
    await startStore(state);
    await startCollector(state);
    for (const users of ladder.steps) {
      const obstacle = roomFor(users, ladder, engines, steps) ?? timeFor(state, ladder);
      if (obstacle !== undefined) return obstacle;
      progress.start(`step ${numberText(users)}`, 'starting');
      const context = { state, ladder, engines };
      const step = await runStep(context, users, (text) => progress.update(text));
      steps.push(step);
      progress.end(step.outcome === 'held' ? 'done' : 'failed', stepText(step));
      if (step.outcome !== 'held') return `the step to ${numberText(users)}: ${step.sentence}`;
    }
    return 'every step was held';
  } catch (error) {
    if (error instanceof WsarError) {
      const sentence = `${error.message}; ${error.hint}`;
      cut({ cause: 'failure', sentence, exitCode: error.exitCode });
    } else if (!(error instanceof RunCut) && !state.signal.aborted) {
      await stopRest(state);
      throw error;
    }
    progress.end('failed', state.cut!.sentence);
    return state.cut!.sentence;
  }
}

/** Why the host has no room for `users`, in a sentence; undefined when it has. */
function roomFor(
  users: number,
  { stop }: Ladder,
  engines: Engines,
  steps: readonly LadderStep[],
): string | undefined {
  const { freeBytes } = readHostMemory();
  if (freeBytes === null) return undefined;
  const guess = engines.load === 'stack' ? USER_BYTES_GUESS.stack : USER_BYTES_GUESS.kernel;
  // A small step tells mostly of what every process costs.
  const measured = steps.findLast(({ connections }) => connections >= 200_000)?.freeBytesPerUser;
  const each = (measured ?? guess) * FORESIGHT;
  const needed = users * each + stop.freeBytesMin + (measured === undefined ? BASE_BYTES : 0);
  if (needed <= freeBytes) return undefined;
  const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  return (
    `the next step, ${numberText(users)} users, needs about ${gib(needed)} of free memory ` +
    `(${numberText(Math.round(each))} bytes a user and ${gib(stop.freeBytesMin)} kept free); ${gib(freeBytes)} are`
  );
}

function timeFor(
  { startedWallMs, clock }: LabState,
  { maxDurationMs, holdMs }: Ladder,
): string | undefined {
  if (clock.wallMs() + 2 * holdMs < startedWallMs + maxDurationMs) return undefined;
  return `maxDuration (${maxDurationMs / 1000} s) leaves no time for another step`;
}

function stepText(step: LadderStep): string {
  const rounded = (value: number | null): string =>
    numberText(value === null ? null : Math.round(value));
  const p99 = step.latencyUs.p99 === null ? '-' : numberText(step.latencyUs.p99 / 1000);
  const figures =
    `${rounded(step.loginsPerS)} logins/s, ${rounded(step.deliveredPerS)} messages/s, p99 ${p99} ms, ` +
    `lost ${numberText(step.messages?.lost ?? null)}, ${rounded(step.freeBytesPerUser)} B a user`;
  return step.outcome === 'held' ? figures : `${step.sentence}; ${figures}`;
}

async function finish(
  state: LabState,
  { ladder, file }: LadderOptions,
  engines: Engines,
  steps: LadderStep[],
  end: string,
): Promise<LadderResult> {
  const { progress, supervisor } = state;
  progress.start('stop', 'load, server, collector');
  for (const name of ['load', 'server', 'collector'] as const) await supervisor.stop(name, 15_000);
  progress.end('done', 'nothing is left');
  const reached = steps.findLast(({ outcome }) => outcome === 'held')?.connections ?? 0;
  const record: LadderRecord = {
    schema: LADDER_SCHEMA,
    runId: state.runId,
    name: ladder.name,
    question: ladder.question,
    startedWallMs: state.startedWallMs,
    endedWallMs: state.clock.wallMs(),
    command: `wsar run ${file}`,
    host: { ...state.host },
    plan: ladder,
    engines: { server: engines.server, load: engines.load },
    steps,
    reached,
    sentence: `Held ${numberText(reached)} users; ended because ${end}.`,
    leftOut: state.leftOut,
    series: state.recorder?.series() ?? EMPTY_SERIES,
  };
  await keepRecord(state, record);
  await stopRest(state);
  const reportFile = writeLadder(state.folder, record);
  // A rule that ended it above a step that was held is how a ladder ends; below the first it is a failure.
  const exitCode = state.cut?.exitCode ?? (reached > 0 ? EXIT.ok : EXIT.stopRule);
  return { record, reportFile, exitCode };
}
