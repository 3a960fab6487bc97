// Reads an experiment file. Nothing is started, nothing of the host is looked at: the same file is right
// or wrong everywhere. The first mistake is told with its line and its remedy (exit 2).

import { readFileSync, statSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';
import type { KnobDef, KnobValue } from '#core/knob/knob.ts';
import { refusalOf } from '#core/knob/knob-value.ts';
import { nearestWord } from '#core/yaml/nearest-word.ts';
import { parseYamlTree } from '#core/yaml/yaml-tree.ts';
import {
  EXPERIMENT_VERSION,
  type Experiment,
  type ExperimentFile,
  plannedBlocksMs,
} from '#lab/experiment/experiment.ts';
import { EXPERIMENT_FILE } from '#lab/experiment/experiment-error.ts';
import { Section } from '#lab/experiment/section.ts';
import { TURNABLE_KNOBS } from '#lab/experiment/turnable-knobs.ts';
import { BLOCK_METRICS, EVENTS_BEYOND_MIN } from '#lab/statistics/block-metric.ts';
import { DIFFERENCES_MAX } from '#lab/statistics/signed-rank.ts';
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN } from '#loadgen/user-packets.ts';

const KEYS = [
  'version',
  'name',
  'question',
  'seed',
  'server',
  'load',
  'warmUp',
  'knob',
  'design',
  'validity',
  'metrics',
  'maxDuration',
];
const HOUR_MS = 3_600_000;
const PAYLOAD_BYTES = { min: PAYLOAD_BYTES_MIN, max: PAYLOAD_BYTES_MAX };
const ALPHA_DEFAULT = 0.01;
const MARGIN_DEFAULT = 0.03;

/** Reads and checks `file`. Throws WSAR_ERR_FILE: one sentence with file, line and remedy. */
export function readExperiment(file: string): ExperimentFile {
  return parseExperiment(readExperimentText(file), file);
}

/** The same for the text of a file; `file` names it in messages. */
export function parseExperiment(text: string, file: string): ExperimentFile {
  const lines: Record<string, number> = {};
  const root = new Section(file, '', parseYamlTree(text, file, EXPERIMENT_FILE), KEYS, lines);
  root.count('version', { min: EXPERIMENT_VERSION, max: EXPERIMENT_VERSION });
  const experiment: Experiment = {
    version: EXPERIMENT_VERSION,
    name: root.text('name', /^[a-z0-9][a-z0-9.-]{0,63}$/, 'first-loop'),
    question: root.text('question', /^[^\n]{1,300}$/, 'Does X cost less than Y?'),
    seed: root.count('seed', { min: 0, max: 2 ** 32 - 1 }, 1),
    server: readServer(root.section('server', ['workers', 'engine', 'port', 'knobs'])),
    load: readLoad(root.section('load', ['connections', 'rate', 'payload', 'ramp'])),
    warmUpMs: root.wholeSecondsMs('warmUp', { min: 0, max: HOUR_MS }, 10_000),
    knob: readKnob(root),
    design: readDesign(root.section('design', ['type', 'pairs', 'pairsExtraMax', 'block'])),
    validity: readValidity(root),
    metrics: readMetrics(root.section('metrics', ['primary', 'guardrail', 'margin', 'alpha'])),
    maxDurationMs: root.durationMs('maxDuration', { min: 10_000, max: 24 * HOUR_MS }, 10 * 60_000),
  };
  checkTogether(root, experiment);
  return { file, experiment, lines };
}

/** The text of an experiment file of any kind. Throws WSAR_ERR_FILE. */
export function readExperimentText(file: string): string {
  try {
    if (!statSync(file).isFile()) throw new Error('it is not a file');
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EACCES'
          ? 'it may not be read'
          : message;
    throw new WsarError(
      'WSAR_ERR_FILE',
      `cannot read the experiment ${file}: ${reason}`,
      'lab/experiments/first-loop.yaml is one to start from',
      error,
    );
  }
}

function readServer(server: Section): Experiment['server'] {
  const knobs = server.section('knobs');
  const settings: Record<string, KnobValue> = {};
  for (const name of knobs.keys()) settings[name] = readKnobValue(knobs, name, 'server', name);
  return {
    workers: server.orAuto('workers', (key) => server.count(key, { min: 1, max: 256 })),
    engine: server.orAuto('engine', (key) => server.word(key, ['ring', 'epoll', 'net'])),
    port: server.orAuto('port', (key) => server.count(key, { min: 1, max: 65_535 })),
    knobs: settings,
  };
}

function readLoad(load: Section): Experiment['load'] {
  return {
    connections: load.orAuto('connections', (key) => load.count(key, { min: 2, max: 16_000_000 })),
    ratePerS: load.orAuto('rate', (key) => load.ratePerS(key, { min: 1, max: 1_000_000 })),
    payloadBytes: load.sizeBytes('payload', PAYLOAD_BYTES, 64),
    rampPerS: load.orAuto('ramp', (key) => load.ratePerS(key, { min: 1, max: 1_000_000 })),
  };
}

function readKnob(root: Section): Experiment['knob'] {
  const knob = root.section('knob', ['owner', 'name', 'a', 'b']);
  const owner = knob.word('owner', ['server', 'load']);
  const name = knob.text('name', /^[a-z0-9.-]+$/, 'write.flush');
  requireKnob(knob, 'name', owner, name);
  const a = readKnobValue(knob, 'a', owner, name);
  const b = readKnobValue(knob, 'b', owner, name);
  if (a === b) throw knob.wrong('b', `a and b are both ${a}`, 'give two values to compare');
  return { owner, name, a, b };
}

