// A part of a load whose controller is this test: what is said early is heard, what is late is refused, and no timer
// outlives it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Clock, systemClock } from '#core/clock/clock.ts';
import { AgentLoad } from '#loadgen/hosts/agent-load.ts';
import {
  type AgentAnswer,
  type AgentCommand,
  toPlainOptions,
} from '#loadgen/hosts/agent-message.ts';
import { TURNS_MAX, type Turn } from '#loadgen/load-settings.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { parseTarget } from '#loadgen/target.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';

/** Longer than any test has. */
const DURATION_MS = 3_600_000;

async function start(t: TestContext) {
  const broker = await startFakeBroker(t);
  const options = readOptions({
    ...{ target: [parseTarget(broker.url)], connections: 4, duration: DURATION_MS, rate: 10 },
    ...{ engine: 'net', workers: 1 },
  });
  const timers = new Set<() => void>();
  const clock: Clock = {
    ...systemClock,
    after(delayMs, callback) {
      const over = systemClock.after(delayMs, () => {
        timers.delete(cancel);
        callback();
      });
      const cancel = (): void => {
        timers.delete(cancel);
        over();
      };
      timers.add(cancel);
      return cancel;
    },
  };
  const stop = new AbortController();
  const told: AgentAnswer[] = [];
  let look = (): void => {};
  const answer = (value: AgentAnswer): void => {
    told.push(value);
    look();
  };
  const plan: AgentCommand & { kind: 'plan' } = {
    ...{ kind: 'plan', run: 7, options: toPlainOptions(options), joinsLate: false, wallLeadMs: 0 },
    segment: { first: 0, count: 4, total: 4 },
    offset: { offsetUs: 0, errorUs: 0 },
  };
  const load = new AgentLoad(plan, undefined, clock, stop.signal, answer);
  t.after(async () => {
    stop.abort();
    await load.ended;
  });
  const until = <K extends AgentAnswer['kind']>(kind: K): Promise<AgentAnswer & { kind: K }> =>
    new Promise((resolve) => {
      look = () => {
        const found = told.find((value) => value.kind === kind || value.kind === 'failed');
        if (found === undefined) return;
        assert.equal(found.kind, kind);
        resolve(found as AgentAnswer & { kind: K });
      };
      look();
    });
  const turn = (id: number, name: Turn['name'], value: number, atUs = 0): void =>
    load.hear({ kind: 'turn', id, turn: { name, value, atUs } });
  return { load, clock, stop, told, until, turn, timers };
}

test('what is said while the plan is being prepared is heard', async (t) => {
  const { load, clock, until, told, turn } = await start(t);
  turn(0, 'payloadBytes', 100);
  load.hear({ kind: 'finish' });
  load.hear({ kind: 'logout' });
  await until('ready');
  assert.equal(told.filter(({ kind }) => kind === 'turned').length, 1);
  load.hear({ kind: 'start', atUs: clock.monoUs(), outside: [] });
  const { figures, end } = await until('done');
  assert.equal(end, 'complete');
  assert.ok(figures.steadyS < 60, `${figures.steadyS}`);
  await load.ended;
});

test('more turns than anybody remembers are refused, and what ends the load is heard all the same', async (t) => {
  const { load, clock, until, told, turn } = await start(t);
  for (let id = 0; id < TURNS_MAX + 5; id++) turn(id, 'payloadBytes', 100);
  load.hear({ kind: 'finish' });
  load.hear({ kind: 'logout' });
  const refused = told.filter((value) => value.kind === 'turned' && !value.isTaken);
  assert.equal(refused.length, 5);
  await until('ready');
  load.hear({ kind: 'start', atUs: clock.monoUs(), outside: [] });
  const { end } = await until('done');
  assert.equal(end, 'complete');
  await load.ended;
});

test('a turn whose time does not come is refused at the end, and no timer is left', async (t) => {
  const { load, clock, until, told, turn, timers } = await start(t);
  await until('ready');
  load.hear({ kind: 'start', atUs: clock.monoUs(), outside: [] });
  turn(5, 'downBlock', 3, clock.monoUs() + 600e6);
  await until('second');
  load.hear({ kind: 'finish' });
  await until('drained');
  load.hear({ kind: 'logout' });
  await load.ended;
  const turned = told.filter(({ kind }) => kind === 'turned');
  assert.deepEqual(turned, [{ kind: 'turned', id: 5, isTaken: false, lateUs: 0 }]);
  assert.equal(timers.size, 0);
});

test('an agent that ends while it waits for the start does not wait on', async (t) => {
  const { load, stop, until } = await start(t);
  await until('ready');
  stop.abort();
  const { end } = await until('done');
  assert.equal(end, 'stopped');
  await load.ended;
});
