// The agent in real programs, on the Node of this project and the one on PATH: what it tells is true, and the program
// does not notice.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { NodeSource } from '#collector/runtime/node-source.ts';
import { Sampler } from '#collector/sampler.ts';
import { systemClock } from '#core/clock/clock.ts';
import { ROOT, startWsar, temporaryFolder, watchProcess } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const AGENT = join(ROOT, 'collector/runtime/node-agent.mjs');
const FOLDER = `/dev/shm/wsar-node-${process.getuid?.() ?? 0}`;
const skip =
  existsSync('/dev/shm') && existsSync('/proc/self/schedstat') ? false : 'no Linux with /dev/shm';

/** This project's Node, and the one on PATH when that is another one. */
const NODES = [...new Set([process.execPath, programOnPath()])];

function programOnPath(): string {
  const path = (process.env['PATH'] ?? '')
    .split(':')
    .filter((folder) => !folder.includes('node_modules'));
  const env = { ...process.env, PATH: path.join(':') };
  const found = spawnSync('node', ['-p', 'process.execPath'], { encoding: 'utf8', env });
  const isOld = spawnSync('node', ['-p', 'Number(process.versions.node.split(".")[0]) < 20'], {
    encoding: 'utf8',
    env,
  });
  return found.status === 0 && isOld.stdout.trim() === 'false'
    ? found.stdout.trim()
    : process.execPath;
}

function startProgram(
  t: TestContext,
  text: string,
  options: { node?: string; flags?: string[] } = {},
): ChildProcess {
  const file = join(temporaryFolder(t), 'app.js');
  writeFileSync(file, text);
  const args = ['--import', AGENT, ...(options.flags ?? []), file];
  const child = spawn(options.node ?? process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => void child.kill('SIGKILL'));
  return child;
}

/** The texts of a process that are whole, by thread. */
function textsOf(pid: number): Map<number, Record<string, number>> {
  const found = readdirSync(FOLDER).filter((name) => name.includes(`-${pid}.`));
  return new Map(
    found.map((name) => {
      const lines = readFileSync(join(FOLDER, name), 'latin1').split('\n');
      const numbers = lines.filter((line) => line !== '').map((line) => line.split(' '));
      return [
        Number(name.split('.')[1]),
        Object.fromEntries(numbers.map(([key, value]) => [key, Number(value)])),
      ];
    }),
  );
}

async function untilTold(
  pid: number,
  isEnough: (texts: Map<number, Record<string, number>>) => boolean,
) {
  for (let i = 0; i < 900; i++) {
    const texts = existsSync(FOLDER) ? textsOf(pid) : new Map();
    if (isEnough(texts)) return texts;
    await pause(100);
  }
  throw new Error(`process ${pid} has not told what was waited for`);
}

function live(t: TestContext, wanted: number[] | 'all') {
  const source = new NodeSource(wanted, true);
  const sampler = new Sampler(systemClock, [source]);
  t.after(() => sampler.close());
  const value = (name: string): number => sampler.table.value(sampler.registry.slotOf(name));
  return { source, sampler, value };
}

