import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatSource } from '#collector/source/stat.ts';
import { type CpuTicks, makeProcTree, statText } from '#collector/test/proc-tree.ts';
import { readTree } from '#collector/test/read-tree.ts';

const MODES = [
  'user',
  'nice',
  'system',
  'interrupt',
  'softirq',
  'steal',
  'guest',
  'iowait',
  'idle',
];

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);
}

const mode = (name: string, cpu?: number): string =>
  `system.cpu.utilization{cpu.mode=${name}${cpu === undefined ? '' : `,cpu=${cpu}`}}`;

test('the ticks that pass become shares of the time, in all and for each CPU', (t) => {
  const tree = makeProcTree(t);
  const before: CpuTicks = [100, 10, 50, 800, 10, 5, 15, 10, 20, 5];
  tree.write('stat', statText({ cpus: { 0: before, 1: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] } }));
  const source = new StatSource(tree.root);
  t.after(() => source.close());
  const { tick, value } = readTree(source);
  tick();
  assert.ok(Number.isNaN(value('system.cpu.utilization')), 'one reading has no share');
  // CPU 0: 40 user (10 of them guest), 10 nice, 20 sys, 20 idle, 4 iowait, 1 irq, 3 softirq, 2 steal = 100.
  const passed: CpuTicks = [40, 10, 20, 20, 4, 1, 3, 2, 10, 0];
  const after = before.map((ticks, i) => ticks + passed[i]!);
  tree.write('stat', statText({ cpus: { 0: after, 1: [0, 0, 0, 100, 0, 0, 0, 0, 0, 0] } }));
  tick();
  near(value('system.cpu.utilization{cpu=0}'), 0.76);
  near(value('system.cpu.utilization{cpu=1}'), 0);
  near(value('system.cpu.utilization'), 0.38);
  near(value('system.cpu.linux.busiest'), 0.76);
  near(value('system.cpu.linux.interrupts{cpu=0}'), 0.04);
  assert.deepEqual(
    MODES.map((name) => Math.round(value(mode(name, 0)) * 100)),
    [30, 10, 20, 1, 3, 2, 10, 4, 20],
  );
  near(
    MODES.reduce((sum, name) => sum + value(mode(name)), 0),
    1,
  );
});

test('counters of the other lines become rates, numbers of now stay as they are', (t) => {
  const tree = makeProcTree(t);
  const cpus = { 0: [1, 1, 1, 1, 1, 1, 1, 1, 0, 0] };
  tree.write('stat', statText({ cpus, ctxt: '18446744073709550000', intr: 5 }));
  const source = new StatSource(tree.root);
  t.after(() => source.close());
  const { tick, value } = readTree(source);
  tick();
  const softirq = [10, 20, 30, 44, 50, 60, 70, 80, 90, 100];
  tree.write(
    'stat',
    statText({ cpus, ctxt: '18446744073709551000', intr: 25, processes: 57, running: 9, softirq }),
  );
  tick(2);
  assert.equal(value('system.linux.context_switches'), 500, 'exact beyond 2^53');
  assert.equal(value('system.linux.interrupts'), 10);
  assert.equal(value('system.process.created'), 3.5);
  assert.equal(value('system.process.count{state=running}'), 9);
  assert.equal(value('system.linux.softirqs'), 2);
  assert.equal(value('system.linux.softirqs{type=net_rx}'), 2);
  assert.ok(Number.isNaN(value('system.cpu.utilization')), 'no tick passed: no share');
});

