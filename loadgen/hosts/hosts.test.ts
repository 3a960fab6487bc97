// Several agents: the plan of all together, clocks, and what the death of one means, with agents in
// network namespaces of their own.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import type { Row } from '#core/metric/row.ts';
import type { ArrivalPlan } from '#loadgen/arrivals.ts';
import { clockOffset } from '#loadgen/hosts/clock-offset.ts';
import type { LossPolicy } from '#loadgen/hosts/hosts-run.ts';
import { type Segment, segmentHash, segmentOf, turnedHash } from '#loadgen/hosts/segment.ts';
import { whyNoVirtualHosts } from '#loadgen/hosts/virtual-hosts.ts';
import { LoadSettings, type Turn } from '#loadgen/load-settings.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { isCutOff } from '#loadgen/storm.ts';
import { parseTarget } from '#loadgen/target.ts';
import { readModel } from '#loadgen/user-model.ts';
import { type RunningCommand, startWsar } from '#test/command.ts';
import { skipUnless } from '#test/foreign-part.ts';
import { serve, startLoad, summaryOf, UNHURRIED } from '#test/running-load.ts';

const obstacle = whyNoVirtualHosts();
const skip = skipUnless(obstacle === undefined ? [] : [obstacle], 'run as root');

/** Hashes of a plan divided between 1, 2, 7 and 30 hosts. */
function hashesOf(total: number, hash: (part: Segment) => number): number[] {
  return [1, 2, 7, 30].map((hosts) => {
    const parts = Array.from({ length: hosts }, (_, index) => segmentOf(total, hosts, index));
    const users = parts.reduce((sum, { count }) => sum + count, 0);
    assert.equal(users, total);
    return parts.reduce((sum, part) => sum ^ hash(part), 0) >>> 0;
  });
}

test('1, 2, 7 and 30 hosts plan the same, to the bit: messages, sessions, thoughts', () => {
  const total = 1000;
  for (const model of [{}, { model: 'closed' }, { model: 'partly-open', rate: 10 }].map(
    readModel,
  )) {
    for (const process of ['poisson', 'constant', 'bursts'] as const) {
      const plan: ArrivalPlan = { seed: 5, process, users: total };
      const hashes = hashesOf(total, (part) => segmentHash(plan, model, part));
      assert.equal(new Set(hashes).size, 1, `${model.kind}, ${process}: ${hashes}`);
      const other = segmentHash({ ...plan, seed: 6 }, model, segmentOf(total, 1, 0));
      assert.notEqual(other, hashes[0]);
    }
  }
});

test('a plan that was turned is the same on any number of hosts, and another than without', () => {
  const total = 1000;
  const plan: ArrivalPlan = { seed: 5, process: 'poisson', users: total };
  for (const model of [{}, { model: 'partly-open', rate: 10 }].map(readModel)) {
    const durationMs = 9000;
    const turned = (...turns: Omit<Turn, 'value'>[]): number => {
      const given = { target: [parseTarget('mqtt://127.0.0.1:1')], connections: total };
      const settings = new LoadSettings(
        readOptions({ ...given, duration: durationMs, rate: 100, ...{ model: model.kind } }),
      );
      settings.begin(5_000_000);
      for (const turn of turns) assert.ok(settings.take({ ...turn, value: 3 }));
      const hashes = hashesOf(total, (part) =>
        turnedHash(plan, model, part, settings.schedule, durationMs),
      );
      assert.equal(new Set(hashes).size, 1, `${model.kind}: ${hashes}`);
      return hashes[0]!;
    };
    const all = [
      turned(),
      turned({ name: 'rate', atUs: 6_000_000 }),
      turned({ name: 'rate', atUs: 6_000_001 }),
      turned({ name: 'spike', atUs: 6_000_000 }),
    ];
    assert.equal(new Set(all).size, 4, `${model.kind}: ${all}`);
    // One host may have told its hash before, and another after.
    const late = { name: 'spike', atUs: 5_000_000 + durationMs * 1000 } as const;
    assert.equal(turned(late), all[0], 'what is turned behind the end is in no hash');
  }
});

