import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  PROCESSES_MAX,
  type ProcessSelection,
  ProcessSource,
} from '#collector/process/process-source.ts';
import { makeProcTree, type ProcTree } from '#collector/test/proc-tree.ts';
import { readTree, type TreeReader } from '#collector/test/read-tree.ts';

const PAGE = 4096;
const MS = 1e6;

interface Seen {
  name?: string;
  start?: number;
  user?: number;
  system?: number;
  minor?: number;
  threads?: Record<
    number,
    { name: string; run?: number; wait?: number; csw?: number; nvcsw?: number }
  >;
  /** What the kernel counts when it differs from the threads listed. */
  threadCount?: number;
}

/** Writes a process into the tree. */
function put(tree: ProcTree, pid: number, seen: Seen = {}): void {
  const { name = 'node', start = 100, user = 0, system = 0, minor = 0 } = seen;
  const threads = seen.threads ?? { [pid]: { name } };
  const count = seen.threadCount ?? Object.keys(threads).length;
  const numbers = [
    1,
    1,
    1,
    0,
    -1,
    4_194_304,
    minor,
    0,
    3,
    0,
    user,
    system,
    0,
    0,
    20,
    0,
    count,
    0,
    start,
  ];
  tree.write(`${pid}/stat`, `${pid} (${name}) S ${numbers.join(' ')} 1048576 25 184467 0 0\n`);
  tree.write(`${pid}/status`, `Name:\t${name}\nFDSize:\t64\n`);
  tree.write(
    `${pid}/io`,
    'rchar: 10\nwchar: 20\nsyscr: 1\nsyscw: 2\nread_bytes: 0\nwrite_bytes: 0\n',
  );
  tree.write(`${pid}/comm`, `${name}\n`);
  tree.write(`${pid}/cmdline`, `${name}\0--flag\0`);
  for (const [tid, { name: own, run = 0, wait = 0, csw = 0, nvcsw = 0 }] of Object.entries(
    threads,
  )) {
    tree.write(`${pid}/task/${tid}/schedstat`, `${run} ${wait} 7\n`);
    tree.write(
      `${pid}/task/${tid}/status`,
      `Name:\t${own}\nvoluntary_ctxt_switches:\t${csw}\nnonvoluntary_ctxt_switches:\t${nvcsw}\n`,
    );
  }
}

function remove(tree: ProcTree, path: string): void {
  rmSync(join(tree.root, path), { recursive: true });
}

function open(
  t: TestContext,
  selection: Partial<ProcessSelection>,
): { tree: ProcTree; open(): TreeReader & { source: ProcessSource } } {
  const tree = makeProcTree(t);
  tree.write('self/comm', 'x\n');
  return {
    tree,
    open() {
      const source = new ProcessSource(tree.root, PAGE, {
        pids: [],
        patterns: [],
        ownPid: 1,
        ...selection,
      });
      t.after(() => source.close());
      return { ...readTree(source), source };
    },
  };
}

test('CPU from the nanoseconds of the threads: run, wait, sleep, switches, and their sums by name', (t) => {
  const { tree, open: start } = open(t, { pids: [7] });
  put(tree, 7, { threads: { 7: { name: 'node' }, 8: { name: 'pool-1' }, 9: { name: 'pool-2' } } });
  const { tick, value } = start();
  tick();
  assert.ok(
    Number.isNaN(value('process.linux.time{pid=7,comm=node,state=run}')),
    'no reading before',
  );
  put(tree, 7, {
    user: 60,
    system: 15,
    minor: 30,
    threads: {
      7: { name: 'node', run: 500 * MS, wait: 100 * MS, csw: 10, nvcsw: 2 },
      8: { name: 'pool-1', run: 200 * MS, csw: 5 },
      9: { name: 'pool-2', run: 50 * MS, wait: 50 * MS },
    },
  });
  tick();
  const of = (name: string, more = ''): number => value(`process.${name}{pid=7,comm=node${more}}`);
  const close = (found: number, wanted: number): void =>
    assert.ok(Math.abs(found - wanted) < 1e-9, `${found} ${wanted}`);
  close(of('linux.time', ',state=run'), 0.75);
  close(of('linux.time', ',state=wait'), 0.15);
  close(of('linux.time', ',state=sleep'), 2.1);
  close(of('cpu.utilization'), 0.75);
  close(of('cpu.time', ',cpu.mode=user'), 0.6);
  close(of('context_switches', ',type=voluntary'), 15);
  close(of('context_switches', ',type=involuntary'), 2);
  assert.equal(of('paging.faults', ',type=minor'), 30);
  assert.equal(of('memory.usage'), 25 * PAGE);
  assert.equal(of('thread.count'), 3);
  assert.equal(of('linux.thread.count', ',thread=pool-#'), 2);
  close(of('linux.thread.time', ',thread=pool-#,state=run'), 0.25);
});

