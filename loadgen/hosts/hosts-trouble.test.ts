// What can be wrong with agents and their bus: one clear sentence, an exit code, and a report of what there was.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { topic } from '#core/bus/topic.ts';
import {
  AGENT_PROTOCOL,
  type AgentAnswer,
  type AgentCommand,
} from '#loadgen/hosts/agent-message.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { summaryOf } from '#loadgen/test/two-agents.ts';
import { type RunningCommand, startWsar, temporaryFolder } from '#test/command.ts';

const LAB = 'trouble';

interface FakeAgent {
  protocol?: number;
  hear(command: AgentCommand, answer: (value: AgentAnswer) => void, leave: () => void): void;
}

/** An agent that is not one of ours. */
async function join(bus: Bus, id: string, { protocol = AGENT_PROTOCOL, hear }: FakeAgent) {
  const answer = (value: AgentAnswer): void =>
    bus.publish(topic.agent(LAB, id, 'ack'), value, { qos: 1 });
  const leave = (): void => bus.publish(topic.agent(LAB, id, 'gone'), { id }, { qos: 1 });
  await bus.subscribe(topic.agent(LAB, id, 'command'), (_name, value) =>
    hear(value as AgentCommand, answer, leave),
  );
  const hello = { id, host: 'elsewhere', pid: 1, protocol };
  bus.publish(topic.agent(LAB, id, 'hello'), hello, { retain: true, qos: 1 });
}

async function loadOver(t: TestContext, agent: FakeAgent): Promise<RunningCommand> {
  const embedded = await startEmbeddedBus();
  t.after(() => embedded.close());
  const bus = await connectBus(embedded.url, { clientId: 'test' });
  t.after(() => bus.close());
  const broker = await startFakeBroker(t);
  await join(bus, 'odd', agent);
  return startWsar(
    t,
    [
      ...[
        'load',
        '--scenario',
        'one-to-one',
        '--target',
        broker.url,
        '--json',
        '--hosts',
        '1',
        '--connections',
        '4',
      ],
      ...['--rate', '10/s', '--duration', '1s', '--i-own-this-target'],
    ],
    {
      env: { WSAR_BUS_URL: embedded.url, WSAR_LAB: LAB, WSAR_STATE_DIR: temporaryFolder(t) },
    },
  );
}

/** The last line of stderr: what it ended for. */
function lastWords(run: RunningCommand): string {
  return run.stderr().trimEnd().split('\n').at(-1)!;
}

const TROUBLES: [what: string, exit: number, RegExp, FakeAgent][] = [
  [
    'another version',
    13,
    /"agent odd speaks version 1 of the agents' protocol, and this controller version \d/,
    { protocol: 1, hear: () => {} },
  ],
  ['no answer', 4, /"agent odd did not answer for 5 s/, { hear: () => {} }],
  [
    'gone before the start',
    13,
    /"host odd was lost before the start: coverage 0\/1/,
    {
      hear(command, answer, leave) {
        if (command.kind === 'clock') answer({ ...command, agentUs: command.sentUs });
        if (command.kind === 'plan') leave();
      },
    },
  ],
  [
    'a clock behind a slow way',
    13,
    /"the clock of odd can be told to 1\d\d ms over this bus/,
    {
      hear(command, answer) {
        if (command.kind !== 'clock') return;
        setTimeout(() => answer({ ...command, agentUs: 5 }), 250);
      },
    },
  ],
  [
    'another plan',
    13,
    /"the agents plan 00000001, and one host would plan [0-9a-f]{8}/,
    {
      hear(command, answer) {
        if (command.kind === 'clock') answer({ ...command, agentUs: command.sentUs });
        else if (command.kind === 'plan') answer({ kind: 'ready', hash: 1, outside: '' });
        else if (command.kind === 'stop') {
          answer({ kind: 'failed', code: undefined, message: 'stopped', hint: '' });
        }
      },
    },
  ],
];

describe('agents that cannot be used', { concurrency: 3 }, () => {
  for (const [what, exit, words, agent] of TROUBLES) {
    test(what, async (t) => {
      const run = await loadOver(t, agent);
      assert.equal(await run.exit(), exit, run.stderr());
      assert.match(lastWords(run), words);
      const { end, hosts, valid } = summaryOf(run);
      assert.deepEqual([end, valid, hosts?.total], ['failed', false, 1], 'a report all the same');
    });
  }

  test('a wrong token: agent and controller are told so', async (t) => {
    const embedded = await startEmbeddedBus();
    t.after(() => embedded.close());
    const env = { WSAR_BUS_URL: `mqtt://wsar:wrong@127.0.0.1:${embedded.port}`, WSAR_LAB: LAB };
    const agent = startWsar(t, ['agent'], { env });
    const load = startWsar(
      t,
      [
        ...['load', '--target', 'mqtt://127.0.0.1:9', '--hosts', '1', '--connections', '4'],
        ...['--duration', '1s'],
      ],
      { env },
    );
    for (const run of [agent, load]) {
      assert.equal(await run.exit(), 4, run.stderr());
      assert.match(lastWords(run), /^wsar: the bus at \S+ cannot be used: .*(uthoriz|password)/);
      assert.ok(!lastWords(run).includes('wrong@'), 'the token is not told');
    }
  });
});
