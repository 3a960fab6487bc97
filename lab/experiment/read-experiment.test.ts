// Every way a person can get an experiment file wrong gets one sentence: file, line, what, remedy.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { editDistance, nearestWord } from '#core/yaml/nearest-word.ts';
import { parseExperiment, readExperiment } from '#lab/experiment/read-experiment.ts';
import { LOAD_KNOBS } from '#loadgen/load-knobs.ts';
import { ROOT, temporaryFolder } from '#test/command.ts';

const GOOD = `version: 1
name: x
question: Is B cheaper?
load:
  connections: 500
  rate: 2000/s
knob:
  owner: server
  name: write.flush
  a: turn
  b: immediate
design:
  pairs: 3
  block: { washout: 1s, measure: 2s }
metrics:
  primary: cpu.us_per_msg
maxDuration: 2m
`;

/** The sentence about GOOD with one line changed ('' removes it). */
function sentence(line: string, instead: string): string {
  assert.ok(GOOD.includes(line), `the file has a line ${line}`);
  return sentenceOf(GOOD.replace(line, instead));
}

function sentenceOf(text: string): string {
  try {
    parseExperiment(text, 'x.yaml');
  } catch (error) {
    assert.ok(error instanceof WsarError, String(error));
    assert.equal(error.exitCode, 2);
    return `${error.message}; ${error.hint}`;
  }
  return 'accepted';
}

test('a good file is accepted, and JSON is the same file', () => {
  const { experiment } = parseExperiment(GOOD, 'x.yaml');
  assert.equal(experiment.load.ratePerS, 2000);
  assert.equal(experiment.design.washoutMs, 1000);
  assert.equal(experiment.metrics.margin['cpu.us_per_msg'], 0.03);
  assert.equal(experiment.server.engine, 'auto');
  const asJson = JSON.stringify({
    version: 1,
    name: 'x',
    question: 'Is B cheaper?',
    load: { connections: 500, rate: '2000/s' },
    knob: { owner: 'server', name: 'write.flush', a: 'turn', b: 'immediate' },
    design: { pairs: 3, block: { washout: '1s', measure: '2s' } },
    metrics: { primary: 'cpu.us_per_msg' },
    maxDuration: '2m',
  });
  assert.deepEqual(parseExperiment(asJson, 'x.json').experiment, experiment);
});

test('the experiment of npm start is one', () => {
  const { experiment } = readExperiment(join(ROOT, 'lab/experiments/first-loop.yaml'));
  assert.equal(experiment.load.connections, 'auto');
});

