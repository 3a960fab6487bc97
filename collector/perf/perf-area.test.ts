// `wsar collect --perf` as a person runs it, against a program that makes a known number of system calls.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absentText, PerfSource } from '#collector/perf/perf-source.ts';
import { Sampler } from '#collector/sampler.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import { loadPerfCalls, type PerfCalls } from '#core/host/perf/perf-calls.ts';
import { PERF_GROUPS } from '#core/host/perf/perf-event.ts';
import { startKnownWork } from '#core/host/perf/test/known-work.ts';
import { tracepointId } from '#core/host/perf/tracepoint.ts';
import { startWsar } from '#test/command.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const CALLS = 400_000;

function whatLacks(): string[] {
  const calls = loadPerfCalls();
  if (typeof calls === 'string') return [calls];
  const id = tracepointId('raw_syscalls:sys_enter');
  return typeof id === 'string' ? [id] : [];
}

const isCounted = skipUnless(whatLacks(), 'be root on a kernel with tracefs');
const skip = needPrograms('gcc') || isCounted;
const skipStat = needPrograms('perf', 'gcc') || isCounted;

type Line = { intervalUs: number; values: Record<string, number | null> };

for (const { way, within, lacks } of [
  // Every one is counted (core/host/perf/perf-counters.test.ts); here they are seen through rates times the intervals
  // of rows, which are not quite the intervals of the source.
  { way: 'ffi', within: 0.1, lacks: skip },
  // perf ends its intervals by a clock of its own.
  { way: 'stat', within: 0.5, lacks: skipStat },
]) {
  test(`collect --perf --perf-by ${way} counts a process's calls`, { skip: lacks }, async (t) => {
    const program = await startKnownWork(t);
    const args = ['0.5', '--perf', '--perf-by', way, '--perf-share', '100'];
    const command = startWsar(t, ['collect', ...args, '--pid', `${program.pid}`, '--json']);
    await command.line(/"wallMs"[^\n]*\n[^\n]*\n/);
    await program.work('syscalls', CALLS);
    const metric = `process.linux.perf.syscalls{pid=${program.pid}}`;
    const lines = (): Line[] =>
      command
        .stdout()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line)
        .filter(({ values }) => values !== undefined);
    const counted = (): number =>
      lines().reduce(
        (sum, { values, intervalUs }) => sum + ((values[metric] ?? 0) * intervalUs) / 1e6,
        0,
      );
    const startLines = lines().length;
    while (counted() < CALLS * (1 - within) && lines().length < startLines + 10) {
      await new Promise((resolve) => command.child.stdout!.once('data', resolve));
    }
    const off = Math.abs(counted() / CALLS - 1);
    assert.ok(off <= within, `${counted()} of ${CALLS}`);
    const { values } = lines().at(-1)!;
    assert.ok(values['system.linux.traps']! >= 0);
    if (way === 'ffi') {
      assert.equal(values[`system.linux.syscalls{stat=error}`], 0);
      assert.equal(values['wsar.collector.perf.share'], 1);
    }
    command.child.kill('SIGINT');
    assert.equal(await command.exit(), 130);
  });
}

test('a share of the time: the rate has an error, and the columns are there', {
  skip,
}, async (t) => {
  const args = ['collect', '0.5', '3', '--perf', '--perf-share', '20', '--show', 'perf'];
  const command = startWsar(t, args);
  assert.equal(await command.exit(), 0);
  assert.match(command.stdout(), /^time +kernel events\/s +hardware\n +sysc +±% +trap +lock/);
  assert.doesNotMatch(command.stdout(), /NaN|Infinity/);
});

/** Makes koffi a package that is not installed, in the process that loads this before anything else. */
const WITHOUT_KOFFI = `data:text/javascript,${encodeURIComponent(`
  import Module from 'node:module';
  const load = Module._load;
  Module._load = (name, ...rest) => {
    if (name === 'koffi') throw new Error("Cannot find module 'koffi'");
    return load(name, ...rest);
  };
`)}`;

test('without koffi the counters come from perf stat', { skip: skipStat }, async (t) => {
  const env = { NODE_OPTIONS: `--import=${WITHOUT_KOFFI}` };
  const auto = startWsar(t, ['collect', '0.5', '4', '--perf', '--json'], { env });
  assert.equal(await auto.exit(), 0);
  assert.match(auto.stderr(), /counters are read by perf stat, because koffi cannot be loaded/);
  const lines = auto.stdout().trim().split('\n');
  const rows = lines.map((line) => JSON.parse(line) as Line).filter(({ values }) => values);
  assert.ok(rows.some(({ values }) => values['system.linux.syscalls']! > 0));
  const ffi = startWsar(t, ['collect', '0.5', '1', '--perf', '--perf-by', 'ffi'], { env });
  assert.equal(await ffi.exit(), 3);
  assert.match(
    ffi.stderr(),
    /no counter can be opened: koffi cannot be loaded: Cannot find module/,
  );
});

test('options that make no sense', async (t) => {
  for (const [args, message] of [
    [['--perf-share', '5'], /--perf-share is a detail of --perf/],
    [['--perf', '--perf-share', '0'], /no share of the time/],
    [['--perf', '--perf-share', '101%'], /no share of the time/],
    [['--perf', '--perf-by', 'magic'], /knows no 'magic'/],
  ] as const) {
    const command = startWsar(t, ['collect', '1', '1', ...args]);
    assert.equal(await command.exit(), 2);
    assert.match(command.stderr(), message);
  }
});

test('reasons are told once for all events that share them', () => {
  const absent = [
    { name: 'a', reason: 'no unit' },
    { name: 'b', reason: 'closed' },
    { name: 'c', reason: 'no unit' },
  ];
  assert.equal(absentText(absent), 'a, c: no unit; b: closed');
});

test('a processor that is switched on makes the counters begin anew; all are closed', {
  skip,
}, () => {
  const calls = loadPerfCalls() as PerfCalls;
  let open = 0;
  const counting: PerfCalls = {
    ...calls,
    open: (...args) => {
      const fd = calls.open(...args);
      if (fd >= 0) open++;
      return fd;
    },
    close: (fd) => {
      open--;
      calls.close(fd);
    },
  };
  const clock = new VirtualClock();
  let online = '0';
  const source = new PerfSource({
    calls: counting,
    clock,
    groups: PERF_GROUPS.slice(0, 2),
    online: () => online,
  });
  const sampler = new Sampler(clock, [source]);
  const value = (name: string): number => sampler.table.value(sampler.registry.slotOf(name));
  const descriptors: number[] = [];
  for (let tick = 1; tick <= 22; tick++) {
    if (tick === 5) online = '0,0';
    clock.advance(1000);
    sampler.sample();
    descriptors.push(value('wsar.collector.perf.descriptors'));
    if (tick > 1) assert.ok(value('system.linux.syscalls') >= 0, `tick ${tick}`);
  }
  assert.deepEqual([...new Set(descriptors)], [6, 12]);
  assert.equal(open, 12);
  sampler.close();
  assert.equal(open, 0);
});
