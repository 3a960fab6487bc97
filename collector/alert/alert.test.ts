import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AlertEngine, RuleMistake } from '#collector/alert/alert-engine.ts';
import { readAlertFile } from '#collector/alert/alert-file.ts';
import { AlertHook } from '#collector/alert/alert-hook.ts';
import { AlertState } from '#collector/alert/alert-state.ts';
import { compileCondition } from '#collector/alert/compiled-condition.ts';
import { ConditionMistake, parseCondition } from '#collector/alert/condition.ts';
import { defaultRules } from '#collector/alert/default-rules.ts';
import { Sampler } from '#collector/sampler.ts';
import { ServerRowSource } from '#collector/source/server-row.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { systemClock } from '#core/clock/clock.ts';
import type { WsarError } from '#core/errors.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';

const UNITS: Record<string, string> = {
  'a.b': '1',
  bytes: 'By',
  cpu_us: 'us/s',
  'len{q=1}': '{message}',
  wait: 's',
  rate: '{event}/s',
};

/** What a condition says of each of several ticks. */
function holds(
  text: string,
  ticks: Record<string, number>[],
  decays: Record<string, number> = {},
): (boolean | undefined)[] {
  const condition = compileCondition(parseCondition(text), {
    unitOf: (metric) => UNITS[metric],
    nameOf: (metric) => metric,
  });
  return ticks.map((values) =>
    condition.holds({
      value: (metric) => values[metric] ?? Number.NaN,
      decay: (metric, horizon) => decays[`${metric} ${horizon}`],
      dtS: 1,
    }),
  );
}

test('conditions say what they seem to say', () => {
  const values = {
    'a.b': 0.9,
    bytes: 2048,
    cpu_us: 600_000,
    'len{q=1}': 600_000,
    wait: 2,
    rate: 5,
  };
  const cases: [string, boolean | undefined][] = [
    ['a.b > 85 %', true],
    ['a.b > 95%', false],
    ['a.b >= 0.9 and a.b <= 0.9', true],
    ['len{q=1} > 500k', true],
    ['len{q=1} > 0.6M', false],
    ['bytes == 2KiB', true],
    ['bytes != 2 KiB', false],
    ['not bytes < 1 kB', true],
    ['not(bytes < 1 kB)', true],
    ['cpu_us > 500 ms/s', true],
    ['wait > 1500 ms', true],
    ['wait < 1 min or a.b < 0', true],
    ['rate > 4/s', true],
    ['1 + 2 * 3 == 7', true],
    ['(1 + 2) * 3 == 9', true],
    ['-rate < -4', true],
    ['(rate > 4 or rate < 1) and (a.b > 0.5)', true],
    ['len{q=1} / rate > 100k', true],
    ['drain(len{q=1}, -100 * rate) > 20 min', false],
    ['drain(len{q=1}, -rate) > 20 min', true],
    ['drain(len{q=1}, rate) > 1000 h', true],
    ['missing > 1', undefined],
    ['missing > 1 or rate > 4', true],
    ['missing > 1 and rate > 4', undefined],
    ['missing > 1 and rate < 4', false],
    ['not missing > 1', undefined],
    ['10_000 > rate', true],
    ['1e3 > rate', true],
  ];
  for (const [text, expected] of cases) assert.equal(holds(text, [values])[0], expected, text);
});

test('changes and decays go on over ticks', () => {
  assert.deepEqual(holds('change(rate) > 9', [{ rate: 1 }, { rate: 11 }, { rate: 12 }]), [
    undefined,
    true,
    false,
  ]);
  assert.deepEqual(holds('decay10(rate) > 7', [{}, {}], { 'rate 1': 8 }), [true, true]);
  const step = Array.from({ length: 30 }, (_, tick) => ({ rate: tick < 10 ? 0 : 10 }));
  const first = (text: string): number => holds(text, step).indexOf(true);
  assert.equal(first('decay1(rate + 0) > 5'), 10);
  // Ten zeros before: 1 - exp(-t/10) of the later ones outweighs half after 7 s, less what was never observed.
  assert.ok(first('decay10(rate + 0) > 5') > 13 && first('decay10(rate + 0) > 5') < 18);
});

