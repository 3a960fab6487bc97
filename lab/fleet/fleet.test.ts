// The plan of a fleet: costs from a record, arithmetic by hand, what holds for every plan, and the command.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { WsarError } from '#core/errors.ts';
import type { LadderDisturbance, LadderRecord } from '#dashboards/report/ladder-record.ts';
import { ASSUMPTIONS, type Assumptions, readAssumptions } from '#lab/fleet/assumption.ts';
import { costsOf, type FleetCosts } from '#lab/fleet/fleet-costs.ts';
import { type Fleet, planFleet } from '#lab/fleet/fleet-plan.ts';
import { madeLadder, madeStep } from '#lab/fleet/test/made-ladder.ts';
import { ROOT, startWsar, temporaryFolder } from '#test/command.ts';

const RECORD = 'lab/fleet/test/ladder.record.json';
const FIXTURE = join(ROOT, RECORD);
/** Nothing but connections: each test adds what it is about. */
const QUIET: Assumptions = {
  ...readAssumptions({}).values,
  ...{ messageRatePerS: 1e-9, fanOut: 1, surge: 1, sessionMs: 1e12, registered: 1 },
  ...{
    failure: 0,
    baseBytes: 0,
    memoryMax: 1,
    cpuMax: 1,
    cpuStormMax: 1,
    coreEfficiency: 1,
    packetUs: 1e-9,
  },
};
const STORM: LadderDisturbance = {
  text: 'storm 10%@20s, back by backoff:1s',
  ...{ cutOff: 100_000, loginsPerSMost: 20_000, refused: 0 },
  ...{ queuedBefore: 0, queuedWorst: 1000, recoveredS: 5 },
  ...{ p99UsBefore: 1000, p99UsWorst: 100_000, loggedInLeast: 900_000, sentPerSMost: 10_000 },
};
const COSTS: FleetCosts = {
  provenConnections: 1_000_000,
  ...{ serverBytes: 200, kernelBytes: 4000, loginUs: 20, messageUs: 50, messagePackets: 8 },
  ...{ payloadBytes: 64, keepAliveMs: 0 },
};

test('costs: the largest held step counts; half of the kernel when both ends were in it', () => {
  const steps = [
    madeStep(),
    madeStep({ connections: 500_000, serverBytesPerUser: 300 }),
    madeStep({ connections: 1_500_000, disturbance: STORM }),
    madeStep({ connections: 2_000_000, outcome: 'failed', serverBytesPerUser: 1 }),
  ];
  const { costs, notes } = costsOf(madeLadder({ steps }));
  assert.deepEqual(costs, { ...COSTS, keepAliveMs: 1_200_000 });
  assert.match(notes[0]!, /a message cost 50 us at 10,000 messages\/s/);
  const clients = { payloadBytes: 100, keepAliveMs: 60_000 };
  const plan = { steps: [{ phase: '', users: 1_000_000, clients }] };
  const told = costsOf(madeLadder({ plan })).costs;
  assert.deepEqual([told.payloadBytes, told.keepAliveMs], [100, 60_000]);
  const both = costsOf(madeLadder({ steps: [madeStep({ engine: 'ring', packetsPerS: null })] }));
  assert.deepEqual([both.costs.kernelBytes, both.costs.messagePackets], [2000, 7.8]);
});

test('costs: what is given replaces what was measured, and says so', () => {
  const { costs, stated } = costsOf(madeLadder(), { messageUs: 5, connectionsMax: 4e6 });
  assert.deepEqual([costs.messageUs, costs.provenConnections], [5, 4e6]);
  const sources = Object.fromEntries(stated.map(({ name, source }) => [name, source]));
  assert.equal(sources['--message-us'], 'given');
  assert.equal(sources['--login-us'], 'measured, step 1,000,000');
});

test('costs: a ladder without a held step, or without its figures, is refused', () => {
  const refused = (steps: LadderRecord['steps'], sentence: RegExp): void => {
    assert.throws(
      () => costsOf(madeLadder({ steps })),
      (error: unknown) => error instanceof WsarError && sentence.test(error.message),
    );
  };
  refused([], /has no step that was held/);
  refused([madeStep({ outcome: 'stopped' })], /has no step that was held/);
  refused([madeStep({ kernelBytesPerUser: null })], /no undisturbed step with the figures/);
});

test('costs: a figure that is missing or no number is not computed with', () => {
  const odd = (changes: object): LadderRecord =>
    madeLadder({ plan: { steps: [null] }, steps: [{ ...madeStep(), ...changes }] });
  assert.equal(costsOf(odd({ packetsPerS: undefined })).costs.messagePackets, 7.8);
  for (const change of [
    { connections: undefined },
    { serverBytesPerUser: '142' },
    { deliveredPerS: null },
    { engine: undefined },
  ]) {
    assert.throws(() => costsOf(odd(change)), /no undisturbed step with the figures/);
  }
});

