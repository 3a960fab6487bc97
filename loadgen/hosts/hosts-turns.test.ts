// A load over several agents that is turned while it runs: by knobs, and by a search for the highest rate; and users
// who write in turns there.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { turnKnob } from '#core/knob/turn-knob.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startAgentLab, summaryOf } from '#loadgen/test/two-agents.ts';

const PLANNED = 'wsar.load.messages.planned';
const HELD = 'wsar.load.connections.logged_in';

describe('a load over hosts is turned while it runs', { concurrency: 2 }, () => {
  test('every knob: on all hosts from one instant on, each an event, and still one plan', async (t) => {
    const { bus, watcher, load } = await startAgentLab(t, 'turned');
    const broker = await startFakeBroker(t);
    const run = load(
      ...['--target', broker.url, '--connections', '60', '--rate', '100/s', '--duration', '10m'],
      ...['--arrivals', 'constant', '--keepalive', '30s', '--receipts', 'none'],
    );
    const turn = async (name: string, value: number): Promise<string | undefined> => {
      const who = { lab: 'turned', owner: 'load', by: 'test', timeoutMs: 10_000 };
      const state = await turnKnob(bus, { ...who, name, value });
      if (state.refused === undefined) assert.equal(state.value, value, name);
      return state.refused;
    };
    /** Resolves when a whole second of all hosts has the rate that is wanted, planned messages of all. */
    const settlesAt = (perS: number): Promise<void> =>
      watcher.until(() => {
        const [from, to] = watcher.rows.slice(-2);
        if (to === undefined) return false;
        const planned = to.values[PLANNED]! - from!.values[PLANNED]!;
        return Math.abs((planned * 1000) / (to.wallMs - from!.wallMs) - perS) < perS * 0.25;
      });

    await settlesAt(100);
    await turn('load.rate', 200);
    await settlesAt(200);
    await turn('load.spike', 100);
    await settlesAt(400);
    await turn('load.spike', 0);
    await turn('load.rate', 100);
    await settlesAt(100);
    await turn('load.fanout', 4);
    await settlesAt(400);
    await turn('load.fanout', 1);
    await turn('load.payload', 2000);
    await watcher.until(() => broker.payloadBytes === 2000);
    await turn('load.media', 100);
    await watcher.until(() => broker.payloadBytes === 3072);
    await turn('load.media', 0);
    assert.match((await turn('load.ping', 31)) ?? '', /told at his login/);
    await turn('load.ping', 0.2);
    await watcher.until(() => broker.pings > 30);
    await turn('load.ping', 30);
    // Blocks are of the whole population: the last one is on the second host.
    await turn('load.block.down', 30);
    await watcher.until(() => watcher.last(HELD) === 58);
    await turn('load.block.down', 0);
    await watcher.until(() => watcher.last(HELD) === 60);
    await turn('load.slow.rate', 16);
    await turn('load.slow.share', 50);
    await watcher.until(() => watcher.last('wsar.load.latency_us.max') > 1_500_000);
    await turn('load.slow.share', 0);

    const turned = watcher.events.filter(({ kind }) => kind === 'knob');
    assert.ok(turned.length >= 17, 'each turn is an event');
    assert.match(turned.at(-1)!.text, /load.slow.share turned from 50 to 0 by test/);
    run.child.kill('SIGTERM');
    assert.equal(await run.exit(), 143, run.stderr());
    const { hosts, connections } = summaryOf(run);
    assert.equal(hosts?.agrees, true);
    assert.match(hosts!.turnedHash, /^[0-9a-f]{8}$/);
    assert.ok(connections.cutOff >= 2);
  });

  test('--find-max: the rate of all hosts is turned step by step, and what held is told', async (t) => {
    const { load } = await startAgentLab(t, 'searched');
    const broker = await startFakeBroker(t);
    const run = load(
      ...['--target', broker.url, '--connections', '6', '--rate', '6/s', '--drain', '1s'],
      // Nothing is that fast, whatever else this machine does.
      ...['--find-max', 'latency.max < 1us', '--duration', '120s', '--receipts', 'none'],
    );
    assert.equal(await run.exit(), 10, run.stderr());
    const { search, hosts, steadyS } = summaryOf(run);
    assert.deepEqual([search?.ratePerS, search?.limitedBy], [0, 'rule']);
    assert.deepEqual(
      search?.steps.map(({ ratePerS, verdict }) => [ratePerS, verdict]),
      [
        [6, 'broken'],
        [1.5, 'broken'],
        [1, 'broken'],
      ],
    );
    assert.equal(hosts?.agrees, true);
    assert.ok(steadyS < 119, 'the agents were told that it is over');
  });

  for (const [model, more] of [
    ['closed', ['--think', '200ms']],
    ['partly-open', ['--rate', '80/s', '--think', '50ms', '--session-messages', '3']],
  ] as const) {
    test(`users who write in turns (${model}): no message leaves its host, none is lost`, async (t) => {
      const { load } = await startAgentLab(t, model);
      const broker = await startFakeBroker(t);
      const run = load(
        ...['--target', broker.url, '--connections', '60', '--model', model, '--duration', '3s'],
        ...more,
      );
      assert.equal(await run.exit(), 0, run.stderr());
      const { messages, hosts, connections } = summaryOf(run);
      assert.deepEqual([hosts?.agrees, messages.unmatched, messages.errors], [true, 0, 0]);
      if (model === 'closed') {
        assert.deepEqual([messages.received, connections.loggedIn], [messages.sent, 60]);
        // Sixty users at 5 a second at most.
        assert.ok(messages.sent > 300 && messages.sent <= 1200, `${messages.sent}`);
      } else {
        assert.ok(connections.attempted > 40, `${connections.attempted} sessions`);
        assert.ok(messages.received > messages.sent * 0.8, 'who has just left loses a message');
      }
    });
  }
});