test('every mistake in a condition has its place and a remedy', () => {
  const cases: [string, number, RegExp][] = [
    ['', 0, /it ends too early/],
    ['a.b', 3, /a comparison is missing/],
    ['a.b >', 5, /it ends too early/],
    ['a.b ~ 3', 4, /'~' is no comparison/],
    ['a.b > 3 parsecs', 6, /'3 parsecs' has a unit that is not known/],
    ['a.b > 3 )', 8, /'\)' is too much/],
    ['(a.b > 3', 8, /'\)' is missing/],
    ['mean(a.b) > 3', 0, /there is no function mean/],
    ['drain(a.b) > 3', 9, /',' is missing/],
    ['a.b > 3 s', 6, /a duration is compared with a ratio/],
    ['bytes > 85 %', 8, /a ratio is compared with a number of bytes/],
    ['rate > 10 B', 7, /a number of bytes is compared with a value in \{event\}\/s/],
    ['bytes + wait > 3', 8, /a number of bytes and a duration make no sum/],
    ['len{*,*} > 1', 0, /several \*/],
    [`${'('.repeat(40)}1 > 0`, 33, /nested too deeply/],
    ['x'.repeat(1001), 0, /1001 characters/],
  ];
  for (const [text, at, message] of cases) {
    assert.throws(
      () => holds(text, []),
      (error) => {
        assert.ok(error instanceof ConditionMistake, text);
        assert.match(error.message, message);
        assert.equal(error.at, at, `${text}: ${error.message}`);
        assert.ok(error.remedy.length > 3);
        return true;
      },
    );
  }
});

/** Transitions as `tick:what`, of ticks a second apart. */
function transitions(
  state: AlertState,
  ticks: (boolean | undefined | [raises: boolean, clears: boolean])[],
): string[] {
  return ticks.flatMap((tick, nowS) => {
    const [raises, clears] = Array.isArray(tick)
      ? tick
      : [tick, tick === undefined ? undefined : !tick];
    const told = state.step(raises, clears, nowS);
    return told === undefined ? [] : [`${nowS}:${told}`];
  });
}

const [T, F, U] = [true, false, undefined];

test('hold: as long as asked, from the first tick on, and anew after an interruption', () => {
  const rule = { forS: 3, clearForS: 2, everyS: 0 };
  assert.deepEqual(transitions(new AlertState(rule), [F, T, T, T, F, T, T, T, T, T]), ['8:raised']);
  assert.deepEqual(transitions(new AlertState(rule), [T, T, T, T, F, T, F, F, F, F]), [
    '3:raised',
    '8:cleared',
  ]);
  assert.deepEqual(transitions(new AlertState({ ...rule, forS: 0, clearForS: 0 }), [T, F, T]), [
    '0:raised',
    '1:cleared',
    '2:raised',
  ]);
});

test('hysteresis: between the two levels nothing changes', () => {
  const state = new AlertState({ forS: 0, clearForS: 0, everyS: 0 });
  const between: [boolean, boolean] = [false, false];
  const ticks: [boolean, boolean][] = [
    between,
    [true, false],
    between,
    between,
    [false, true],
    between,
  ];
  assert.deepEqual(transitions(state, ticks), ['1:raised', '4:cleared']);
});

test('what is not known changes nothing, and after a minute a raised alert is lost', () => {
  const rule = { forS: 2, clearForS: 0, everyS: 0 };
  assert.deepEqual(transitions(new AlertState(rule), [T, U, T, U, F]), ['2:raised', '4:cleared']);
  const gone = Array<undefined>(70).fill(undefined);
  assert.deepEqual(transitions(new AlertState({ ...rule, forS: 0 }), [T, ...gone, T]), [
    '0:raised',
    '60:lost',
    '71:raised',
  ]);
});