test('a small step is said to tell little', () => {
  const { notes } = costsOf(madeLadder({ steps: [madeStep({ connections: 20_000 })] }));
  assert.match(notes[1]!, /with 20,000 users, bytes of a user are mostly those of the processes/);
});

test('what was proven limits: ten million on hosts of one million are ten hosts, and one to lose', () => {
  const plan = planFleet(10e6, COSTS, QUIET);
  assert.deepEqual([plan.hosts, plan.spareHosts, plan.limitedBy], [10, 0, 'proven']);
  const safe = planFleet(10e6, COSTS, { ...QUIET, failure: 0.05 });
  assert.deepEqual([safe.hosts, safe.spareHosts], [11, 1]);
  assert.equal(safe.afterLoss.connections, 1e6);
});

test('memory: 4,200 bytes a connection and two absent users of 100 + 3 x 200 bytes', () => {
  const given = { ...QUIET, memoryBytes: 56e9, registered: 3, awayBytes: 100, queued: 3 };
  const plan = planFleet(
    100e6,
    { ...COSTS, provenConnections: 1e9 },
    { ...given, queuedBytes: 200 },
  );
  assert.equal(plan.limitedBy, 'memory');
  assert.equal(plan.limits.memory, 10e6);
  assert.equal(plan.hosts, 10);
  assert.equal(plan.usual.memoryBytes, 56e9);
});

test('CPU: deliveries, hops to other hosts and logins', () => {
  const costs = { ...COSTS, provenConnections: 1e9 };
  // 0.01 deliveries/s x 50 us = 0.5 us/s a connection; two threads: four million connections.
  const local = { ...QUIET, cores: 2, messageRatePerS: 0.01, local: 1 };
  const alone = planFleet(4e6, costs, local);
  assert.equal(alone.limitedBy, 'cpu');
  assert.ok(Math.abs(alone.limits.cpu - 4e6) < 1, String(alone.limits.cpu));
  // With half of them on the other one of two hosts, and a hop as dear as a delivery: 0.75 us/s.
  const two = planFleet(5e6, costs, { ...local, local: 0 });
  assert.equal(two.hosts, 2);
  assert.equal(two.crossHostPerS, 25_000);
  assert.equal(two.crossHostPerPairPerS, 25_000);
  assert.ok(Math.abs(two.limits.cpu - 2e6 / 0.75) < 1, String(two.limits.cpu));
});

test('logins after a loss: all users of one of two hosts in ten seconds', () => {
  const costs = { ...COSTS, provenConnections: 1e9, loginUs: 100 };
  const given = { ...QUIET, cores: 1, failure: 0.5, returnMs: 10_000, cpuStormMax: 1 };
  // 1 million logins in 10 s are 100,000/s, 10 s of CPU a second for one thread: a tenth can.
  const plan = planFleet(100_000, costs, { ...given, loginPackets: 1e-9 });
  assert.equal(plan.limitedBy, 'loginStorm');
  assert.ok(plan.stormCpuRatio <= 1, String(plan.stormCpuRatio));
  assert.ok(plan.stormLoginsPerS <= 10_000);
});

test('every plan: what is left after a loss is within every limit, and fewer hosts would not be', () => {
  const part = fc.double({ min: 0.05, max: 1, noNaN: true });
  const many = fc.double({ min: 0.1, max: 50, noNaN: true });
  const shape = fc.record({
    connections: fc.integer({ min: 1, max: 2e9 }),
    proven: fc.integer({ min: 100_000, max: 1e8 }),
    messageUs: many,
    messageRatePerS: fc.double({ min: 1e-5, max: 0.5, noNaN: true }),
    memoryBytes: fc.double({ min: 16e9, max: 1e12, noNaN: true }),
    failure: fc.double({ min: 0, max: 0.5, noNaN: true }),
    local: part,
    hopCost: many,
    returnMs: fc.double({ min: 1000, max: 1e6, noNaN: true }),
  });
  fc.assert(
    fc.property(shape, ({ connections, proven, messageUs, ...more }) => {
      const given = { ...readAssumptions({}).values, ...more };
      const costs = { ...COSTS, provenConnections: proven, messageUs };
      const plan = planFleet(connections, costs, given);
      assertWithin(plan, given);
      assert.ok(plan.usual.connections * plan.hosts - connections < 1e-3);
      const least = Math.min(...Object.values(plan.limits));
      assert.ok((plan.hosts - plan.spareHosts) * Math.floor(least) >= connections);
    }),
    { numRuns: 500 },
  );
});