for (const node of NODES) {
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();

  test(`Node ${version}: a program with the agent prints, returns and fails as without it`, {
    skip,
  }, (t) => {
    const folder = temporaryFolder(t);
    const empty = join(folder, 'empty.mjs');
    writeFileSync(empty, '');
    const programs: Record<string, string> = {
      'plain.cjs':
        'console.log(require.main === module, process.argv.length, typeof __filename); process.exitCode = 3',
      'module.mjs':
        'import fs from "node:fs"; console.log(process.argv.length, typeof fs); await 1;',
      'thrown.cjs': 'console.log(process.listenerCount("uncaughtException")); null.x',
      'rejected.mjs': 'Promise.reject(new Error("no"))',
      'handles.cjs':
        'console.log(process.getActiveResourcesInfo().filter((name) => name !== "TTYWrap").join())',
      'globals.cjs': 'console.log(Object.keys(globalThis).join())',
      'forks.cjs':
        'if (process.send) process.send("x");' +
        'else require("child_process").fork(__filename).on("message", console.log)',
    };
    for (const [name, text] of Object.entries(programs)) {
      const file = join(folder, name);
      writeFileSync(file, text);
      const run = (args: string[]) =>
        spawnSync(node, [...args, file], { encoding: 'utf8', timeout: 120_000 });
      // The list of handles shows that a module was imported at all, so an empty one stands beside it.
      const without = run(name === 'handles.cjs' ? ['--import', empty] : []);
      const agented = run(['--import', AGENT]);
      assert.deepEqual([agented.status, agented.stdout], [without.status, without.stdout], name);
      assert.equal(agented.signal, null, `${name} ended by itself`);
    }
    assert.equal(readdirSync(FOLDER).filter((name) => name.includes(`-${process.pid}.`)).length, 0);
  });

  test(`Node ${version}: collections of garbage and what they freed are those of --trace-gc`, {
    skip,
  }, async (t) => {
    const churn =
      'let kept = []; for (let i = 0; i < 3e6; i++) { kept.push({ i, s: "x" + i });' +
      'if (kept.length > 1000) kept = []; }' +
      'console.log("churned"); setInterval(() => {}, 1000);';
    const child = startProgram(t, churn, { node, flags: ['--trace-gc'] });
    const running = watchProcess(child);
    await running.line(/churned/);
    const texts = await untilTold(child.pid!, (all) => (all.get(0)?.['gc_minor_count'] ?? 0) > 5);
    const told = texts.get(0)!;
    const traced = [
      ...running.stdout().matchAll(/Scavenge [^\n]*?([\d.]+) \([\d.]+\) -> ([\d.]+) \(/g),
    ];
    const freed = traced.reduce(
      (sum, [, before, after]) => sum + (Number(before) - Number(after)) * 1024 * 1024,
      0,
    );
    // Collections before the agent was loaded are not its own.
    assert.ok(
      Math.abs(told['gc_minor_count']! - traced.length) <= 3,
      `${told['gc_minor_count']} of ${traced.length}`,
    );
    assert.ok(
      Math.abs(told['gc_collected_bytes']! / freed - 1) < 0.15,
      `${told['gc_collected_bytes']} of ${freed}`,
    );
  });

  test(`Node ${version}: each worker has a report of its own, gone when it ends`, {
    skip,
  }, async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'worker.js'), 'setInterval(() => {}, 1000)');
    const program =
      'const { Worker } = require("node:worker_threads"); const worker = new Worker(' +
      `${JSON.stringify(join(folder, 'worker.js'))}); process.on("SIGUSR2", () => worker.terminate());` +
      'setInterval(() => {}, 1000);';
    const child = startProgram(t, program, { node });
    await untilTold(child.pid!, (texts) => texts.has(0) && texts.has(1));
    child.kill('SIGUSR2');
    await untilTold(child.pid!, (texts) => !texts.has(1));
  });
}

test('utilisation, CPU and stall: a loop that computes is busy on a CPU, one that is blocked is not', {
  skip,
}, async (t) => {
  const spin =
    'setInterval(() => { const until = performance.now() + 100; while (performance.now() < until); }, 200);';
  const block =
    'const cell = new Int32Array(new SharedArrayBuffer(4)); setInterval(() => Atomics.wait(cell, 0, 0, 100), 200);';
  const [spinning, blocked] = [startProgram(t, spin), startProgram(t, block)];
  const pids = [spinning.pid!, blocked.pid!];
  await Promise.all(pids.map((pid) => untilTold(pid, (texts) => texts.has(0))));
  const { sampler, value } = live(t, pids);
  const sums = pids.map(() => ({ utilization: 0, cpu: 0, stall: 0, count: 0 }));
  for (let i = 0; i < 5; i++) {
    sampler.sample();
    for (const [at, pid] of pids.entries()) {
      const of = (name: string): number => value(`nodejs.${name}{pid=${pid},thread=0}`);
      if (Number.isNaN(of('eventloop.utilization'))) continue;
      const sum = sums[at]!;
      sum.utilization += of('eventloop.utilization');
      sum.cpu += of('linux.cpu');
      sum.stall += of('linux.stall');
      sum.count++;
    }
    await pause(1000);
  }
  const [busy, stuck] = sums.map(({ utilization, cpu, stall, count }) => ({
    utilization: utilization / count,
    cpu: cpu / count,
    stall: stall / count,
  }));
  const text = JSON.stringify([busy, stuck]);
  assert.ok(busy!.utilization > 0.35 && stuck!.utilization > 0.35, text);
  // What is active, is on a CPU or stalled; on a busy host also the one that computes waits for a CPU.
  for (const { utilization, cpu, stall } of [busy!, stuck!]) {
    assert.ok(Math.abs(cpu + stall - utilization) < 0.15, text);
  }
  assert.ok(stuck!.cpu < 0.1 && stuck!.stall > 0.3, text);
  assert.ok(busy!.cpu > 2 * stuck!.cpu, text);
  assert.ok(value('wsar.runtime.sched.load') > 0.5, 'the runtime table has their sum');
  assert.equal(value('wsar.runtime.processes'), 2);
});