test('a CPU that is switched off has no values; back again, its first interval has none', (t) => {
  const tree = makeProcTree(t);
  const source = new StatSource(tree.root);
  t.after(() => source.close());
  const { tick, value } = readTree(source);
  const at = (cpus: Record<number, CpuTicks>): number => {
    tree.write('stat', statText({ cpus }));
    tick();
    return value('system.cpu.utilization{cpu=1}');
  };
  const busy = (n: number): CpuTicks => [n, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  at({ 0: busy(100), 1: busy(100) });
  assert.equal(at({ 0: busy(200), 1: busy(200) }), 1);
  assert.ok(Number.isNaN(at({ 0: busy(300) })));
  assert.ok(Number.isNaN(at({ 0: busy(400), 1: busy(20) })));
  assert.equal(at({ 0: busy(500), 1: busy(120) }), 1);
});

test('a CPU that is plugged in gets its own values', (t) => {
  const tree = makeProcTree(t);
  const source = new StatSource(tree.root);
  t.after(() => source.close());
  const { tick, value, sampler } = readTree(source);
  tick();
  const { version } = sampler.registry;
  tree.write(
    'stat',
    statText({ cpus: { 0: [200, 0, 0, 0, 0, 0, 0, 0], 7: [0, 0, 0, 9, 0, 0, 0, 0] } }),
  );
  tick();
  assert.ok(Number.isNaN(value('system.cpu.utilization{cpu=7}')));
  assert.ok(sampler.registry.version > version, 'the schema has changed');
  tree.write(
    'stat',
    statText({ cpus: { 0: [300, 0, 0, 0, 0, 0, 0, 0], 7: [1, 0, 0, 12, 0, 0, 0, 0] } }),
  );
  tick();
  assert.equal(value('system.cpu.utilization{cpu=7}'), 0.25);
});

test('idle time that goes back counts as none; it bends no share and spikes nothing', (t) => {
  const tree = makeProcTree(t);
  const source = new StatSource(tree.root);
  t.after(() => source.close());
  const { tick, value } = readTree(source);
  const at = (ticks: CpuTicks): number => {
    tree.write('stat', statText({ cpus: { 0: ticks } }));
    tick();
    return value('system.cpu.utilization');
  };
  at([100, 0, 0, 500, 50, 0, 0, 0, 0, 0]);
  assert.equal(at([150, 0, 0, 550, 48, 0, 0, 0, 0, 0]), 0.5);
  assert.equal(at([200, 0, 0, 600, 48, 0, 0, 0, 0, 0]), 0.5);
});

test('a file that was cut anywhere gives the values of its whole lines and nothing wrong', (t) => {
  const tree = makeProcTree(t);
  const cpus = (n: number) => ({ 0: [n, 0, 0, n, 0, 0, 0, 0, 0, 0] });
  const first = statText({ cpus: cpus(100), ctxt: 123_000 });
  const second = statText({ cpus: cpus(200), ctxt: 123_456 });
  for (let cut = 0; cut <= second.length; cut++) {
    const source = new StatSource(tree.root);
    const { tick, value } = readTree(source);
    tree.write('stat', first);
    tick();
    tree.write('stat', second.slice(0, cut));
    tick();
    const switches = value('system.linux.context_switches');
    assert.ok(Number.isNaN(switches) || switches === 456, `cut at ${cut}: ${switches}`);
    const share = value('system.cpu.utilization');
    assert.ok(Number.isNaN(share) || share === 0.5, `cut at ${cut}: ${share}`);
    source.close();
  }
});

test('sixty-four CPUs, and columns of older and newer kernels', (t) => {
  const tree = makeProcTree(t);
  const source = new StatSource(tree.root);
  t.after(() => source.close());
  const { tick, value } = readTree(source);
  const all = (ticks: CpuTicks) =>
    Object.fromEntries(Array.from({ length: 64 }, (_, cpu) => [cpu, ticks]));
  tree.write('stat', statText({ cpus: all([0, 0, 0, 0, 0, 0, 0, 0]) }));
  tick();
  tree.write('stat', statText({ cpus: all([25, 0, 0, 75, 0, 0, 0, 0]) }));
  tick();
  assert.equal(value('system.cpu.utilization{cpu=63}'), 0.25);
  tree.write('stat', statText({ cpus: all([50, 0, 0, 150, 0, 0, 0, 0, 0, 0, 7, 8]) }));
  tick();
  assert.equal(value('system.cpu.utilization{cpu=63}'), 0.25);
});

test('without the file there are no values, and the probe says why', (t) => {
  const tree = makeProcTree(t);
  tree.remove('stat');
  const source = new StatSource(tree.root);
  assert.deepEqual(source.probe(), {
    state: 'absent',
    reason: `${tree.root}/stat cannot be read`,
  });
  const { tick, value } = readTree(source);
  tick();
  tick();
  assert.ok(Number.isNaN(value('system.cpu.utilization')));
});