function assertWithin(plan: Fleet, given: Assumptions): void {
  const { afterLoss, stormCpuRatio, hosts, spareHosts } = plan;
  const fits = 1 + 1e-9;
  assert.ok(Number.isFinite(hosts) && hosts > spareHosts);
  assert.ok(afterLoss.memoryBytes <= given.memoryBytes * given.memoryMax * fits);
  assert.ok(afterLoss.cpuRatio <= given.cpuMax * fits);
  assert.ok(afterLoss.packetsPerS <= given.packetsMaxPerS * fits);
  assert.ok(afterLoss.bitsPerS <= 2 * given.nics * given.nicGbit * 1e9 * given.nicMax * fits);
  assert.ok(stormCpuRatio <= given.cpuStormMax * fits, `${stormCpuRatio}`);
}

test('wsar plan-fleet: a table with every assumption and its source, and the same as JSON', async (t) => {
  const text = await run(t, 0, FIXTURE, '--connections', '10M,1B', '--failure', '20%');
  for (const { flags, what } of Object.values(ASSUMPTIONS)) {
    assert.ok(text.out.includes(flags.split(' ')[0]!), flags);
    assert.ok(text.out.includes(what), what);
  }
  assert.match(text.out, /--failure +20 % {2}.*\(given\)/);
  const line = await run(t, 0, FIXTURE, '--connections', '10M,1B', '--failure', '20%', '--json');
  const { kind, fleets, assumptions } = JSON.parse(line.out);
  assert.equal(kind, 'fleet-plan');
  assert.deepEqual(
    fleets.map((fleet: { connections: number }) => fleet.connections),
    [10e6, 1e9],
  );
  assert.equal(assumptions.length, Object.keys(ASSUMPTIONS).length);
  assert.ok(text.out.includes(fleets[0].hosts.toLocaleString('en-US')));
});

test('wsar plan-fleet: what is wrong is told in a sentence', async (t) => {
  const file = join(temporaryFolder(t), 'empty.json');
  writeFileSync(file, JSON.stringify(madeLadder({ steps: [] })));
  const experiment = join(temporaryFolder(t), 'run.json');
  writeFileSync(experiment, '{"schema":"wsar.run/1"}');
  const odd = join(temporaryFolder(t), 'odd.json');
  writeFileSync(odd, JSON.stringify({ ...madeLadder(), steps: {} }));
  const hole = join(temporaryFolder(t), 'hole.json');
  writeFileSync(hole, JSON.stringify({ ...madeLadder(), steps: [madeStep(), null] }));
  const nameless = join(temporaryFolder(t), 'nameless.json');
  writeFileSync(nameless, JSON.stringify({ ...madeLadder(), runId: undefined }));
  const cases: [RegExp, ...string[]][] = [
    [/there is no run 'nowhere'/, 'nowhere'],
    [/there is no run ''/, ''],
    [/is no record of a ladder: its steps are no list/, hole],
    [/is no record of a ladder: it lacks runId/, nameless],
    [/--registered: 0.5 registered users to a connection/, FIXTURE, '--registered', '0.5'],
    [/the ladder made has no step that was held/, file],
    [/is no record of a ladder: its schema is "wsar.run\/1"/, experiment],
    [/is no record of a ladder: its steps are no list/, odd],
    [/--connections: 'ten' is not a count/, FIXTURE, '--connections', 'ten'],
    [/--failure: 100 % is not a part/, FIXTURE, '--failure', '100%'],
    [/a host holds no connection, limited by memory/, FIXTURE, '--memory', '1GB'],
    [/a host holds no connection, limited by logins after a loss/, FIXTURE, '--return', '0s'],
  ];
  for (const [sentence, ...args] of cases) {
    const { error } = await run(t, 2, ...args);
    assert.match(error, sentence);
  }
});

for (const page of ['docs/internet-scale.md', 'docs/examples/plan-fleet.md']) {
  test(`${page} shows what the command computes`, async (t) => {
    const shown = shownPlans(readFileSync(join(ROOT, page), 'utf8'));
    assert.ok(shown.length > 0);
    for (const { args, lines } of shown) {
      const { out } = await run(t, 0, ...args.map((arg) => (arg === RECORD ? FIXTURE : arg)));
      assert.deepEqual(lines, out.trimEnd().split('\n'), `wsar plan-fleet ${args.join(' ')}`);
    }
  });
}

/** Commands with a table below them, as a person would type and see them. */
function shownPlans(page: string): { args: string[]; lines: string[] }[] {
  const blocks = page.matchAll(/^ {4}\$ wsar plan-fleet (\S*record\.json.*)\n((?: {4}.*\n|\n)+)/gm);
  return [...blocks]
    .map(([, args, text]) => ({ args: args!.split(' '), text: text! }))
    .filter(({ text }) => text.startsWith('    fleet plan from'))
    .map(({ args, text }) => ({
      args,
      lines: text.trimEnd().replace(/^ {4}/gm, '').split('\n'),
    }));
}

async function run(
  t: TestContext,
  code: number,
  ...args: string[]
): Promise<{ out: string; error: string }> {
  const command = startWsar(t, ['plan-fleet', ...args]);
  assert.equal(await command.exit(), code, command.stderr());
  return { out: command.stdout(), error: command.stderr() };
}