test('a thread that ended took its nanoseconds along: the ticks of the process count then', (t) => {
  const { tree, open: start } = open(t, { pids: [7] });
  put(tree, 7, { threads: { 7: { name: 'node' }, 8: { name: 'pool' } } });
  const { tick, value } = start();
  tick();
  remove(tree, '7/task/8');
  put(tree, 7, { user: 80, threads: { 7: { name: 'node', run: 100 * MS } } });
  tick();
  assert.equal(value('process.linux.time{pid=7,comm=node,state=run}').toFixed(3), '0.100');
  assert.equal(value('process.cpu.utilization{pid=7,comm=node}').toFixed(3), '0.800');
});

test('a thread that began within the tick has its whole time in it', (t) => {
  const { tree, open: start } = open(t, { pids: [7] });
  put(tree, 7);
  const { tick, value } = start();
  tick();
  put(tree, 7, { threads: { 7: { name: 'node' }, 12: { name: 'new', run: 300 * MS, csw: 4 } } });
  tick();
  assert.equal(
    value('process.linux.thread.time{pid=7,comm=node,thread=new,state=run}').toFixed(6),
    '0.300000',
  );
});

test('an id that belongs to another process now makes no difference across the two', (t) => {
  const { tree, open: start } = open(t, { pids: [7] });
  put(tree, 7, { user: 1000, start: 100 });
  const { tick, value } = start();
  tick();
  put(tree, 7, { user: 1050, start: 100 });
  tick();
  assert.equal(value('process.cpu.time{pid=7,comm=node,cpu.mode=user}'), 0.5);
  put(tree, 7, { user: 2000, start: 900 });
  tick();
  assert.ok(Number.isNaN(value('process.cpu.time{pid=7,comm=node,cpu.mode=user}')));
  assert.equal(value('process.linux.selected.reused'), 1);
  put(tree, 7, { user: 2010, start: 900 });
  tick();
  assert.equal(value('process.cpu.time{pid=7,comm=node,cpu.mode=user}'), 0.1);
});

test('a process that ends has no values; one that comes back under its id has them again', (t) => {
  const { tree, open: start } = open(t, { pids: [7] });
  const { tick, value } = start();
  tick();
  assert.equal(value('process.linux.selected.count'), 0);
  put(tree, 7);
  tick();
  assert.equal(value('process.memory.usage{pid=7,comm=node}'), 25 * PAGE);
  // As a descriptor of the real /proc does when its process has ended, the file has nothing to read.
  tree.write('7/stat', '');
  tick();
  assert.equal(value('process.linux.selected.count'), 0);
  assert.equal(value('process.linux.selected.vanished'), 1);
  assert.ok(Number.isNaN(value('process.memory.usage{pid=7,comm=node}')));
  put(tree, 7);
  tick();
  assert.equal(value('process.memory.usage{pid=7,comm=node}'), 25 * PAGE);
});

test('a pattern finds processes that appear later, by name or command line, and never the collector', (t) => {
  const { tree, open: start } = open(t, { patterns: [/^node --flag$/, /^beam/], ownPid: 5 });
  put(tree, 5, { name: 'node' });
  put(tree, 7, { name: 'node' });
  put(tree, 8, { name: 'bash' });
  tree.write('loadavg', '0.50 0.25 0.12 3/210 8\n');
  const { tick, value, source } = start();
  tick();
  assert.deepEqual(source.labels(), ['pid=7,comm=node']);
  put(tree, 9, { name: 'beam.smp' });
  tree.write('loadavg', '0.50 0.25 0.12 3/210 9\n');
  // What was bash becomes node: exec keeps the id.
  put(tree, 8, { name: 'node' });
  for (let i = 0; i < 3; i++) tick();
  assert.deepEqual(source.labels().sort(), [
    'pid=7,comm=node',
    'pid=8,comm=node',
    'pid=9,comm=beam.smp',
  ]);
  assert.equal(value('process.linux.selected.count'), 3);
});

