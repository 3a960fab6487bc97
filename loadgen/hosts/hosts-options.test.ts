// Every option of `wsar load` either works over hosts or is refused in one sentence: none is left out silently.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { fromPlainOptions, toPlainOptions } from '#loadgen/hosts/agent-message.ts';
import { LOAD_OPTIONS } from '#loadgen/load-option-list.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { loadScenario } from '#loadgen/scenario/scenario.ts';

type Told = keyof LoadOptions;

/** A word for each option; what an agent is told of it; what else it needs beside it. */
const WORKS: Record<string, [word: string | true, told: Told | undefined, beside?: string]> = {
  target: ['mqtt://127.0.0.1:1', 'target'],
  connections: ['500', undefined],
  duration: ['9s', 'durationMs'],
  rate: ['70/s', 'ratePlan'],
  arrivals: ['bursts', 'process'],
  model: ['closed', 'model'],
  think: ['3s', 'model', 'model closed'],
  'session-messages': ['3', 'model', 'model partly-open rate 9/s'],
  'session-length': ['3s', 'sessions'],
  away: ['1s', 'sessions', 'session-length 4s'],
  stages: ['1s@5/s', 'ratePlan', 'no-duration'],
  day: ['10s', 'ratePlan', 'rate 9/s'],
  spike: ['35%@500ms/1s/1s', 'ratePlan', 'rate 9/s'],
  storm: ['50%@500ms', 'storms'],
  return: ['backoff:1s', 'returnPolicy'],
  protocol: ['ws', 'wire'],
  mqtt: ['5', 'wire'],
  framing: ['line', 'wire', 'target tcp://127.0.0.1:1'],
  insecure: [true, 'wire', 'target mqtts://127.0.0.1:1'],
  cafile: [import.meta.filename, 'wire', 'target mqtts://127.0.0.1:1'],
  ramp: ['50/s', 'rampPerS'],
  payload: ['99B', 'payloadBytes'],
  media: ['5%', 'mediaRatio'],
  seed: ['8', 'seed'],
  'first-user': ['70', 'firstUser'],
  engine: ['net', 'engine'],
  workers: ['3', 'workers'],
  sources: ['127.9.0.0/16', 'sources'],
  ports: ['explicit:20000-29999', 'ports'],
  'slow-readers': ['5%@1KiB', 'slow'],
  keepalive: ['9s', 'keepAliveMs'],
  sessions: ['kept', 'isCleanSession'],
  receipts: ['client', 'clientReceipts'],
  drain: ['3s', 'drainMs'],
  memory: ['watched', 'isRoomChecked'],
  'lateness-max': ['1s', 'latenessUsMax'],
  'i-own-this-target': [true, 'isOwned'],
  // The controller's own part, or told to nobody but him.
  'fail-if': ['messages.lost > 0', undefined],
  'find-max': ['p99 < 50ms', undefined],
  'on-loss': ['degrade', undefined],
  hlog: ['x.hlog', undefined],
  json: [true, undefined],
  scenario: ['whatsapp-2014', 'scenario'],
  'media-target': ['http://127.0.0.1:1', undefined, 'media 5%'],
};

/** What is refused, and how. */
const REFUSED: Record<string, [word: string | true, sentence: RegExp]> = {
  calibrate: [true, /^--calibrate measures the generator of one host$/],
  rtt: ['80ms', /^--rtt is of engine stack, which is for one host$/],
  jitter: ['8ms', /^--jitter is of engine stack, which is for one host$/],
  loss: ['1%', /^--loss is of engine stack, which is for one host$/],
  network: ['phone', /^--network is of engine stack, which is for one host$/],
  tcp: ['sack off', /^--tcp is of engine stack, which is for one host$/],
  upload: ['1KiB', /^--upload is for http/],
  'virtual-hosts': ['2', /two ways to say one thing/],
  hosts: ['1001', /1001/],
};

function given(words: Record<string, string | true>): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, word] of Object.entries(words)) {
    const spec = LOAD_OPTIONS.find(({ flags }) => flags.split(' ')[0] === `--${name}`);
    assert.ok(spec !== undefined, name);
    const key = name.replace(/-[a-z]/g, (dash) => dash[1]!.toUpperCase());
    const value = word !== true && spec.parse !== undefined ? spec.parse(word) : word;
    options[key] = spec.repeat ? [value] : value;
  }
  return options;
}

const PLAIN = { target: 'mqtt://127.0.0.1:1', connections: '100', duration: '1s' };

function besideOf(text = ''): Record<string, string> {
  const words = text.split(' ').filter((word) => word !== '' && word !== 'no-duration');
  return Object.fromEntries(
    Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i]!, words[2 * i + 1]!]),
  );
}

const names = LOAD_OPTIONS.map(({ flags }) => flags.split(' ')[0]!.slice(2));

test('every option is one or the other, and the manual says which', () => {
  const manual = readFileSync('docs/tools/agent.md', 'utf8');
  for (const name of names) {
    assert.ok(name in WORKS !== name in REFUSED, name);
    assert.ok(manual.includes(`\`--${name}\``), `docs/tools/agent.md names --${name}`);
  }
  assert.equal(Object.keys(WORKS).length + Object.keys(REFUSED).length, names.length);
});

test('what works comes to the agents as it was said', async () => {
  for (const [name, [word, told, beside]] of Object.entries(WORKS)) {
    const base: Record<string, string | true> = { ...PLAIN, ...besideOf(beside), hosts: '2' };
    if (beside === 'no-duration') delete base['duration'];
    // What the files are is said by scenarios alone.
    const { media: mediaKinds } = await loadScenario('whatsapp-2014');
    const options = readOptions({ ...given({ ...base, [name]: word }), mediaKinds });
    assert.equal(options.hosts?.count, 2, name);
    if (told === undefined || name === 'scenario') continue;
    const heard = fromPlainOptions(JSON.parse(JSON.stringify(toPlainOptions(options))));
    // What is undefined is nowhere in JSON.
    assert.equal(JSON.stringify(heard[told]), JSON.stringify(options[told]), name);
    if (name in base) continue;
    const without = name === 'stages' ? { ...base, duration: '1s' } : base;
    assert.notDeepEqual(readOptions(given(without))[told], options[told], name);
  }
});

test('what does not work is refused in one sentence', () => {
  for (const [name, [word, sentence]] of Object.entries(REFUSED)) {
    const hosts: Record<string, string> = name === 'hosts' ? {} : { hosts: '2' };
    assert.throws(
      () => readOptions(given({ ...PLAIN, ...hosts, [name]: word })),
      (error) => error instanceof WsarError && sentence.test(error.message) && error.hint !== '',
      name,
    );
  }
  assert.throws(
    () => readOptions(given({ ...PLAIN, hosts: '2', engine: 'stack' })),
    /engine stack is for one host/,
  );
  assert.throws(
    () => readOptions(given({ ...PLAIN, 'virtual-hosts': '2', sources: '127.1.0.0/16' })),
    /virtual hosts have addresses of their own/,
  );
});
