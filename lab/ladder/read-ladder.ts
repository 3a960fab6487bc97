// Reads a ladder file: `kind: ladder` beside `version`. The first mistake is told with its line and remedy (exit 2).

import { GATHER_US_MAX } from '#core/socket/reactor-options.ts';
import { parseYamlTree } from '#core/yaml/yaml-tree.ts';
import { EXPERIMENT_FILE } from '#lab/experiment/experiment-error.ts';
import { readExperimentText } from '#lab/experiment/read-experiment.ts';
import { Section } from '#lab/experiment/section.ts';
import { type Disturbance, parseFreeze } from '#lab/ladder/disturbance.ts';
import {
  LADDER_VERSION,
  type Ladder,
  type LadderClients,
  type LadderServer,
  type LadderStop,
  type PlannedStep,
} from '#lab/ladder/ladder.ts';
import { parseStep, STEP_FORM, STEPS_MAX } from '#lab/ladder/step-list.ts';
import { VIRTUAL_HOSTS_MAX } from '#loadgen/hosts/virtual-hosts.ts';
import { parseNetworkMix } from '#loadgen/network-mix.ts';
import { parseSpike } from '#loadgen/rate-plan.ts';
import { parseSlowReaders } from '#loadgen/slow-readers.ts';
import { parseReturn, parseStorm } from '#loadgen/storm.ts';
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN } from '#loadgen/user-packets.ts';
import { DEFAULT_SETTINGS } from '#reference-server/worker/worker-control.ts';

const HOUR_MS = 3_600_000;
const GIB = 1024 ** 3;
const HOLD_MS = 60_000;
/** 64 MiB of buckets: less than one connection in each up to eight millions. */
const BUCKETS = 2 ** 23;
const KEYS = [
  ...['version', 'kind', 'name', 'question', 'seed', 'server', 'load', 'namespace', 'history'],
  ...['connectionBuckets', 'steps', 'phases', 'settle', 'hold', 'stop', 'maxDuration'],
  'refine',
];
const PHASE_KEYS = ['server', 'steps', 'hold', 'against', 'refine'];
const AWAY_RATIO_MAX = 20;
const CLIENT_KEYS = [
  ...['engine', 'workers', 'virtualHosts', 'rate', 'payload', 'ramp', 'keepAlive', 'network'],
  'ratePerThousand',
  ...['away', 'slowReaders', 'sessions', 'storm', 'return', 'spike', 'freeze'],
];
const ENGINES = ['ring', 'epoll', 'net'] as const;
const LOAD_ENGINES = ['kernel', 'stack', ...ENGINES] as const;