test('an alert that comes and goes is told once in its time, and again when it lasts', () => {
  const state = new AlertState({ forS: 0, clearForS: 0, everyS: 10 });
  assert.deepEqual(transitions(state, [T, F, T, F, T, F, T, T, T, T, T, T, F]), [
    '0:raised',
    '1:cleared',
    '10:raised',
    '12:cleared',
  ]);
  assert.equal(state.suppressed, 3);
});

const metricsOf = (units: Record<string, string>, version = 1) => ({
  version,
  names: () => Object.keys(units),
  unitOf: (metric: string) => units[metric],
});

const readingsOf = (values: Record<string, number>) => ({
  value: (metric: string) => values[metric] ?? Number.NaN,
  decay: () => undefined,
  dtS: 1,
});

test('a * is a state for each instance, also for those that come later', () => {
  const { rules } = readAlertFile(
    'alerts:\n  - name: full\n    when: fs.used{mount=*} > 0.9 and fs.size{mount=*} > 1 GB\n',
    'f',
  );
  const units: Record<string, string> = { 'fs.used{mount=/}': '1', 'fs.size{mount=/}': 'By' };
  const metrics = metricsOf(units);
  const engine = new AlertEngine(rules, metrics);
  const values: Record<string, number> = { 'fs.used{mount=/}': 0.95, 'fs.size{mount=/}': 1e10 };
  const [root] = engine.tick(readingsOf(values), 5000);
  assert.equal(
    root?.text,
    'full of / raised: fs.used{mount=/} is 0.95, fs.size{mount=/} is 10000000000',
  );
  assert.deepEqual(root?.data, {
    alert: 'full',
    state: 'raised',
    severity: 'warning',
    instance: '/',
    value: 0.95,
    condition: 'fs.used{mount=*} > 0.9 and fs.size{mount=*} > 1 GB',
    forS: 0,
  });
  Object.assign(units, { 'fs.used{mount=/data}': '1', 'fs.size{mount=/data}': 'By' });
  Object.assign(values, { 'fs.used{mount=/data}': 1, 'fs.size{mount=/data}': 2e9 });
  metrics.version++;
  const later = engine.tick(readingsOf(values), 6000);
  assert.deepEqual(
    later.map(({ data }) => data?.['instance']),
    ['/data'],
  );
  assert.deepEqual(engine.counts, { raised: 2, suppressed: 0 });
});

test('a unit that is known only later still counts', () => {
  const text = 'alerts:\n  - name: a\n    when: x_us > 2 s\n    optional: true\n';
  const units: Record<string, string> = {};
  const metrics = metricsOf(units);
  const engine = new AlertEngine(readAlertFile(text, 'f').rules, metrics);
  assert.deepEqual(engine.tick(readingsOf({}), 0), []);
  units['x_us'] = 'us';
  metrics.version++;
  assert.deepEqual(engine.tick(readingsOf({ x_us: 1.9e6 }), 0), []);
  assert.equal(engine.tick(readingsOf({ x_us: 2.1e6 }), 0).length, 1);
});

test('an alert on a metric that is not there is a mistake, unless it may be missing', () => {
  const file = (more: string): string =>
    `alerts:\n  - name: a\n    when: tcp.listen.overflow > 0\n${more}`;
  const metrics = metricsOf({ 'tcp.listen.overflows': '{event}/s' });
  const tick = (text: string) =>
    new AlertEngine(readAlertFile(text, 'f').rules, metrics).tick(readingsOf({}), 0);
  assert.throws(
    () => tick(file('')),
    (error) =>
      error instanceof RuleMistake &&
      error.mistake.message === 'there is no metric tcp.listen.overflow on this host' &&
      error.mistake.remedy.startsWith('did you mean tcp.listen.overflows?'),
  );
  assert.deepEqual(tick(file('    optional: true\n')), []);
});

