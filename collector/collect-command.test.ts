// `wsar collect` as people and scripts run it.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeProcTree } from '#collector/test/proc-tree.ts';
import { systemClock } from '#core/clock/clock.ts';
import { ROOT, startWsar, temporaryFolder, watchProcess } from '#test/command.ts';

const ROW = /^\d\d:\d\d:\d\d( +[\d.kMG-]+)+$/;

/** One more tick than a second cannot be waited away: short intervals keep the tests short. */
const QUICK = '0.1';

async function run(t: TestContext, ...args: string[]) {
  const command = startWsar(t, ['collect', ...args]);
  const code = await command.exit();
  return { code, out: command.stdout(), err: command.stderr() };
}

test('so many rows under two header lines, the averages, exit 0', async (t) => {
  const { code, out, err } = await run(t, QUICK, '3');
  assert.equal(code, 0, err);
  const lines = out
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  assert.equal(lines.length, 6);
  assert.match(lines[0]!, /^time +cpu % +intr +tcp +vm +open$/);
  assert.match(lines[1]!, /^ +util user +sys intr csw\/s +spkt/);
  for (const line of lines.slice(2, 5)) assert.match(line, ROW);
  assert.match(lines[5]!, /^Average: /);
  assert.ok(lines.every((line) => line.length <= 80));
  assert.equal(out.includes('\u001b'), false, 'no escape code leaves');
});

test('without a command name, as sar is called', async (t) => {
  const command = startWsar(t, ['1', '1', '--json']);
  assert.equal(await command.exit(), 0);
  const row = JSON.parse(command.stdout());
  assert.equal(row.wallMs % 1000, 0, 'on a whole second');
  assert.ok(row.values['system.memory.limit'] > 0);
  assert.ok(row.intervalUs >= 500_000, 'no shorter than half of what was asked for');
});

test('every metric of the kernel once a second takes at most 64 MiB', {
  skip: process.platform !== 'linux' && 'the figures are those of Linux',
}, async (t) => {
  // The first start may have to compile; that is kept for the second one.
  await run(t, '1', '1', '--detail', '--json');
  const { code, out } = await run(t, '1', '2', '--detail', '--json');
  assert.equal(code, 0);
  const row = JSON.parse(out.trimEnd().split('\n').at(-1)!);
  assert.ok(row.values['wsar.collector.rss'] <= 64 * 1024 ** 2, row.values['wsar.collector.rss']);
});

test('NDJSON: every line an object, the schema first when asked for', async (t) => {
  const { code, out } = await run(t, QUICK, '2', '--json', '--schema');
  assert.equal(code, 0);
  const objects = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const [schema, ...rest] = objects;
  const rows = rest.filter((object) => object.values !== undefined);
  assert.equal(rows.length, 2);
  const names = schema.metrics.map((metric: { name: string }) => metric.name);
  assert.deepEqual(Object.keys(rows[0].values), names);
  assert.ok(names.includes('tcp.listen.overflows') && names.includes('wsar.collector.cpu_us'));
});

test('another /proc is read instead', async (t) => {
  const tree = makeProcTree(t);
  const { code, out } = await run(t, QUICK, '1', '--json', '--root', tree.root);
  assert.equal(code, 0);
  const { values } = JSON.parse(out);
  assert.equal(values['linux.file_descriptors{state=used}'], 900);
  assert.equal(values['system.linux.context_switches'], 0);
});

test('Ctrl-C prints the averages and exits 130, SIGTERM 143', async (t) => {
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const command = startWsar(t, ['collect', QUICK]);
    await command.line(/^\d\d:\d\d:\d\d/m);
    command.child.kill(signal);
    assert.equal(await command.exit(), expected);
    assert.match(command.stdout(), /\nAverage: [^\n]+\n$/);
    assert.equal(command.stderr(), '');
  }
});

test('a reader that goes away ends it quietly', async (t) => {
  const line = `'${join(ROOT, 'bin', 'wsar')}' collect ${QUICK} --json | head -n 1`;
  const shell = watchProcess(spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'pipe'] }));
  t.after(() => void shell.child.kill('SIGKILL'));
  assert.equal(await shell.exit(), 0);
  assert.equal(shell.stderr(), '');
  assert.ok(JSON.parse(shell.stdout()).values);
});