/** Whether the text of a file says that it is a ladder; what else is wrong with it is told when it is read. */
export function isLadder(text: string): boolean {
  return /^kind:\s*['"]?ladder['"]?\s*(#.*)?$/m.test(text);
}

export function readLadder(file: string): Ladder {
  return parseLadder(readExperimentText(file), file);
}

/** @throws WsarError WSAR_ERR_FILE: one sentence with file, line and remedy. */
export function parseLadder(text: string, file: string): Ladder {
  const root = new Section(file, '', parseYamlTree(text, file, EXPERIMENT_FILE), KEYS, {});
  root.count('version', { min: LADDER_VERSION, max: LADDER_VERSION });
  root.word('kind', ['ladder']);
  const server = readServer(root, undefined);
  const { steps, comparisons } = readPhases(root, server);
  return {
    version: LADDER_VERSION,
    name: root.text('name', /^[a-z0-9][a-z0-9.-]{0,63}$/, 'ladder'),
    question: root.text('question', /^[^\n]{1,300}$/, 'How many users does this host hold?'),
    seed: root.count('seed', { min: 0, max: 2 ** 32 - 1 }, 1),
    namespace: root.word('namespace', ['auto', 'on', 'off'], 'auto'),
    connectionBuckets: readBuckets(root),
    history: root.word('history', ['store', 'spool'], 'store'),
    steps,
    comparisons,
    settleMs: root.wholeSecondsMs('settle', { min: 1000, max: HOUR_MS }, 5000),
    stop: readStop(root),
    maxDurationMs: root.durationMs('maxDuration', { min: 10_000, max: 24 * HOUR_MS }, HOUR_MS),
  };
}

function readBuckets(root: Section): number {
  const buckets = root.count('connectionBuckets', { min: 512, max: 2 ** 24 }, BUCKETS);
  if (Number.isInteger(Math.log2(buckets))) return buckets;
  throw root.wrong('connectionBuckets', `${buckets} is no power of two`, `give ${BUCKETS}`);
}

/** `steps` of the file, or those of each of its phases, one after the other. */
function readPhases(root: Section, server: LadderServer): Pick<Ladder, 'steps' | 'comparisons'> {
  const clients = readClients(root.section('load', CLIENT_KEYS), undefined);
  const all = {
    ...{ phase: '', comparedIn: '', server, clients },
    ...{ holdMs: readHold(root, HOLD_MS), refineRatio: readRefine(root, 0) },
  };
  if (!root.has('phases')) return { steps: readSteps(root, all), comparisons: [] };
  if (root.has('steps')) {
    throw root.wrong('steps', 'stands beside phases, which have their own', 'give one of them');
  }
  const phases = root.section('phases');
  const read = new Map<string, Omit<PlannedStep, 'users'>>();
  const comparisons: Ladder['comparisons'] = [];
  const steps = phases.keys().flatMap((phase): PlannedStep[] => {
    const section = phases.section(phase, [...CLIENT_KEYS, ...PHASE_KEYS]);
    const what = {
      ...{ phase, comparedIn: '' },
      server: readServer(section, server),
      clients: readClients(section, clients),
      holdMs: readHold(section, all.holdMs),
      refineRatio: readRefine(section, all.refineRatio),
    };
    read.set(phase, what);
    if (!section.has('against')) return readSteps(section, what);
    const other = read.get(section.word('against', [...read.keys()]))!;
    if (other === what) throw section.wrong('against', 'is the phase itself', 'name one above it');
    comparisons.push({ phase, against: other.phase });
    // A B B A, so that a drift of the machine falls on both.
    const atKnee = { users: 'knee', comparedIn: phase } as const;
    return [other, what, what, other].map((one) => ({ ...one, ...atKnee }));
  });
  if (steps.length > 0 && steps.length <= STEPS_MAX) return { steps, comparisons };
  throw root.wrong('phases', `${steps.length} steps`, `give 1 to ${STEPS_MAX}`);
}

/** What a section says of its server; what it does not say is as in `base`. */
function readServer(section: Section, base: LadderServer | undefined): LadderServer {
  const server = section.section('server', ['workers', 'engine', 'flush', 'arming', 'gather']);
  return {
    workers:
      base !== undefined && !server.has('workers')
        ? base.workers
        : server.orAuto('workers', (key) => server.count(key, { min: 1, max: 64 })),
    engine:
      base !== undefined && !server.has('engine')
        ? base.engine
        : server.orAuto('engine', (key) => server.word(key, ENGINES)),
    flush: server.word('flush', ['turn', 'immediate'], base?.flush ?? 'turn'),
    arming: server.word('arming', ['poll', 'recv'], base?.arming ?? 'poll'),
    gatherUs: server.count(
      'gather',
      { min: 0, max: GATHER_US_MAX },
      base?.gatherUs ?? DEFAULT_SETTINGS.gatherUs,
    ),
  };
}

function readHold(section: Section, otherwise: number): number {
  return section.wholeSecondsMs('hold', { min: 2000, max: HOUR_MS }, otherwise);
}

function readRefine(section: Section, otherwise: number): number {
  return section.ratio('refine', { min: 0, max: 1 }, otherwise);
}

/** What a section says of its clients; what it does not say is as in `base`. */
function readClients(load: Section, base: LadderClients | undefined): LadderClients {
  const { engine, rampPerS } = base ?? { engine: 'auto' as const, rampPerS: 'auto' as const };
  const read: LadderClients = {
    engine: load.has('engine')
      ? load.orAuto('engine', (key) => load.word(key, LOAD_ENGINES))
      : engine,
    workers: load.count('workers', { min: 1, max: 64 }, base?.workers ?? 1),
    virtualHosts: load.count(
      'virtualHosts',
      { min: 0, max: VIRTUAL_HOSTS_MAX },
      base?.virtualHosts ?? 0,
    ),
    ...readRate(load, base),
    payloadBytes: load.sizeBytes(
      'payload',
      { min: PAYLOAD_BYTES_MIN, max: PAYLOAD_BYTES_MAX },
      base?.payloadBytes ?? 64,
    ),
    rampPerS: load.has('ramp')
      ? load.orAuto('ramp', (key) => load.ratePerS(key, { min: 1, max: 1_000_000 }))
      : rampPerS,
    keepAliveMs: load.wholeSecondsMs(
      'keepAlive',
      { min: 0, max: 65_535_000 },
      base?.keepAliveMs ?? 1_200_000,
    ),
    network: readText(load, 'network', parseNetworkMix, base?.network),
    slowReaders: readText(load, 'slowReaders', parseSlowReaders, base?.slowReaders),
    sessions: load.word('sessions', ['clean', 'kept'], base?.sessions ?? 'clean'),
    awayRatio: load.ratio('away', { min: 0, max: AWAY_RATIO_MAX }, base?.awayRatio ?? 0),
    disturbance: readDisturbance(load, base?.disturbance),
  };
  refuseTogether(load, read);
  return read;
}

function readDisturbance(load: Section, base: Disturbance | undefined): Disturbance {
  return {
    storm: readText(load, 'storm', parseStorm, base?.storm),
    returnPolicy: readText(load, 'return', parseReturn, base?.returnPolicy),
    spike: readText(load, 'spike', parseSpike, base?.spike),
    freeze: readText(load, 'freeze', parseFreeze, base?.freeze),
  };
}

/** What the generator reads from its command line, checked here with the line of the file; '' without it. */
function readText(
  load: Section,
  key: string,
  parse: (text: string) => unknown,
  otherwise = '',
): string {
  if (!load.has(key)) return otherwise;
  const [text] = load.items(key, 'one value', (written) => {
    parse(written);
    return written;
  });
  return text ?? otherwise;
}

function refuseTogether(load: Section, read: LadderClients): void {
  if (read.network !== '' && read.engine !== 'stack') {
    const key = load.has('network') ? 'network' : 'engine';
    throw load.wrong(key, 'only engine stack has networks of its own', "add 'engine: stack'");
  }
  if (read.virtualHosts > 0 && (read.engine === 'stack' || read.engine === 'auto')) {
    const key = load.has('virtualHosts') ? 'virtualHosts' : 'engine';
    throw load.wrong(key, 'virtual hosts have kernel sockets', "add 'engine: kernel'");
  }
}

/** `rate` of everybody, or `ratePerThousand` users; what a phase says itself is before what all say. */
function readRate(
  load: Section,
  base: LadderClients | undefined,
): Pick<LadderClients, 'ratePerS' | 'ratePerThousandPerS'> {
  const bounds = { min: 1, max: 1_000_000 };
  if (!load.has('ratePerThousand')) {
    const isTold = load.has('rate') || base === undefined || base.ratePerThousandPerS === 0;
    const ratePerS = isTold ? load.ratePerS('rate', bounds, base?.ratePerS) : base.ratePerS;
    return {
      ratePerS,
      ratePerThousandPerS: load.has('rate') ? 0 : (base?.ratePerThousandPerS ?? 0),
    };
  }
  if (load.has('rate')) {
    throw load.wrong('ratePerThousand', 'stands beside rate', 'give one of them');
  }
  return { ratePerS: 1, ratePerThousandPerS: load.ratePerS('ratePerThousand', bounds) };
}

function readSteps(section: Section, what: Omit<PlannedStep, 'users'>): PlannedStep[] {
  const steps = section
    .items('steps', STEP_FORM, parseStep)
    .map(({ users, holdMs }) => ({ ...what, users, holdMs: holdMs ?? what.holdMs }));
  if (steps.length === 0 || steps.length > STEPS_MAX) {
    throw section.wrong('steps', `${steps.length} steps`, `give 1 to ${STEPS_MAX}`);
  }
  const unsorted = steps.findIndex(
    ({ users }, index) => index > 0 && users <= steps[index - 1]!.users,
  );
  if (unsorted === -1) return steps;
  throw section.wrong(
    'steps',
    `${steps[unsorted]!.users} comes after ${steps[unsorted - 1]!.users}`,
    'let each step be larger than the one before',
  );
}

function readStop(root: Section): LadderStop {
  const stop = root.section('stop', [
    ...['freeMin', 'latencyP99Max', 'latenessP99Max', 'lostMax', 'duplicatesMax', 'queueMax'],
    'drainMax',
  ]);
  return {
    freeBytesMin: stop.sizeBytes('freeMin', { min: GIB / 8, max: 1024 * GIB }, GIB),
    latencyP99MsMax: stop.durationMs('latencyP99Max', { min: 0.1, max: HOUR_MS }, 2000),
    latenessP99MsMax: stop.durationMs('latenessP99Max', { min: 0.1, max: HOUR_MS }, 1000),
    lostMessagesMax: stop.count('lostMax', { min: 0, max: 2 ** 32 }, 0),
    duplicatesMax: stop.count('duplicatesMax', { min: 0, max: 2 ** 32 }, 0),
    queueLengthMax: stop.count('queueMax', { min: 0, max: 2 ** 32 }, 100_000),
    drainMsMax: stop.durationMs('drainMax', { min: 1000, max: HOUR_MS }, 20_000),
  };
}