test('a clock that is skewed is found within its error; one that is not stays untouched', () => {
  const exchange = (offsetUs: number, thereUs: number, backUs: number) => {
    const sentUs = 1e9;
    return { sentUs, theirsUs: sentUs + thereUs - offsetUs, receivedUs: sentUs + thereUs + backUs };
  };
  for (const offsetUs of [-5e6, -3000, 3000, 7e9]) {
    const found = clockOffset([
      exchange(offsetUs, 9000, 300),
      exchange(offsetUs, 400, 500),
      exchange(offsetUs, 100, 20_000),
    ]);
    assert.equal(found.errorUs, 450);
    assert.ok(Math.abs(found.offsetUs - offsetUs) <= found.errorUs);
  }
  assert.equal(clockOffset([exchange(0, 500, 300)]).offsetUs, 0);
});

function rowsOf(run: RunningCommand): Row[] {
  const lines = run.stdout().trimEnd().split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Row);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A load by three virtual hosts, one of which is killed when messages flow; with no policy none is. */
async function loadWithDeath(t: TestContext, policy?: LossPolicy, ...more: string[]) {
  const url = await serve(t);
  const run = startLoad(t, url, [
    ...UNHURRIED,
    ...['--virtual-hosts', '3'],
    ...['--connections', '150', '--rate', '300/s', '--duration', '3s', '--drain', '1s'],
    ...(policy === undefined ? [] : ['--on-loss', policy]),
    ...more,
  ]);
  await run.line(/"wsar.load.messages.received":[1-9]/);
  const pids = [...run.stderr().matchAll(/virtual host (\S+): process (\d+)/g)];
  const ids = pids.map(([, , pid]) => Number(pid));
  if (policy !== undefined) process.kill(ids[1]!, 'SIGKILL');
  const exitCode = await run.exit();
  const devices = ids.map((pid) => `wv${pid}`).filter((at) => existsSync(`/sys/class/net/${at}`));
  assert.deepEqual([ids.filter(isRunning), devices], [[], []], 'no process and no device is left');
  return { exitCode, run, summary: summaryOf(run) };
}

describe('wsar load on virtual hosts', { skip, concurrency: 2 }, () => {
  test('three hosts: every user in, every message there, one plan', async (t) => {
    const { exitCode, run, summary } = await loadWithDeath(t);
    assert.equal(exitCode, 0, run.stderr());
    const { connections, messages, hosts } = summary;
    assert.deepEqual([connections.loggedIn, connections.sourceAddresses], [150, 3]);
    assert.deepEqual([messages.received, messages.lost], [messages.planned, 0]);
    assert.equal(messages.unmatched, 0);
    assert.deepEqual([hosts?.total, hosts?.alive, hosts?.lost], [3, 3, []]);
    const plan: ArrivalPlan = { seed: 1, process: 'poisson', users: 150 };
    const whole = segmentHash(plan, readModel({}), segmentOf(150, 1, 0));
    assert.equal(Number.parseInt(hosts!.planHash, 16), whole);
    assert.equal(hosts!.agrees, true);
  });

  test('a storm over three hosts cuts off whom it would on one, and all come back', async (t) => {
    const { exitCode, run, summary } = await loadWithDeath(
      t,
      undefined,
      ...['--storm', '50%@1s', '--duration', '6s'],
    );
    assert.equal(exitCode, 0, run.stderr());
    const users = Array.from({ length: 150 }, (_, user) => user);
    const cut = users.filter((user) => isCutOff(1, 0, user, 0.5)).length;
    const { cutOff, reconnects, loggedIn } = summary.connections;
    assert.deepEqual([cutOff, reconnects, loggedIn], [cut, cut, 150]);
    assert.deepEqual([summary.storms?.length, summary.storms?.[0]?.cutOff], [1, cut]);
  });

  test('SIGKILL of one, degrade: the dip in its second, coverage 2/3, exit 0', async (t) => {
    const { exitCode, run, summary } = await loadWithDeath(t, 'degrade');
    assert.equal(exitCode, 0, run.stderr());
    assert.deepEqual([summary.hosts?.alive, summary.hosts?.lost.length], [2, 1]);
    assert.match(summary.warnings[0]!, /^coverage 2\/3: lost v00\d at /);
    const lostMs = summary.hosts!.lost[0]!.wallMs;
    const dip = rowsOf(run).find(({ wallMs }) => wallMs >= lostMs)!;
    assert.ok(dip.wallMs - lostMs <= 2000);
    assert.equal(dip.values['wsar.load.connections.logged_in'], 100);
    assert.ok(Number(dip.values['wsar.load.coverage']) < 0.7);
  });

  test('SIGKILL of one, abort: exit 13 and a partial report', async (t) => {
    const { exitCode, run, summary } = await loadWithDeath(t, 'abort');
    assert.equal(exitCode, 13);
    assert.match(run.stderr(), /host v00\d was lost .* s into the steady phase: coverage 2\/3/);
    assert.deepEqual([summary.end, summary.valid], ['failed', false]);
    assert.ok(summary.messages.received > 0);
  });

  test('SIGKILL of one, replace: a spare takes its users over', async (t) => {
    const { exitCode, run, summary } = await loadWithDeath(t, 'replace');
    assert.equal(exitCode, 0, run.stderr());
    assert.deepEqual([summary.connections.loggedIn, summary.hosts?.alive], [150, 3]);
  });
});

