// Plug-ins that behave badly, against the real command. What is asked of each: no tick is missed, the ticks are as
// late as without any plug-in, what was wrong is counted, and nothing of it is left when the collector is gone.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  type Collected,
  collectWith,
  example,
  file,
  summaryOf,
} from '#collector/plugin/test/collect-with.ts';
import type { Row } from '#core/metric/row.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';

const adversary = (way: string, ...rest: string[]): string[] => [
  '--exec',
  `${way}=${process.execPath} ${file('./adversary.mjs')} ${way} ${rest.join(' ')}`,
];

/** Command lines of processes that have `tag` among their arguments. */
function processesWith(tag: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return /^\d+$/.test(pid) && words.includes(tag) ? [words.join(' ')] : [];
    } catch {
      return [];
    }
  });
}

/** Runs that several tests look at. */
const runs = new Map<string, Promise<Collected>>();
/** A machine that others use misses a tick by itself now and then; what a plug-in did it would do every time. */
const ATTEMPTS_MAX = 3;
/** A plug-in that held up a tick would do so for a period of 200 ms or more. */
const LATE_MS_MORE = 20;

type IsEnough = Parameters<typeof collectWith>[2];

function run(
  t: TestContext,
  name: string,
  plugins: string[],
  isEnough: IsEnough,
): Promise<Collected> {
  const known = runs.get(name) ?? collectOnTime(t, plugins, isEnough);
  runs.set(name, known);
  return known;
}

async function collectOnTime(
  t: TestContext,
  plugins: string[],
  isEnough: IsEnough,
): Promise<Collected> {
  for (let attempt = 1; ; attempt++) {
    const collected = await collectWith(t, plugins, isEnough);
    const without = plugins.length === 0 ? collected : await withoutPlugins(t);
    const isOnTime = collected.lateMsP50 <= without.lateMsP50 + LATE_MS_MORE;
    if ((collected.missedTicks === 0 && isOnTime) || attempt === ATTEMPTS_MAX) return collected;
    const { missedTicks, lateMsP50 } = collected;
    t.diagnostic(`attempt ${attempt}: ${missedTicks} ticks missed, late by ${lateMsP50} ms`);
  }
}

/** Whether the metric had a value that fits, in so many rows. */
const had = (rows: Row[], metric: string, fits: (value: number) => boolean, times = 1): boolean =>
  rows.filter(({ values }) => typeof values[metric] === 'number' && fits(values[metric])).length >=
  times;
const isAny = (): boolean => true;
const isPositive = (value: number): boolean => value > 0;

/** The ticks of a collector without plug-ins, in the same minute. */
const withoutPlugins = (t: TestContext): Promise<Collected> =>
  run(t, 'none', [], ({ rows }) => rows.length >= 12);

const FLOODS = ['flood', 'endless', 'garbage'];
const floods = (t: TestContext): Promise<Collected> =>
  run(
    t,
    'floods',
    FLOODS.flatMap((way) => adversary(way)),
    ({ rows }) =>
      rows.length >= 16 &&
      had(rows, 'plugin.flood.a', isAny) &&
      had(rows, 'plugin.garbage.a', isAny) &&
      FLOODS.every((way) =>
        had(rows, `wsar.collector.plugin.throttled{plugin=${way}}`, isPositive),
      ),
  );

const ODD = ['half', 'silent', 'lies', 'back', 'many', 'exit', 'version'];
const odd = (t: TestContext): Promise<Collected> =>
  run(
    t,
    'odd',
    ODD.flatMap((way) => adversary(way)),
    ({ rows, events }) =>
      rows.length >= 18 &&
      had(rows, 'plugin.half.a', isAny) &&
      rows.at(-1)!.values['plugin.half.a'] === null &&
      had(rows, 'plugin.lies.a', isAny, 6) &&
      had(rows, 'plugin.many.m.x{i=0}', isAny) &&
      had(rows, 'wsar.collector.plugin.restarts{plugin=exit}', isPositive) &&
      events.some((text) => text.startsWith('plug-in version: ')),
  );