test('names with spaces, parentheses and newlines do not break the line', (t) => {
  const { tree, open: start } = open(t, { pids: [7] });
  put(tree, 7, { name: 'a) S 1 (b\nc', user: 3, threads: {} });
  const { tick, value } = start();
  tick();
  assert.equal(value('process.memory.usage{pid=7,comm=a)_S_1_(b_c}'), 25 * PAGE);
});

test('a process with thousands of threads costs a bounded number of readings, and says what was left out', (t) => {
  const { tree, open: start } = open(t, { pids: [7, 8] });
  const threads = (run: number) =>
    Object.fromEntries(Array.from({ length: 600 }, (_, i) => [1000 + i, { name: `w${i}`, run }]));
  put(tree, 7, { threads: threads(0) });
  put(tree, 8);
  const { tick, value } = start();
  for (let i = 0; i < 4; i++) tick();
  assert.equal(value('process.linux.threads.unread{pid=7,comm=node}'), 600 - 255);
  put(tree, 7, { threads: threads(4 * 10 * MS) });
  for (let i = 0; i < 3; i++) tick();
  const perThread = value('process.linux.thread.time{pid=7,comm=node,thread=w#,state=run}') / 600;
  // Each was read once in three ticks: its rate is over its own 2 or 3 s, all in all 10 ms a second or a bit more.
  assert.ok(perThread > 0.01 && perThread < 0.025, String(perThread));
  assert.equal(
    value('process.linux.threads.unread{pid=8,comm=node}'),
    0,
    'a small one is not starved',
  );
});

test('more processes than there are places: the rest is counted, and moves up when one ends', (t) => {
  const { tree, open: start } = open(t, { patterns: [/node/] });
  for (let pid = 100; pid < 100 + PROCESSES_MAX + 3; pid++) put(tree, pid);
  tree.write('loadavg', '0.50 0.25 0.12 3/210 4000\n');
  const { tick, value } = start();
  for (let i = 0; i < 3; i++) tick();
  assert.equal(value('process.linux.selected.count'), PROCESSES_MAX);
  assert.equal(value('process.linux.selected.refused'), 3);
  put(tree, 100, { start: 5000, name: 'other' });
  for (let i = 0; i < 3; i++) tick();
  assert.equal(value('process.linux.selected.count'), PROCESSES_MAX);
});

test('a kernel that does not count descriptors gives the size of the table under its own name', (t) => {
  const { tree, open: start } = open(t, { pids: [7] });
  put(tree, 7);
  const { tick, value, source } = start();
  tick();
  assert.equal(value('process.linux.file_descriptor.slots{pid=7,comm=node}'), 64);
  const found = source.probe();
  assert.match(found.state === 'ok' ? '' : found.reason, /before 6\.2/);
});

test('a kernel that does not count what threads do: no value for it, CPU from the ticks', (t) => {
  const { tree, open: start } = open(t, { pids: [7] });
  put(tree, 7);
  remove(tree, '7/task/7/schedstat');
  const { tick, value } = start();
  tick();
  put(tree, 7, { user: 40 });
  remove(tree, '7/task/7/schedstat');
  tick();
  for (const state of ['run', 'wait', 'sleep']) {
    assert.ok(Number.isNaN(value(`process.linux.time{pid=7,comm=node,state=${state}}`)), state);
  }
  assert.equal(value('process.cpu.utilization{pid=7,comm=node}'), 0.4);
});

test('the probe says which process is not there', (t) => {
  const { open: start } = open(t, { pids: [7] });
  const found = start().source.probe();
  assert.match(found.state === 'ok' ? '' : found.reason, /there is no process 7/);
});