function requireKnob(
  section: Section,
  key: string,
  owner: 'server' | 'load',
  name: string,
): KnobDef {
  const found = TURNABLE_KNOBS[owner].find((def) => def.name === name);
  if (found !== undefined) return found;
  const names = TURNABLE_KNOBS[owner].map((def) => def.name);
  const near = nearestWord(name, names);
  throw section.wrong(
    key,
    `the ${owner} has no knob '${name}'`,
    near === undefined ? `it has ${names.join(', ')}` : `did you mean '${near}'?`,
  );
}

function readKnobValue(
  section: Section,
  key: string,
  owner: 'server' | 'load',
  name: string,
): KnobValue {
  const def = requireKnob(section, key, owner, name);
  const value = section.knobValue(key);
  const refused = refusalOf(def, value);
  if (refused === undefined) return value;
  const { type } = def;
  throw section.wrong(key, `${name} cannot be set: ${refused}`, `give ${valuesOf(type)}`);
}

function valuesOf(type: KnobDef['type']): string {
  if (type.kind === 'enum') return type.values.join(' or ');
  if (type.kind === 'text') return `a text of at most ${type.lengthMax} characters`;
  return `${type.min} to ${type.max}`;
}

function readDesign(design: Section): Experiment['design'] {
  const type = design.word('type', ['abba'], 'abba');
  const pairs = design.count('pairs', { min: 1, max: DIFFERENCES_MAX / 2 });
  // A run that needs more than half of its pairs again has no fit machine to run on.
  const halfOfPairs = Math.ceil(pairs / 2);
  const block = design.section('block', ['washout', 'measure']);
  return {
    type,
    pairs,
    pairsExtraMax: design.count(
      'pairsExtraMax',
      { min: 0, max: halfOfPairs },
      Math.ceil(pairs / 4),
    ),
    washoutMs: block.wholeSecondsMs('washout', { min: 1000, max: HOUR_MS }, 2000),
    measureMs: block.wholeSecondsMs('measure', { min: 1000, max: HOUR_MS }, 4000),
  };
}

function readValidity(root: Section): Experiment['validity'] {
  const validity = root.section('validity', [
    'latenessP99Max',
    'stealMax',
    'othersMax',
    'spinOffMax',
    'softnetDropsMax',
    'sentShortMax',
  ]);
  const ratio = { min: 0, max: 1 };
  return {
    latenessP99MsMax: validity.durationMs('latenessP99Max', { min: 0.01, max: HOUR_MS }, 20),
    stealRatioMax: validity.ratio('stealMax', ratio, 0.02),
    othersRatioMax: validity.ratio('othersMax', ratio, 0.25),
    spinOffRatioMax: validity.ratio('spinOffMax', ratio, 0.1),
    softnetDropsMax: validity.count('softnetDropsMax', { min: 0, max: 2 ** 32 }, 0),
    sentShortRatioMax: validity.ratio('sentShortMax', ratio, 0.02),
  };
}

function readMetrics(metrics: Section): Experiment['metrics'] {
  const names = BLOCK_METRICS.map(({ name }) => name);
  const primary = metrics.word('primary', names);
  const guardrail = metrics.words('guardrail', []);
  for (const name of guardrail) {
    if (!names.includes(name)) {
      throw metrics.wrong(
        'guardrail',
        `there is no metric '${name}'`,
        `known: ${names.join(', ')}`,
      );
    }
    if (name === primary || guardrail.indexOf(name) !== guardrail.lastIndexOf(name)) {
      throw metrics.wrong('guardrail', `${name} stands here twice`, 'name a metric once');
    }
  }
  const range = { min: 0.0001, max: 10 };
  const judged = [primary, ...guardrail];
  const margin: Record<string, number> = {};
  if (metrics.isSection('margin')) {
    const margins = metrics.section('margin', judged);
    for (const name of judged) margin[name] = margins.ratio(name, range, MARGIN_DEFAULT);
  } else {
    const same = metrics.ratio('margin', range, MARGIN_DEFAULT);
    for (const name of judged) margin[name] = same;
  }
  const alpha = metrics.ratio('alpha', { min: 1e-6, max: 0.2 }, ALPHA_DEFAULT);
  return { primary, guardrail, margin, alpha };
}

/** What no single value shows: time that is too short, messages that are too few. */
function checkTogether(root: Section, experiment: Experiment): void {
  const { design, load, metrics, maxDurationMs } = experiment;
  const neededS = Math.ceil(plannedBlocksMs(experiment) / 1000);
  if (neededS * 1000 > maxDurationMs) {
    throw root.wrong(
      'maxDuration',
      `${maxDurationMs / 1000} s are too short: warm-up and ${design.pairs * 2} blocks take ${neededS} s`,
      'raise maxDuration or lower design.pairs',
    );
  }
  if (experiment.knob.owner === 'load' || load.ratePerS === 'auto') return;
  const messages = (load.ratePerS * design.measureMs) / 1000;
  for (const name of [metrics.primary, ...metrics.guardrail]) {
    const needed = messagesNeeded(name);
    if (messages >= needed) continue;
    throw root
      .section('load')
      .wrong(
        'rate',
        `${name} needs ${needed} messages a block, ${load.ratePerS}/s for ${design.measureMs / 1000} s are ${messages}`,
        'raise load.rate or design.block.measure, or judge another metric',
      );
  }
}

/** Messages a block must have before `metric` is an estimate. */
export function messagesNeeded(metric: string): number {
  const quantile = /\.p(\d\d)(\d*)$/.exec(metric);
  if (quantile === null) return 1;
  const beyond = 1 - Number(`0.${quantile[1]}${quantile[2]}`);
  return Math.round(EVENTS_BEYOND_MIN / beyond);
}
