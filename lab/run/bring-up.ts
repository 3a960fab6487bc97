// The phases before there is load: bus, store, collector, server.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { publishSource } from '#core/bus/publish-source.ts';
import { EXIT } from '#core/cli/exit-code.ts';
import { WsarError } from '#core/errors.ts';
import { writeCurrentLab } from '#core/host/current-lab.ts';
import { hostName } from '#core/host/host-name.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import { openStore, type Store } from '#core/store/store.ts';
import { ensureSchema } from '#core/store/tables.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import {
  collectorPart,
  type PartsContext,
  READY_TIMEOUT_MS,
  serverPart,
  serverUrl,
  storePart,
  storeUrl,
} from '#lab/run/lab-parts.ts';
import { startLabRecorder } from '#lab/run/lab-recorder.ts';
import { turn } from '#lab/run/run-blocks.ts';
import type { LabState, RunState } from '#lab/run/run-state.ts';
import { RunCut, untilCut, untilTrue } from '#lab/run/until-cut.ts';

/** The live bus: the one of the environment, or one in this process. */
export async function startBus(state: LabState, lose: (sentence: string) => void): Promise<void> {
  const { progress, environment } = state;
  const isGiven = environment.busUrl !== undefined;
  progress.start('bus', isGiven ? 'connecting' : 'starting');
  if (!isGiven) {
    state.embeddedBus = await startEmbeddedBus();
    state.environment = { ...environment, busUrl: state.embeddedBus.url };
  }
  const { busUrl, lab } = state.environment;
  const bus = await connectBus(busUrl!, { clientId: `lab-${state.runId}` });
  state.bus = bus;
  bus.onLost(() => lose(`the bus at ${new URL(busUrl!).host} was lost`));
  state.recorder = await startLabRecorder(bus, lab);
  state.published = publishSource(bus, { lab, host: hostName(), source: 'lab', metrics: [] });
  const where = new URL(busUrl!).host;
  progress.end('done', isGiven ? `${where}, as WSAR_BUS_URL says` : `embedded, on ${where}`);
}

/** History: the store of the environment, the one that runs already, or a new `wsar store`. */
export async function startStore(state: LabState): Promise<void> {
  const { progress, environment } = state;
  progress.start('store', 'starting');
  if (environment.storeUrl !== undefined) {
    await useStore(state, environment.storeUrl);
    progress.end('done', `${hostOf(environment.storeUrl)}, as WSAR_CLICKHOUSE_URL says`);
  } else {
    const running = await findRunningStore();
    if (running !== undefined) {
      await useStore(state, running);
      progress.end('done', `${hostOf(running)}, runs already`);
    } else {
      const url = await startOwnStore(state);
      progress.end(
        url === undefined ? 'left-out' : 'done',
        url === undefined ? state.leftOut.at(-1)! : `chDB on ${hostOf(url)}`,
      );
    }
  }
}

/** Tells `wsar top` where this lab is. */
export function announceLab(state: LabState): void {
  const { embeddedBus, environment, runId, signal } = state;
  // The bus may have an inner side, in a network namespace that a person's terminal is not in.
  const busUrl = embeddedBus?.url ?? environment.busUrl!;
  const storeUrl = environment.storeUrl ?? '';
  writeCurrentLab({ pid: process.pid, lab: environment.lab, runId, busUrl, storeUrl });
  if (signal.aborted) throw new RunCut();
}

export async function startServer(state: RunState): Promise<void> {
  const { progress, supervisor, preflight, signal, source } = state;
  const { workload } = preflight.sizing;
  progress.start('server', 'starting');
  const server = await supervisor.start(serverPart(partsContext(state), preflight.port));
  state.targetUrl = await untilCut(serverUrl(server), signal);
  await rowsFrom(state, 'server');
  for (const [name, value] of Object.entries(source.experiment.server.knobs)) {
    await turn({ bus: state.bus!, lab: state.environment.lab, signal }, 'server', name, value);
  }
  const workers = `${workload.workers} worker thread${workload.workers === 1 ? '' : 's'}`;
  progress.end('done', `${hostOf(state.targetUrl)}, engine ${workload.engine}, ${workers}`);
}

export async function startCollector(state: LabState): Promise<void> {
  const { progress, supervisor, recorder } = state;
  progress.start('collector', 'starting');
  await supervisor.start(collectorPart(state));
  await rowsFrom(state, 'host');
  const count = Object.keys(recorder!.latest('host')!.values).length;
  const text = `run ${state.runId} begins`;
  state.published!.event({ wallMs: state.clock.wallMs(), kind: 'note', text });
  progress.end('done', `${numberText(count)} values a second`);
}

export function partsContext(state: RunState): PartsContext {
  const { root, folder, environment, source, preflight } = state;
  const { experiment } = source;
  return { root, folder, environment, experiment, workload: preflight.sizing.workload };
}

/** Waits for the first row of a part: it is then up, on the bus, and in step with the seconds. */
async function rowsFrom(
  { recorder, clock, signal }: LabState,
  name: 'server' | 'host',
): Promise<void> {
  const options = { clock, everyMs: 20, timeoutMs: READY_TIMEOUT_MS, signal };
  if (await untilTrue(() => recorder!.latest(name) !== undefined, options)) return;
  throw new WsarError(
    'WSAR_ERR_UNREACHABLE',
    `no row of '${name}' came on the bus within ${READY_TIMEOUT_MS / 1000} s`,
    'its log is in the folder of the run',
  );
}

async function startOwnStore(state: LabState): Promise<string | undefined> {
  const { supervisor, signal, leftOut } = state;
  const store = await supervisor.start(storePart(state), { mayFail: true });
  try {
    const url = await untilCut(storeUrl(store), signal);
    await useStore(state, url);
    supervisor.require('store');
    return url;
  } catch (error) {
    const isAbsent = store.exit?.code === EXIT.hostCannot;
    if (!isAbsent || !(error instanceof WsarError)) throw error;
    const words = store.lastWords().replace(/^wsar: /, '');
    leftOut.push(`history: rows stay in the spool of the run, because ${words}`);
    return undefined;
  }
}

async function useStore(state: LabState, url: string): Promise<void> {
  const store = await openStore(url);
  try {
    await ensureSchema(store);
  } finally {
    await store.close();
  }
  state.environment = { ...state.environment, storeUrl: url };
}

/** A `wsar store` on the state folder has it locked; it is then the one to use. */
async function findRunningStore(): Promise<string | undefined> {
  let store: Store | undefined;
  try {
    const url = readFileSync(join(stateSubfolder('store'), 'url'), 'utf8').trim();
    store = await openStore(url);
    return url;
  } catch {
    return undefined; // None was ever started, or the file is of one that is gone.
  } finally {
    await store?.close();
  }
}

function hostOf(url: string): string {
  return new URL(url).host;
}