const MISTAKES: [what: string, line: string, instead: string, told: string][] = [
  [
    'unknown key',
    'name: x',
    'name: x\nlaod: {}',
    "x.yaml:3: there is no key 'laod'; did you mean 'load'?",
  ],
  [
    'unknown key below',
    '  rate: 2000/s',
    '  rats: 2000/s',
    "x.yaml:6: there is no key 'rats' in load; did you mean 'rate'?",
  ],
  [
    'unknown key, nothing near',
    '  rate: 2000/s',
    '  zzz: 2000/s',
    "x.yaml:6: there is no key 'zzz' in load; known keys: connections, rate, payload, ramp",
  ],
  [
    'unknown key in one line',
    'washout: 1s',
    'washot: 1s',
    "x.yaml:14: there is no key 'washot' in design.block; did you mean 'washout'?",
  ],
  [
    'missing unit',
    '  rate: 2000/s',
    '  rate: 2000',
    "x.yaml:6: load.rate: '2000' has no unit; write a rate like 5000/s, 20/min",
  ],
  [
    'missing unit of time',
    'measure: 2s',
    'measure: 2',
    "x.yaml:14: design.block.measure: '2' has no unit; write a duration like 30s, 250ms, 5m",
  ],
  [
    'wrong unit',
    '  rate: 2000/s',
    '  rate: 2000ms',
    "x.yaml:6: load.rate: '2000ms' is not a rate; write a rate like 5000/s, 20/min",
  ],
  [
    'no whole seconds',
    'measure: 2s',
    'measure: 2500ms',
    'x.yaml:14: design.block.measure: 2.5s is not a whole number of seconds; rows come once a second',
  ],
  [
    'out of range',
    'maxDuration: 2m',
    'maxDuration: 2000h',
    'x.yaml:17: maxDuration: 2000h is out of range; give 10s to 1440m',
  ],
  [
    'not a number',
    '  connections: 500',
    '  connections: many',
    "x.yaml:5: load.connections: 'many' is not a whole number from 2 to 16000000; give one in that range",
  ],
  [
    'a fraction',
    '  connections: 500',
    '  connections: 500.5',
    "x.yaml:5: load.connections: '500.5' is not a whole number from 2 to 16000000; give one in that range",
  ],
  [
    'negative',
    '  connections: 500',
    '  connections: -500',
    "x.yaml:5: load.connections: '-500' is not a whole number from 2 to 16000000; give one in that range",
  ],
  [
    'a list for a number',
    '  connections: 500',
    '  connections: [500]',
    'x.yaml:5: load.connections: is a section or list, one value is wanted; docs/tools/run.md describes the file',
  ],
  [
    'nothing',
    '  connections: 500',
    '  connections:',
    'x.yaml:5: load.connections: has no value; docs/tools/run.md describes the file',
  ],
  [
    'a text for a section',
    'load:\n  connections: 500\n  rate: 2000/s',
    'load: heavy',
    "x.yaml:4: load is not a section of 'key: value' lines; docs/tools/run.md describes the file",
  ],
  ['missing key', 'name: x\n', '', "x.yaml:1: the file lacks 'name'; add a line 'name: ...'"],
  ['missing key below', '  a: turn\n', '', "x.yaml:8: knob lacks 'a'; add a line 'a: ...'"],
  [
    'version',
    'version: 1',
    'version: 2',
    "x.yaml:1: version: '2' is not a whole number from 1 to 1; give one in that range",
  ],
  [
    'name',
    'name: x',
    'name: A b',
    "x.yaml:2: name: 'A b' is not text like first-loop; write it like first-loop",
  ],
  [
    'unknown owner',
    '  owner: server',
    '  owner: serve',
    "x.yaml:8: knob.owner: 'serve' is none of server, load; did you mean 'server'?",
  ],
  [
    'unknown knob',
    '  name: write.flush',
    '  name: write.flash',
    "x.yaml:9: knob.name: the server has no knob 'write.flash'; did you mean 'write.flush'?",
  ],
  [
    'impossible knob value',
    '  b: immediate',
    '  b: never',
    'x.yaml:11: knob.b: write.flush cannot be set: "never" is none of turn, immediate; give turn or immediate',
  ],
  [
    'same value twice',
    '  b: immediate',
    '  b: turn',
    'x.yaml:11: knob.b: a and b are both turn; give two values to compare',
  ],
  [
    'wrong type of value',
    '  b: immediate',
    '  b: true',
    "x.yaml:11: knob.b: 'true' is not a word or a number; quote it if it is a word",
  ],
  [
    'unknown metric',
    '  primary: cpu.us_per_msg',
    '  primary: cpu.us_per_mgs',
    "x.yaml:16: metrics.primary: 'cpu.us_per_mgs' is none of cpu.us_per_msg, " +
      'enters.per_msg, sends.per_msg, delivered.per_s, latency.p50, latency.p99, ' +
      "latency.p999, service.p99; did you mean 'cpu.us_per_msg'?",
  ],
  [
    'metric twice',
    '  primary: cpu.us_per_msg',
    '  primary: cpu.us_per_msg\n  guardrail: [cpu.us_per_msg]',
    'x.yaml:17: metrics.guardrail: cpu.us_per_msg stands here twice; name a metric once',
  ],
  [
    'margin of another metric',
    '  primary: cpu.us_per_msg',
    '  primary: cpu.us_per_msg\n  margin: { latency.p99: 3 % }',
    "x.yaml:17: there is no key 'latency.p99' in metrics.margin; known keys: cpu.us_per_msg",
  ],
  [
    'too few messages',
    '  primary: cpu.us_per_msg',
    '  primary: latency.p99',
    'x.yaml:6: load.rate: latency.p99 needs 5000 messages a block, 2000/s for 2 s are ' +
      '4000; raise load.rate or design.block.measure, or judge another metric',
  ],
  [
    'too little time',
    'maxDuration: 2m',
    'maxDuration: 20s',
    'x.yaml:17: maxDuration: 20 s are too short: warm-up and 6 blocks take 28 s; raise ' +
      'maxDuration or lower design.pairs',
  ],
  [
    'key twice',
    'name: x',
    'name: x\nname: y',
    'x.yaml:3: not valid YAML: Map keys must be unique; docs/tools/run.md describes the file',
  ],
  [
    'an alias',
    'name: x',
    'name: &n x',
    'x.yaml:2: anchors, aliases and tags are not used in experiment files; docs/tools/run.md describes the file',
  ],
  [
    'a tag',
    '  pairs: 3',
    '  pairs: !big 3',
    'x.yaml:13: not valid YAML: Unresolved tag: !big; docs/tools/run.md describes the file',
  ],
  [
    'two documents',
    'name: x',
    'name: x\n---\nname: y',
    'x.yaml:3: a second document begins here, a file holds one experiment; docs/tools/run.md describes the file',
  ],
];