const MODULES = ['looping', 'hungry', 'wrong'];
const modules = (t: TestContext): Promise<Collected> =>
  run(
    t,
    'modules',
    MODULES.flatMap((name) => ['--plugin', file(`./${name}.mjs`)]),
    ({ rows, events }) =>
      rows.length >= 10 &&
      events.some((text) => text.startsWith('plug-in hungry: ')) &&
      events.some((text) => text.startsWith('plug-in wrong: ')) &&
      had(rows, 'wsar.collector.plugin.errors{plugin=wrong}', isPositive) &&
      typeof rows.at(-1)!.values['plugin.wrong.good'] === 'number',
  );

async function assertOrdinary(t: TestContext, collected: Collected): Promise<void> {
  const { missedTicks, lateMsP50, lateMsMax, sourceUsMax } = collected;
  const without = await withoutPlugins(t);
  t.diagnostic(
    `late by ${lateMsP50.toFixed(1)} ms (median), ${lateMsMax.toFixed(1)} at most; without ` +
      `${without.lateMsP50.toFixed(1)}, ${without.lateMsMax.toFixed(1)}; source ${sourceUsMax} us`,
  );
  assert.ok(collected.rows.length > 0, collected.command.stderr());
  assert.equal(missedTicks, 0);
  assert.ok(
    lateMsP50 <= without.lateMsP50 + 10,
    `median ${lateMsP50} ms, without ${without.lateMsP50}`,
  );
}

test('the two examples, as they stand', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'one'), '12345');
  writeFileSync(join(folder, 'two'), '1234567');
  const program = `spool=${example('spool-folder.sh')} ${folder}`;
  const plugins = ['--plugin', example('file-locks.ts'), '--exec', program];
  const collected = await collectOnTime(t, plugins, ({ rows }) =>
    had(rows, 'plugin.spool.files.seen', isAny, 3),
  );
  await assertOrdinary(t, collected);
  assert.equal(collected.last('plugin.spool.files.waiting'), 2);
  assert.equal(collected.last('plugin.spool.bytes.waiting'), 12);
  assert.equal(collected.last('plugin.spool.files.seen'), 0, 'none came by');
  assert.ok(collected.last('plugin.locks.locks.held{type=FLOCK}')! >= 0);
  for (const id of ['locks', 'spool']) {
    assert.equal(collected.last(`wsar.collector.plugin.stale{plugin=${id}}`), 0);
    assert.equal(collected.last(`wsar.collector.plugin.refused{what=line,plugin=${id}}`), 0);
  }
});

test('floods: their senders wait, the values are there, the ticks are on time', async (t) => {
  const collected = await floods(t);
  await assertOrdinary(t, collected);
  assert.equal(collected.last('plugin.flood.a'), 1);
  assert.equal(collected.last('plugin.garbage.a'), 5);
  const refused = 'wsar.collector.plugin.refused{what=line,plugin=garbage}';
  assert.ok(had(collected.rows, refused, isPositive));
  for (const way of FLOODS) {
    const metric = `wsar.collector.plugin.throttled{plugin=${way}}`;
    const perS = Math.max(...collected.rows.map(({ values }) => values[metric] ?? 0));
    // Read ten times a second at the most, whatever is written.
    assert.ok(perS > 0 && perS < 20, `${way}: held back ${perS} times a second`);
  }
});

test('half a line and silence: a value that is old is none', async (t) => {
  const collected = await odd(t);
  await assertOrdinary(t, collected);
  assert.ok(collected.rows.some(({ values }) => values['plugin.half.a'] === 1));
  const { values } = collected.rows.at(-1)!;
  assert.equal(values['plugin.half.a'], null);
  assert.equal(values['wsar.collector.plugin.stale{plugin=half}'], 1);
  assert.equal(values['wsar.collector.plugin.stale{plugin=silent}'], 1);
  assert.equal(values['wsar.collector.plugin.age{plugin=silent}'], null);
});