test('a reader that stops holds up no tick; the rows it missed are said', async (t) => {
  const fifo = join(temporaryFolder(t), 'fifo');
  assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
  // Held open for both directions, so that opening does not wait and nobody reads.
  const held = openSync(fifo, 'r+');
  t.after(() => closeSync(held));
  const state = temporaryFolder(t);
  const child = spawn(
    join(ROOT, 'bin', 'wsar'),
    ['collect', QUICK, '40', '--json', '--openmetrics', '0'],
    { stdio: ['ignore', held, 'pipe'], env: { ...process.env, WSAR_STATE_DIR: state } },
  );
  t.after(() => void child.kill('SIGKILL'));
  const command = watchProcess(child);
  // 64 KiB of pipe and some of the queue are full; the collector ends by itself, after all its rows.
  assert.equal(await command.exit(), 0);
  assert.match(command.stderr(), /metrics at/);
});

test('layouts by role, each with its tables', async (t) => {
  const { code, out } = await run(t, QUICK, '1', '--layout', 'memory,network', '--show', 'sched');
  assert.equal(code, 0);
  assert.match(out, /^time +vm +paging\/s +stalled % of the time +sockets.*scheduling/);
});

test('the fast lane shows the highest tenth of a row beside its mean', async (t) => {
  const { code, out } = await run(t, '1', '2', '--json', '--fast-lane', '--detail');
  assert.equal(code, 0);
  const { values } = JSON.parse(out.trimEnd().split('\n').at(-1)!);
  const name = 'system.linux.context_switches';
  assert.ok(values[`${name}{max=100ms}`] >= values[name] * 0.999);
  assert.ok(Object.keys(values).length > 500);
});

test('wrong usage: one sentence, exit 2, nothing on stdout', async (t) => {
  const cases: [string[], RegExp][] = [
    [['0'], /interval of '0'/],
    [['1', '0'], /'0' is not a whole number/],
    [['--show', 'cpu,diskette'], /--show knows no 'diskette'/],
    [['--layout', 'cpu'], /--layout knows no 'cpu'/],
    [['--openmetrics', 'here'], /--openmetrics here is no address/],
    [['--csv', '--schema'], /--schema is an object of --json/],
    [['--erlang-cookie-file', 'c'], /--erlang-cookie-file is a detail of --erlang/],
    [['--root', '/nowhere'], /\/nowhere holds no copy of \/proc/],
  ];
  for (const [args, sentence] of cases) {
    const { code, out, err } = await run(t, ...args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(out, '');
    assert.match(err, sentence);
    assert.match(err, /^wsar: .*; .* \(WSAR_ERR_\w+\)\n$/);
  }
  const { code, err } = await run(t, '--json', '--csv');
  assert.equal(code, 2);
  assert.match(JSON.parse(err).error.message, /exclude each other/);
});

test('stopped for a while, it says which ticks are missing and covers the time in the next row', async (t) => {
  const command = startWsar(t, ['collect', QUICK, '--json']);
  await command.line(/"tick":0,/);
  command.child.kill('SIGSTOP');
  await new Promise<void>((resolve) => void systemClock.after(400, resolve));
  command.child.kill('SIGCONT');
  await command.line(/"kind":"gap"/);
  await command.line(/"missedTicks":[1-9]\d*,"intervalUs"/);
  command.child.kill('SIGTERM');
  assert.equal(await command.exit(), 143);
  const objects = command
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const covered = objects.flatMap(({ kind, tick, data }) =>
    kind === 'gap' && data.cause === 'missed'
      ? Array.from({ length: data.missedTicks }, (_, i) => data.fromTick + i)
      : tick === undefined
        ? []
        : [tick],
  );
  assert.deepEqual(
    covered,
    covered.map((_, i) => i),
  );
  const row = objects.find(({ missedTicks }) => missedTicks > 0);
  assert.ok(row.intervalUs >= row.missedTicks * 100_000);
});