for (const [what, line, instead, told] of MISTAKES) {
  test(`wrong file: ${what}`, () => assert.equal(sentence(line, instead), told));
}

test('texts that are no experiment at all', () => {
  assert.match(sentenceOf(''), /^x\.yaml:1: the file is not a section/);
  assert.match(sentenceOf('- a\n- b\n'), /^x\.yaml:1: the file is not a section/);
  assert.match(sentenceOf('a: [1\nb: 2\n'), /^x\.yaml:\d+: not valid YAML: /);
  assert.match(sentenceOf('\tname: x\n'), /^x\.yaml:1: /);
  assert.match(sentenceOf('1: 2\n'), /^x\.yaml:1: the key 1 is not a word/);
  assert.match(sentenceOf('{'.repeat(40)), /^x\.yaml:1: /);
  assert.match(
    sentenceOf(`name: ${'x'.repeat(300_000)}`),
    /^x\.yaml:1: the file has 300006 bytes, at most/,
  );
});

test('any damage to a good file is a sentence with a line, or an experiment', () => {
  for (let position = 0; position < GOOD.length; position += 3) {
    for (const damage of ['', ':', '\n', '"', '{', '\u0000', '9']) {
      const told = sentenceOf(GOOD.slice(0, position) + damage + GOOD.slice(position + 1));
      assert.match(told, /^(accepted|x\.yaml:\d+: )/);
    }
  }
});

test('a file that cannot be read is a sentence too', (t) => {
  const folder = temporaryFolder(t);
  assert.throws(
    () => readExperiment(join(folder, 'none.yaml')),
    /cannot read the experiment .*none\.yaml: there is no such file/,
  );
  assert.throws(() => readExperiment(folder), /it is not a file/);
  writeFileSync(join(folder, 'bytes'), Buffer.from([0xff, 0xfe, 0x00]));
  assert.throws(() => readExperiment(join(folder, 'bytes')), WsarError);
});

test('nearest word: insertions, swaps, parts, and nothing for a stranger', () => {
  assert.equal(editDistance('flush', 'fulsh'), 1);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(nearestWord('conections', ['connections', 'rate']), 'connections');
  assert.equal(nearestWord('p99', ['latency.p99', 'x']), 'latency.p99');
  assert.equal(nearestWord('banana', ['connections', 'rate']), undefined);
});

test('every knob of the load may be turned by an experiment, within its bounds', () => {
  const turning = (name: string, a: number, b: number): string =>
    GOOD.replace('owner: server', 'owner: load')
      .replace('name: write.flush', `name: ${name}`)
      .replace('a: turn', `a: ${a}`)
      .replace('b: immediate', `b: ${b}`);
  for (const { name, type } of LOAD_KNOBS) {
    assert.ok(type.kind === 'int' || type.kind === 'float', name);
    const { experiment } = parseExperiment(turning(name, type.min, type.max), 'x.yaml');
    assert.deepEqual(experiment.knob, { owner: 'load', name, a: type.min, b: type.max });
    assert.match(sentenceOf(turning(name, type.min, type.max + 1)), /knob.b: .* cannot be set/);
  }
});