test('agents of other hosts are waited for on the bus; without one the command line is wrong', async (t) => {
  const bare = startWsar(t, [
    ...[
      'load',
      '--scenario',
      'one-to-one',
      '--target',
      'mqtt://127.0.0.1:9',
      '--hosts',
      '2',
      '--connections',
      '9',
    ],
    ...['--duration', '1s'],
  ]);
  const agent = startWsar(t, ['agent']);
  assert.deepEqual([await bare.exit(), await agent.exit()], [4, 2]);
  assert.match(agent.stderr(), /an agent needs the bus of a lab/);
});

test('SIGINT while agents are waited for ends the load at once, with a report', async (t) => {
  const bus = await startEmbeddedBus();
  t.after(() => bus.close());
  const url = await serve(t);
  const run = startLoad(
    t,
    url,
    [...['--hosts', '2', '--connections', '60'], ...['--rate', '100/s', '--duration', '1s']],
    { env: { WSAR_BUS_URL: bus.url, WSAR_LAB: 'nobody' } },
  );
  await run.line(/"wsar.load.coverage":0/);
  run.child.kill('SIGINT');
  assert.equal(await run.exit(), 130, run.stderr());
  const { end, hosts, connections } = summaryOf(run);
  assert.deepEqual([end, hosts?.alive, connections.attempted], ['stopped', 0, 0]);
});

test('two agents by hand, one load after the other, then SIGTERM', async (t) => {
  const bus = await startEmbeddedBus();
  t.after(() => bus.close());
  const env = { WSAR_BUS_URL: bus.url, WSAR_LAB: 'by-hand' };
  const url = await serve(t);
  const agents = ['a', 'b'].map((id) => startWsar(t, ['agent', '--id', id], { env }));
  await Promise.all(agents.map((agent, i) => agent.line(new RegExp(`^ready ${'ab'[i]}$`, 'm'))));
  for (let round = 0; round < 2; round++) {
    const run = startLoad(
      t,
      url,
      [
        ...UNHURRIED,
        ...['--hosts', '2'],
        ...['--connections', '60', '--rate', '100/s', '--duration', '1s'],
      ],
      { env },
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const { connections, messages } = summaryOf(run);
    assert.deepEqual([connections.loggedIn, messages.lost], [60, 0]);
  }
  for (const agent of agents) agent.child.kill('SIGTERM');
  assert.deepEqual(await Promise.all(agents.map((agent) => agent.exit())), [143, 143]);
});
