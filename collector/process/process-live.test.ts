// Real processes with known work, read by us and by Debian's pidstat. So that both see the same whatever the host does
// meanwhile, the processes work only between the readings: they are stopped (SIGSTOP) before the first one, run for a
// while, and are stopped again before the last.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { NetworkNamespaceSource } from '#collector/process/network-namespace.ts';
import { ProcessSource } from '#collector/process/process-source.ts';
import { Sampler } from '#collector/sampler.ts';
import { SocketsSource } from '#collector/source/sockets.ts';
import type { Source } from '#collector/source/source.ts';
import { systemClock } from '#core/clock/clock.ts';
import { startWsar, watchProcess } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const PAGE = 4096;
const US_PER_S = 1e6;
const skip = existsSync('/proc/self/schedstat') ? false : 'this host has no Linux /proc';

const PROGRAMS = {
  busy: 'for (;;) { const until = performance.now() + 5; while (performance.now() < until); sleepBriefly(); }',
  idle: 'setInterval(() => {}, 1000)',
  threaded:
    'const { Worker } = require("node:worker_threads"); for (let i = 0; i < 3; i++) new Worker(' +
    '"const cell = new Int32Array(new SharedArrayBuffer(4)); for (;;) { Atomics.wait(cell, 0, 0, 1);' +
    ' const until = performance.now() + 1; while (performance.now() < until); }", { eval: true });',
};