test('lies: numbers and names that are none are refused one by one, the others pass', async (t) => {
  const collected = await odd(t);
  assert.equal(collected.last('plugin.lies.a'), 42);
  assert.equal(collected.last('plugin.lies.c'), 0, 'exact at 2^64 - 1, where it stands still');
  const { values } = collected.rows.at(-1)!;
  const names = Object.keys(values).filter((name) => name.startsWith('plugin.lies.'));
  assert.deepEqual(names.sort(), [
    'plugin.lies.a',
    'plugin.lies.c',
    'plugin.lies.system.cpu.utilization',
  ]);
  assert.equal(values['plugin.lies.system.cpu.utilization'], 0.5, 'in its own section');
  assert.ok(values['system.cpu.utilization']! >= 0);
  // Of each of five answers a second: values that are none, a time that cannot be, lines that say nothing.
  const perTick = (what: string): number => {
    const metric = `wsar.collector.plugin.refused{what=${what},plugin=lies}`;
    const known = collected.rows.map((row) => row.values[metric]).filter((value) => value! > 0);
    return known.toSorted((a, b) => a! - b!)[known.length >> 1]! / 5;
  };
  assert.ok(Math.abs(perTick('value') - 8) < 1, `${perTick('value')} values`);
  assert.ok(Math.abs(perTick('line') - 2) < 0.5, `${perTick('line')} lines`);
  assert.ok(Math.abs(perTick('time') - 1) < 0.5, `${perTick('time')} times`);
  for (const row of collected.rows) {
    for (const value of Object.values(row.values)) {
      assert.ok(value === null || Number.isFinite(value));
    }
  }
  assert.ok(!collected.command.stdout().includes('\u001b'), 'nothing that a terminal obeys');
});

test('a counter that goes back has no rate; it is never negative', async (t) => {
  const { rows } = await odd(t);
  assert.ok(rows.every(({ values }) => (values['plugin.back.c'] ?? null) === null));
});

test('too many metrics: 256 are shown, the others are counted', async (t) => {
  const collected = await odd(t);
  const { values } = collected.rows.at(-1)!;
  assert.equal(Object.keys(values).filter((name) => name.startsWith('plugin.many.')).length, 256);
  assert.equal(collected.last('plugin.many.m.x{i=0}'), 1);
});

test('a program that ends at once is started again, later and later, and says why', async (t) => {
  const collected = await odd(t);
  const said = collected.events.filter((text) => text.startsWith('plug-in exit: '));
  assert.match(said[0]!, /it ended \(exit 3\): 'no such queue'; it is started again in 1 s/);
  const restarts = collected.last('wsar.collector.plugin.restarts{plugin=exit}')!;
  // After 1, 2, 4, 8 s: so many lie in the time.
  const restartsMax = Math.log2(collected.rows.length / 5 + 1) + 1;
  assert.ok(restarts >= 1 && restarts <= restartsMax, `${restarts} restarts`);
  assert.equal(collected.last('wsar.collector.plugin.restarts{plugin=half}'), 0);
});

test('another version of the protocol', async (t) => {
  const { events } = await odd(t);
  const said = events.filter((text) => text.startsWith('plug-in version: '));
  assert.match(said[0]!, /it speaks version 2 of the protocol, this wsar version 1/);
});

test('nothing is left of a program that ignores SIGTERM, nor of its children', async (t) => {
  const tag = `stubborn-${process.pid}`;
  const collected = await collectOnTime(t, adversary('stubborn', tag), ({ rows }) =>
    had(rows, 'plugin.stubborn.a', isAny),
  );
  await assertOrdinary(t, collected);
  assert.equal(collected.last('plugin.stubborn.a'), 1);
  assert.deepEqual(processesWith(tag), []);
});