test('a loop that hangs keeps no stale value: its age is what is left', { skip }, async (t) => {
  const hang =
    'setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000), 1500)';
  const child = startProgram(t, hang);
  const pid = child.pid!;
  await untilTold(pid, (texts) => (texts.get(0)?.['wsar-node'] ?? 0) >= 2);
  const { sampler, value } = live(t, 'all');
  const used = `v8js.memory.heap.used{pid=${pid},thread=0}`;
  sampler.sample();
  assert.ok(value(used) > 1e6);
  for (let i = 0; i < 300 && !Number.isNaN(value(used)); i++) {
    await pause(200);
    sampler.sample();
  }
  assert.ok(Number.isNaN(value(used)));
  assert.ok(value(`nodejs.agent.age{pid=${pid},thread=0}`) > 3);
  child.kill('SIGKILL');
  await once(child, 'exit');
  sampler.sample();
  assert.ok(
    Number.isNaN(value(`nodejs.agent.age{pid=${pid},thread=0}`)),
    'killed: its file is still there, it is not',
  );
});

test('a program in a container, with ids and a /dev/shm of its own, is found by its id as seen from here', {
  skip:
    skip ||
    needPrograms('unshare') ||
    (process.getuid?.() === 0 ? false : 'only root makes namespaces'),
}, async (t) => {
  const file = join(temporaryFolder(t), 'app.js');
  writeFileSync(file, 'setInterval(() => {}, 100)');
  const inside = `mount -t tmpfs shm /dev/shm && exec ${process.execPath} --import ${AGENT} ${file}`;
  const flags = ['--pid', '--mount', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', inside];
  const container = spawn('unshare', flags, { stdio: 'ignore' });
  t.after(() => void container.kill('SIGKILL'));
  const childOf = (pid: number): number =>
    Number(
      readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')[0] ||
        Number.NaN,
    );
  let pid = Number.NaN;
  while (Number.isNaN(pid)) {
    await pause(20);
    pid = childOf(container.pid!);
  }
  const { sampler, value, source } = live(t, [pid]);
  const used = `v8js.memory.heap.used{pid=${pid},thread=0}`;
  for (let i = 0; i < 600 && !(value(used) > 0); i++) {
    await pause(100);
    sampler.sample();
  }
  assert.ok(value(used) > 1e6);
  assert.deepEqual(source.labels(), [`pid=${pid},thread=0`]);
});

test('wsar collect --node prints the runtime table', { skip }, async (t) => {
  const child = startProgram(t, 'setInterval(() => {}, 100)');
  await untilTold(child.pid!, (texts) => (texts.get(0)?.['wsar-node'] ?? 0) >= 2);
  const table = startWsar(t, [
    'collect',
    '0.5',
    '4',
    '--wide',
    '--show',
    'runtime,node',
    '--node',
    String(child.pid),
  ]);
  assert.equal(await table.exit(), 0, table.stderr());
  assert.match(table.stdout(), new RegExp(`msgqlen.*sched.*node ${child.pid}\\.0`));
  const wrong = startWsar(t, ['collect', '--node', 'app.js']);
  assert.equal(await wrong.exit(), 2);
  assert.match(wrong.stderr(), /names no process/);
});