test('mistakes in a file name line, column and remedy', () => {
  const cases: [string, RegExp][] = [
    ['', /^f:1: the file has no 'key: value' lines$/],
    ['alerts: 3', /^f:1: 'alerts' is no list$/],
    ['alert: []', /^f:1: 'alert' is not known here$/],
    ['alerts:\n  - when: a > 1', /^f:2: an alert without 'name'$/],
    ['alerts:\n  - name: x', /^f:2: an alert without 'when'$/],
    [
      'alerts:\n  - name: x\n    when: a >> 1',
      /^f:3:14: '> 1' is no metric and no number$|^f:3:14: '>' is no metric/,
    ],
    ['alerts:\n  - name: x\n    when: "a > 1 lightyears"', /^f:3:16: '1 lightyears' has a unit/],
    ['alerts:\n  - name: x\n    when: a > 1\n    for: 5', /^f:4: for: '5' has no unit$/],
    [
      'alerts:\n  - name: x\n    when: a > 1\n    severity: bad',
      /^f:4: there is no severity 'bad'$/,
    ],
    ['alerts:\n  - name: x\n    when: a > 1\n    optional: 3', /^f:4: optional is '3'$/],
    ['alerts:\n  - name: x\n    wen: a > 1', /^f:3: 'wen' is not known here$/],
    [
      'alerts:\n  - {name: x, when: a > 1}\n  - {name: x, when: a > 2}',
      /^f:3: there are two alerts 'x'$/,
    ],
    ['alerts:\n  - name: [x]\n    when: a > 1', /^f:2: name is a list$/],
  ];
  for (const [text, pattern] of cases) {
    assert.throws(
      () => readAlertFile(text, 'f'),
      (error: WsarError) => {
        assert.equal(error.code, 'WSAR_ERR_FILE', text);
        assert.match(error.message, pattern);
        assert.ok(error.hint.length > 3);
        return true;
      },
    );
  }
  assert.deepEqual(readAlertFile('defaults: true', 'f'), { hasDefaults: true, rules: [] });
});

test("wsar's own alerts fit the metrics of this host and their units", () => {
  const sampler = new Sampler(systemClock, [...hostSources(), new ServerRowSource()]);
  sampler.sample();
  const { registry } = sampler;
  const names = Array.from({ length: registry.slots }, (_, slot) => registry.spec(slot).name);
  const units = Object.fromEntries(names.map((name, slot) => [name, registry.spec(slot).unit]));
  const rules = defaultRules();
  const engine = new AlertEngine(rules, metricsOf(units));
  const raised = engine.tick(
    readingsOf({ 'tcp.listen.overflows': 3, 'wsar.queue.total': 500_001 }),
    0,
  );
  assert.deepEqual(
    raised.map(({ text }) => text),
    [
      'backlog raised: wsar.queue.total is 500001',
      'listen-overflow raised: tcp.listen.overflows is 3',
    ],
  );
  sampler.close();
});

test('a queue that does not shrink is told by its name, one that drains in time is not', () => {
  const queues = ['a', 'b', 'c'];
  const units = Object.fromEntries(
    queues.flatMap((queue) => [
      [`wsar.queue.length{queue=${queue}}`, '{message}'],
      [`wsar.queue.fill_rate{queue=${queue}}`, '{message}/s'],
    ]),
  );
  const rules = defaultRules().filter(({ name }) => name === 'never-drains');
  const engine = new AlertEngine(rules, metricsOf(units));
  const values = {
    'wsar.queue.length{queue=a}': 20_000,
    'wsar.queue.fill_rate{queue=a}': 5,
    'wsar.queue.length{queue=b}': 20_000,
    'wsar.queue.fill_rate{queue=b}': -1000,
    'wsar.queue.length{queue=c}': 9000,
    'wsar.queue.fill_rate{queue=c}': 5,
  };
  const told: string[] = [];
  for (let second = 0; second < 40; second++) {
    for (const { text } of engine.tick(readingsOf(values), 0)) told.push(`${second} ${text}`);
  }
  assert.equal(told.length, 1);
  assert.match(
    told[0]!,
    /^30 never-drains of a raised: wsar\.queue\.length\{queue=a\} is 20000, drain\(.*\) is endless$/,
  );
});