/** Starts a program that says when it runs; it is ended with the test. */
async function startProgram(t: TestContext, text: string): Promise<number> {
  const ready = 'process.stdout.write("ready\\n");';
  const sleep = 'function sleepBriefly() { Atomics.wait(cell, 0, 0, 1); }';
  const cell = 'const cell = new Int32Array(new SharedArrayBuffer(4));';
  const child = spawn(process.execPath, ['-e', `${cell}${sleep}${ready}${text}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => void child.kill('SIGKILL'));
  await watchProcess(child).line(/ready/);
  return child.pid!;
}

function live(
  t: TestContext,
  source: Source,
): { sampler: Sampler; value(name: string): number; stampUs(): number } {
  const sampler = new Sampler(systemClock, [source]);
  t.after(() => sampler.close());
  return {
    sampler,
    value: (name) => sampler.table.value(sampler.registry.slotOf(name)),
    stampUs: () => sampler.supervised[0]!.stampUs,
  };
}

/** What pidstat counted over its interval, by process: switches are summed over the threads. */
function pidstatRows(text: string): Map<number, Record<string, number>> {
  const rows = new Map<number, Record<string, number>>();
  let heads: string[] = [];
  let pid = 0;
  for (const line of text.split('\n')) {
    const words = line
      .replace(/^# Time/, 'Time')
      .trim()
      .split(/\s+/);
    if (words[0] === 'Time') heads = words;
    else if (words.length >= heads.length && heads.length > 0 && /^\d\d:/.test(words[0]!)) {
      const of = (head: string): number => Number(words[heads.indexOf(head)]);
      if (!Number.isNaN(of('TGID'))) {
        pid = of('TGID');
        const numbers = ['%usr', '%system', '%CPU', 'minflt/s', 'RSS', 'VSZ'].map((head) => [
          head,
          of(head),
        ]);
        rows.set(pid, { ...Object.fromEntries(numbers), csw: 0, nvcsw: 0, wait: 0 });
      } else {
        rows.get(pid)!['csw']! += of('cswch/s');
        rows.get(pid)!['nvcsw']! += of('nvcswch/s');
      }
    }
  }
  return rows;
}

async function compareOnce(t: TestContext, pids: number[]): Promise<string[]> {
  const { sampler, value, stampUs } = live(
    t,
    new ProcessSource('/proc', PAGE, { pids, patterns: [], ownPid: 0 }),
  );
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await pause(50);
  sampler.sample();
  const startUs = stampUs();
  const pidstat = watchProcess(
    spawn('pidstat', ['-h', '-u', '-r', '-w', '-t', '-p', pids.join(','), '4', '1'], {
      env: { ...process.env, LC_ALL: 'C', S_TIME_FORMAT: 'ISO' },
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  await pidstat.line(/Linux/);
  await pause(400);
  for (const pid of pids) process.kill(pid, 'SIGCONT');
  await pause(2000);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await pidstat.exit();
  sampler.sample();
  const seconds = (stampUs() - startUs) / US_PER_S;
  const rows = pidstatRows(pidstat.stdout());
  assert.equal(rows.size, pids.length, pidstat.stdout());
  return pids.flatMap((pid) => {
    const theirs = rows.get(pid)!;
    const ours = (name: string, more = ''): number =>
      value(`process.${name}{pid=${pid},comm=node${more}}`);
    // Theirs are per second of an interval of 4 s, ours per second of our own.
    const differs = (what: string, mine: number, other: number, slack: number): string[] => {
      const total = mine * seconds;
      const otherTotal = other * 4;
      return Math.abs(total - otherTotal) <= slack + 0.02 * otherTotal
        ? []
        : [`${pid} ${what}: ${total} instead of ${otherTotal}`];
    };
    return [
      ...differs('cpu', ours('cpu.utilization'), theirs['%CPU']! / 100, 0.04),
      ...differs('user', ours('cpu.time', ',cpu.mode=user'), theirs['%usr']! / 100, 0.03),
      ...differs('system', ours('cpu.time', ',cpu.mode=system'), theirs['%system']! / 100, 0.03),
      ...differs('switches', ours('context_switches', ',type=voluntary'), theirs['csw']!, 20),
      ...differs(
        'preemptions',
        ours('context_switches', ',type=involuntary'),
        theirs['nvcsw']!,
        20,
      ),
      ...differs('faults', ours('paging.faults', ',type=minor'), theirs['minflt/s']!, 20),
      ...(Math.abs(ours('memory.usage') / 1024 - theirs['RSS']!) > 2048 ? [`${pid} rss`] : []),
    ];
  });
}

test('pidstat counts the same CPU, switches, faults and memory of busy, idle and threaded processes', {
  skip: skip || needPrograms('pidstat'),
}, async (t) => {
  const pids = await Promise.all(Object.values(PROGRAMS).map((text) => startProgram(t, text)));
  // Another process may keep pidstat from its first reading until the work has begun: then it is tried again.
  for (let attempt = 0; ; attempt++) {
    const differences = await compareOnce(t, pids);
    if (differences.length === 0) return;
    assert.ok(attempt < 2, differences.join('\n'));
  }
});

test('run, wait and sleep of the threads add up to their number; a busy thread is seen by its name', {
  skip,
}, async (t) => {
  const pid = await startProgram(t, PROGRAMS.threaded);
  const { sampler, value } = live(
    t,
    new ProcessSource('/proc', PAGE, { pids: [pid], patterns: [], ownPid: 0 }),
  );
  sampler.sample();
  await pause(500);
  sampler.sample();
  const of = (name: string, more = ''): number =>
    value(`process.${name}{pid=${pid},comm=node${more}}`);
  const parts = ['run', 'wait', 'sleep'].map((state) => of('linux.time', `,state=${state}`));
  assert.ok(
    parts.every((part) => part >= 0),
    parts.join(' '),
  );
  assert.ok(
    Math.abs(parts[0]! + parts[1]! + parts[2]! - of('thread.count')) < 0.2,
    parts.join(' '),
  );
  assert.ok(parts[0]! > 0.05, 'three workers run half of the time, when the host lets them');
  assert.ok(of('unix.file_descriptor.count') > 10);
});

test('a process that ends leaves no value behind, and what it held is closed', {
  skip,
}, async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const source = new ProcessSource('/proc', PAGE, { pids: [child.pid!], patterns: [], ownPid: 0 });
  const { sampler, value } = live(t, source);
  sampler.sample();
  assert.equal(value('process.linux.selected.count'), 1);
  child.kill('SIGKILL');
  await once(child, 'exit');
  sampler.sample();
  assert.equal(value('process.linux.selected.count'), 0);
  assert.deepEqual(source.labels(), []);
});

test("a process' network namespace is counted apart from ours", {
  skip:
    skip ||
    needPrograms('unshare') ||
    (process.getuid?.() === 0 ? false : 'only root makes network namespaces'),
}, async (t) => {
  const program =
    'const s = require("node:net").createServer().listen(0, () => process.stdout.write("ready\\n"))';
  const child = spawn('unshare', ['--net', process.execPath, '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => void child.kill('SIGKILL'));
  await watchProcess(child).line(/ready/);
  const ownServer = createServer().listen(0, '127.0.0.1');
  t.after(() => void ownServer.close());
  const pid = child.pid!;
  const source = new NetworkNamespaceSource('/proc', pid, new SocketsSource(`/proc/${pid}`, PAGE));
  const { sampler, value } = live(t, source);
  sampler.sample();
  assert.equal(value(`network.linux.sockets{type=tcp,netns=${pid}}`), 0);
  assert.equal(value(`network.linux.sockets{type=tcp6,netns=${pid}}`), 1, 'its one listener');
  child.kill('SIGKILL');
  await once(child, 'exit');
  sampler.sample();
  assert.ok(Number.isNaN(value(`network.linux.sockets{type=tcp6,netns=${pid}}`)), 'gone');
});

test('wsar collect --pid prints the columns of the process, --json its metrics', {
  skip,
}, async (t) => {
  const pid = await startProgram(t, PROGRAMS.idle);
  const wide = startWsar(t, [
    'collect',
    '0.2',
    '3',
    '--wide',
    '--show',
    'pid',
    '--pid',
    String(pid),
  ]);
  assert.equal(await wide.exit(), 0, wide.stderr());
  assert.match(wide.stdout(), new RegExp(`node ${pid}.*\\n.*%cpu.*%wait.*fds`));
  const json = startWsar(t, [
    'collect',
    '0.2',
    '2',
    '--json',
    '--match',
    `^${process.execPath} -e .*setInterval`,
  ]);
  assert.equal(await json.exit(), 0, json.stderr());
  const row = JSON.parse(json.stdout().trimEnd().split('\n').at(-1)!);
  assert.ok(row.values[`process.memory.usage{pid=${pid},comm=node}`] > 1e6);
  const wrong = startWsar(t, ['collect', '1', '1', '--match', '(']);
  assert.equal(await wrong.exit(), 2);
  assert.match(wrong.stderr(), /no regular expression/);
});
