// The end of a load over hosts, on a clock and a bus of the test: a controller waits as long as its agents may take.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus } from '#core/bus/bus.ts';
import { topic } from '#core/bus/topic.ts';
import { compileFilter } from '#core/bus/topic-filter.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import {
  AGENT_PROTOCOL,
  type AgentAnswer,
  type AgentCommand,
} from '#loadgen/hosts/agent-message.ts';
import { HostsRun } from '#loadgen/hosts/hosts-run.ts';
import { segmentHash } from '#loadgen/hosts/segment.ts';
import { arrivalPlan } from '#loadgen/people.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { parseTarget } from '#loadgen/target.ts';
import { createBoard, sumBoards } from '#loadgen/worker-board.ts';

const LAB = 'end';
/** It may take a minute to say goodbye: 10 s, and 0.1 ms for each. */
const USERS = 500_000;

/** A bus within this process. */
class LocalBus {
  readonly dropped = 0;
  readonly malformed = 0;
  readonly #listeners: { matches: (name: string) => boolean; hear: Listener }[] = [];

  publish(name: string, value: unknown): void {
    if (value === undefined) return;
    for (const { matches, hear } of this.#listeners) if (matches(name)) hear(name, value);
  }

  async subscribe(filter: string, hear: Listener): Promise<void> {
    this.#listeners.push({ matches: compileFilter(filter), hear });
  }
}
type Listener = (name: string, value: unknown) => void;

/** A load over one agent that tells its end so long after it was told to log out. */
async function runLoad(endS: number) {
  const clock = new VirtualClock();
  const bus = new LocalBus();
  const options = readOptions({
    ...{ target: parseTarget('mqtt://127.0.0.1:1'), connections: USERS, rate: 1, duration: 1000 },
    ...{ hosts: 1, receipts: 'none' },
  });
  const answer = (value: AgentAnswer): void => bus.publish(topic.agent(LAB, 'slow', 'ack'), value);
  const counts = sumBoards([createBoard()]);
  const figures = {
    ...{ engine: 'net' as const, rampS: 1, steadyS: 1, sentInSteady: 1, rampCpuUs: 1, cpuUs: 1 },
    ...{
      sourceAddresses: 1,
      portPlan: undefined,
      ledger: null,
      turnedHash: 0,
      userBytesPerConnection: null,
    },
  };
  await bus.subscribe(topic.agent(LAB, 'slow', 'command'), (_name, value) => {
    const command = value as AgentCommand;
    if (command.kind === 'clock') answer({ ...command, agentUs: clock.monoUs() });
    else if (command.kind === 'plan') {
      const hash = segmentHash(arrivalPlan(options, USERS), options.model, command.segment);
      answer({ kind: 'ready', hash, outside: '' });
    } else if (command.kind === 'logout') {
      const end = { kind: 'done', end: 'complete', counts, histograms: {}, figures } as const;
      clock.after(endS * 1000, () => answer(end));
    }
  });
  const talk: string[] = [];
  const run = new HostsRun({
    ...{ clock, options, bus: bus as unknown as Bus, lab: LAB, hosts: 1, policy: 'abort', run: 1 },
    ...{ isVirtual: false, signal: new AbortController().signal },
    onPhase: (phase) => {
      if (phase === 'end') clock.after(10, () => answer({ kind: 'drained' }));
    },
    talk: (text) => talk.push(text),
  });
  let isOver = false;
  const result = run.run().finally(() => {
    isOver = true;
  });
  bus.publish(topic.agent(LAB, 'slow', 'hello'), {
    ...{ id: 'slow', host: 'here', pid: 1, protocol: AGENT_PROTOCOL },
  });
  while (!isOver) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    clock.advance(20);
  }
  return { run, talk: talk.join(''), result: await result };
}

test('an agent that says goodbye for half a million users is waited for', async () => {
  const { run, talk, result } = await runLoad(50);
  assert.equal(run.failure, undefined);
  assert.equal(result.end, 'complete');
  assert.equal(talk, '');
  assert.equal(run.hosts.agrees, false, 'what it planned was compared');
});

test('an agent that never tells its end is named, and the run is not complete', async () => {
  const { run, talk, result } = await runLoad(1000);
  assert.equal(result.end, 'failed');
  assert.match(run.failure!.message, /^slow did not tell the end/);
  assert.match(talk, /slow did not tell the end/);
});
