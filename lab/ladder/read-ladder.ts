// Reads a ladder file: `kind: ladder` beside `version`. The first mistake is told with its line and remedy (exit 2).

import { parseYamlTree } from '#core/yaml/yaml-tree.ts';
import { EXPERIMENT_FILE } from '#lab/experiment/experiment-error.ts';
import { readExperimentText } from '#lab/experiment/read-experiment.ts';
import { Section } from '#lab/experiment/section.ts';

import { LADDER_VERSION, type Ladder } from '#lab/ladder/ladder.ts';
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN } from '#loadgen/user-packets.ts';

const HOUR_MS = 3_600_000;
const GIB = 1024 ** 3;
const USERS_MAX = 16_000_000;
const STEPS_MAX = 64;
const KEYS = [
  'version',
  'kind',
  'name',
  'question',
  'seed',
  'server',
  'load',
  'steps',
  'settle',
  'hold',
  'stop',
  'maxDuration',
];
const ENGINES = ['ring', 'epoll', 'net'] as const;
const LOAD_ENGINES = ['stack', ...ENGINES] as const;

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
  const server = root.section('server', ['workers', 'engine']);
  const ladder: Ladder = {
    version: LADDER_VERSION,
    name: root.text('name', /^[a-z0-9][a-z0-9.-]{0,63}$/, 'ladder'),
    question: root.text('question', /^[^\n]{1,300}$/, 'How many users does this host hold?'),
    seed: root.count('seed', { min: 0, max: 2 ** 32 - 1 }, 1),
    server: {
      workers: server.orAuto('workers', (key) => server.count(key, { min: 1, max: 64 })),
      engine: server.orAuto('engine', (key) => server.word(key, ENGINES)),
    },
    load: readLoad(root),
    steps: readSteps(root),
    settleMs: root.wholeSecondsMs('settle', { min: 1000, max: HOUR_MS }, 5000),
    holdMs: root.wholeSecondsMs('hold', { min: 2000, max: HOUR_MS }, 60_000),
    stop: readStop(root),
    maxDurationMs: root.durationMs('maxDuration', { min: 10_000, max: 24 * HOUR_MS }, HOUR_MS),
  };
  return ladder;
}

function readLoad(root: Section): Ladder['load'] {
  const load = root.section('load', [
    'engine',
    'workers',
    'rate',
    'payload',
    'ramp',
    'keepAlive',
    'rtt',
    'jitter',
    'loss',
  ]);
  const delay = { min: 0, max: 10_000 };
  const read: Ladder['load'] = {
    engine: load.orAuto('engine', (key) => load.word(key, LOAD_ENGINES)),
    workers: load.count('workers', { min: 1, max: 64 }, 1),
    ratePerS: load.ratePerS('rate', { min: 1, max: 1_000_000 }),
    payloadBytes: load.sizeBytes('payload', { min: PAYLOAD_BYTES_MIN, max: PAYLOAD_BYTES_MAX }, 64),
    rampPerS: load.orAuto('ramp', (key) => load.ratePerS(key, { min: 1, max: 1_000_000 })),
    keepAliveMs: load.wholeSecondsMs('keepAlive', { min: 0, max: 65_535_000 }, 1_200_000),
    rttMs: load.durationMs('rtt', delay, 0),
    jitterMs: load.durationMs('jitter', delay, 0),
    lossRatio: load.ratio('loss', { min: 0, max: 0.5 }, 0),
  };
  const hasNetwork = read.rttMs > 0 || read.jitterMs > 0 || read.lossRatio > 0;
  if (hasNetwork && read.engine !== 'stack') {
    const key = ['rtt', 'jitter', 'loss'].find((name) => load.has(name))!;
    throw load.wrong(key, 'only engine stack has a network of its own', "add 'engine: stack'");
  }
  return read;
}

function readSteps(root: Section): number[] {
  const steps = root.counts('steps', { min: 2, max: USERS_MAX });
  if (steps.length === 0 || steps.length > STEPS_MAX) {
    throw root.wrong('steps', `${steps.length} steps`, `give 1 to ${STEPS_MAX}`);
  }
  const unsorted = steps.findIndex((step, index) => index > 0 && step <= steps[index - 1]!);
  if (unsorted === -1) return steps;
  throw root.wrong(
    'steps',
    `${steps[unsorted]} comes after ${steps[unsorted - 1]}`,
    'let each step be larger than the one before',
  );
}

function readStop(root: Section): Ladder['stop'] {
  const stop = root.section('stop', [
    'freeMin',
    'latencyP99Max',
    'latenessP99Max',
    'lostMax',
    'queueMax',
  ]);
  return {
    freeBytesMin: stop.sizeBytes('freeMin', { min: GIB / 4, max: 1024 * GIB }, GIB),
    latencyP99MsMax: stop.durationMs('latencyP99Max', { min: 0.1, max: HOUR_MS }, 2000),
    latenessP99MsMax: stop.durationMs('latenessP99Max', { min: 0.1, max: HOUR_MS }, 1000),
    lostMessagesMax: stop.count('lostMax', { min: 0, max: 2 ** 32 }, 0),
    queueLengthMax: stop.count('queueMax', { min: 0, max: 2 ** 32 }, 100_000),
  };
}