test('nor when the collector itself is killed', async (t) => {
  const tag = `orphan-${process.pid}`;
  const command = startWsar(t, ['collect', '0.25', '--json', ...adversary('silent', tag)]);
  await command.line(/"wallMs"/);
  assert.ok(processesWith(tag).length > 0);
  const { pid } = command.child;
  process.kill(pid!, 'SIGKILL');
  // bin/wsar is replaced by node, or starts it as a child that goes with it.
  await command.exit();
  for (let tries = 0; processesWith(tag).length > 0 && tries < 200; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.deepEqual(processesWith(tag), []);
});

test('a module that loops for ever holds up nobody', async (t) => {
  const collected = await modules(t);
  await assertOrdinary(t, collected);
  const { values } = collected.rows.at(-1)!;
  assert.equal(values['wsar.collector.plugin.stale{plugin=looping}'], 1);
});

test('a module that eats memory loses its thread; what it prints goes nowhere', async (t) => {
  const collected = await modules(t);
  const said = collected.events.filter((text) => text.startsWith('plug-in hungry: '));
  assert.match(said[0] ?? '', /its thread ended: .*memory.*it is started again in 1 s/i);
  const printed = collected.command.stdout() + collected.command.stderr();
  assert.doesNotMatch(printed, /belongs nowhere/);
});

test('a module that throws is asked again; what it may not set is refused', async (t) => {
  const collected = await modules(t);
  const said = collected.events.filter((text) => text.startsWith('plug-in wrong: '));
  assert.match(said[0]!, /its sample failed: 'the queue is'; it is asked again in 1 s/);
  // One a call, five calls a second, read to the last digit at 2^60.
  const rate = collected.last('plugin.wrong.good')!;
  assert.ok(Math.abs(rate - 5) < 2.5, `${rate}`);
  assert.equal(collected.last('plugin.wrong.bad'), null);
  const errors = collected.rows.map(
    ({ values }) => values['wsar.collector.plugin.errors{plugin=wrong}'],
  );
  assert.ok(errors.some((perS) => perS! > 0));
});

test('files that are no plug-ins are told apart, before the first row', async (t) => {
  const folder = temporaryFolder(t);
  const metric = "{ name: 'a', kind: 'gauge', unit: '1', help: 'x' }";
  const cases: [string, string, RegExp][] = [
    ['empty.mjs', '', /exports no object named 'plugin'/],
    ['syntax.mjs', 'export const plugin = {', /is no plug-in: Unexpected/],
    ['throws.mjs', "throw new Error('no redis here')", /is no plug-in: no redis here/],
    ['sample.mjs', `export const plugin = { metrics: [${metric}] }`, /has no function sample/],
    ['metrics.mjs', 'export const plugin = { sample() {}, metrics: [] }', /metrics are no list/],
    [
      'name.mjs',
      `export const plugin = { sample() {}, metrics: [${metric.replace("'a'", "'a\\nb'")}] }`,
      /metric 1 has a name that is none: 'a\?b'/,
    ],
    [
      'kind.mjs',
      `export const plugin = { sample() {}, metrics: [${metric.replace('gauge', 'wave')}] }`,
      /of kind 'wave', not counter, gauge, rate/,
    ],
    [
      'id.mjs',
      `export const plugin = { id: 'A b', sample() {}, metrics: [${metric}] }`,
      /its id 'A b' is none/,
    ],
    [
      'open.mjs',
      `export const plugin = { open() { throw new Error('closed') }, sample() {}, metrics: [${metric}] }`,
      /closed/,
    ],
  ];
  for (const [name, text, message] of cases) {
    writeFileSync(join(folder, name), text);
    const command = startWsar(t, ['collect', '1', '1', '--plugin', join(folder, name)]);
    assert.equal(await command.exit(), 2, name);
    assert.match(command.stderr(), message);
    assert.equal(summaryOf(command.stdout()).rows.length, 0);
  }
  const none = startWsar(t, ['collect', '1', '1', '--plugin', join(folder, 'nowhere.ts')]);
  assert.equal(await none.exit(), 2);
  assert.match(none.stderr(), /names no module that is there/);
});