test('the hook: so many run, so many wait, the rest is refused; a slow one is killed with its children', async (t) => {
  const folder = temporaryFolder(t);
  const told: string[] = [];
  const hook = new AlertHook({
    command: `N=$WSAR_ALERT_NAME; cat > ${folder}/$N; [ $N = 0 ] && sleep 60 & wait; [ $N != 1 ]`,
    clock: systemClock,
    runningMax: 2,
    waitingMax: 3,
    timeoutMs: 500,
    talk: (text) => told.push(text),
  });
  for (let index = 0; index < 6; index++) {
    hook.call({ variables: { WSAR_ALERT_NAME: String(index) }, json: `{"n":${index}}` });
  }
  assert.deepEqual(hook.counts, { started: 0, failed: 0, timedOut: 0, refused: 3 });
  await hook.close();
  assert.equal(hook.counts.started, 3);
  assert.equal(hook.counts.timedOut, 1);
  assert.equal(hook.counts.failed, 1);
  assert.deepEqual(told.sort(), [
    'the hook failed: it ended with 1',
    'the hook was killed after 0.5 s',
  ]);
  assert.equal(readFileSync(join(folder, '2'), 'utf8'), '{"n":2}\n');
});

test('wsar collect --alerts: an event in the rows, a line on stderr, a program with the facts', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'alerts.yaml');
  writeFileSync(
    file,
    'alerts:\n  - name: busy\n    severity: info\n    when: system.linux.context_switches > 0\n    for: 300ms\n',
  );
  const facts = '"$WSAR_ALERT_NAME" "$WSAR_ALERT_STATE" "$WSAR_ALERT_SEVERITY"';
  const script = `cat > ${folder}/json; printf '%s %s %s' ${facts} > ${folder}/told`;
  const spool = join(folder, 'spool');
  const args = ['collect', '0.1', '12', '--json', '--alerts', file, '--alert-exec', script];
  const collector = startWsar(t, [...args, '--spool-folder', spool]);
  assert.equal(await collector.exit(), 0, collector.stderr());
  const lines = collector
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const events = lines.filter(({ kind }) => kind === 'alert');
  assert.equal(events.length, 1);
  assert.match(events[0].text, /^busy raised: system\.linux\.context_switches is \d/);
  assert.match(collector.stderr(), /^wsar collect: \d\d:\d\d:\d\d alert busy raised: /m);
  assert.equal(readFileSync(join(folder, 'told'), 'utf8'), 'busy raised info');
  const json = JSON.parse(readFileSync(join(folder, 'json'), 'utf8'));
  assert.deepEqual(json.data, events[0].data);
  assert.equal(lines.at(-1).values['wsar.collector.alerts.raised'], 1);
  const replayed = startWsar(t, ['replay-samples', spool]);
  assert.equal(await replayed.exit(), 0);
  assert.equal(replayed.stdout(), collector.stdout(), 'the alert is in the recording');
});

test('wsar collect --alerts refuses what is wrong, with its place, before and after the first tick', async (t) => {
  const file = join(temporaryFolder(t), 'alerts.yaml');
  const refused = async (text: string, pattern: RegExp): Promise<void> => {
    writeFileSync(file, text);
    const collector = startWsar(t, ['collect', '0.1', '20', '--json', '--alerts', file]);
    assert.equal(await collector.exit(), 2, collector.stderr());
    assert.match(collector.stderr(), pattern);
    assert.doesNotMatch(collector.stdout(), /"tick"/, 'no row stands before the error');
  };
  await refused('alerts:\n  - name: x\n    when: 3 >', /alerts\.yaml:3:14: it ends too early/);
  await refused(
    'alerts:\n  - name: x\n    when: system.memory.utilization > 3 s',
    /alerts\.yaml:3:39: a duration is compared with a ratio/,
  );
  const nowhere = startWsar(t, ['collect', '--alerts', `${file}.not`]);
  assert.equal(await nowhere.exit(), 2);
  assert.match(nowhere.stderr(), /cannot be read: ENOENT/);
});
