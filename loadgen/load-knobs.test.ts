// Every knob of a load, turned on a real bus while it runs, and what becomes of it.

import assert from 'node:assert/strict';
import test from 'node:test';
import { turnKnob } from '#core/knob/turn-knob.ts';
import { LOAD_KNOBS } from '#loadgen/load-knobs.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { watchLoad } from '#loadgen/test/load-watcher.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';

const PLANNED = 'wsar.load.messages.planned';
const HELD = 'wsar.load.connections.logged_in';

test('spike, fan-out, payload, pings, slow readers and a block of users are turned under load', async (t) => {
  const lab = 'knobs';
  const { bus, url, watcher } = await watchLoad(t, lab);
  const broker = await startFakeBroker(t);
  const run = startWsar(
    t,
    [
      ...[
        'load',
        '--scenario',
        'one-to-one',
        '--target',
        broker.url,
        '--connections',
        '60',
        '--json',
        '--workers',
        '2',
      ],
      // A planned rate, which load.rate cannot turn and load.spike can.
      ...['--arrivals', 'constant', '--stages', '5m@100..101/s', '--keepalive', '30s'],
      ...['--lateness-max', '60s', '--receipts', 'off'],
    ],
    { env: { WSAR_BUS_URL: url, WSAR_LAB: lab, WSAR_STATE_DIR: temporaryFolder(t) } },
  );
  const turn = async (name: string, value: number): Promise<string | undefined> => {
    const who = { lab, owner: 'load', by: 'test', timeoutMs: 10_000 };
    const state = await turnKnob(bus, { ...who, name, value });
    if (state.refused === undefined) assert.equal(state.value, value, name);
    return state.refused;
  };
  /** Messages planned in one whole second from now on. */
  const perSecond = async (): Promise<number> => {
    const before = watcher.rows.length;
    await watcher.until(() => watcher.rows.length >= before + 3);
    const [from, to] = watcher.rows.slice(-2);
    const seconds = (to!.wallMs - from!.wallMs) / 1000;
    return (to!.values[PLANNED]! - from!.values[PLANNED]!) / seconds;
  };
  await watcher.until(() => watcher.last(PLANNED) > 0);
  assert.match((await turn('load.rate', 10)) ?? '', /is planned/);

  const plain = await perSecond();
  await turn('load.spike', 100);
  const spiked = await perSecond();
  assert.ok(spiked > plain * 1.6 && spiked < plain * 2.5, `${plain} to ${spiked}`);
  await turn('load.spike', 0);
  await turn('load.fanout', 4);
  const fanned = await perSecond();
  assert.ok(fanned > plain * 3.2 && fanned < plain * 5, `${plain} to ${fanned}`);
  await turn('load.fanout', 1);

  await turn('load.payload', 2000);
  await perSecond();
  assert.equal(broker.payloadBytes, 2000);
  await turn('load.media', 100);
  await perSecond();
  assert.equal(broker.payloadBytes, 3072);
  await turn('load.media', 0);
  await turn('load.payload', 64);

  assert.match((await turn('load.ping', 31)) ?? '', /told at his login/);
  assert.equal(broker.pings, 0, 'who sends something does not ping');
  await turn('load.ping', 0.2);
  await perSecond();
  assert.ok(broker.pings > 30, `${broker.pings} pings`);
  await turn('load.ping', 30);

  const { logins } = broker;
  await turn('load.block.down', 3);
  await watcher.until(() => watcher.last(HELD) === 58);
  await perSecond();
  assert.equal(watcher.last(HELD), 58, 'they stay away');
  await turn('load.block.down', 0);
  await watcher.until(() => watcher.last(HELD) === 60);
  assert.equal(broker.logins, logins + 2);

  await turn('load.slow.rate', 16);
  await turn('load.slow.share', 50);
  await watcher.until(() => watcher.last('wsar.load.latency_us.max') > 1_500_000);
  await turn('load.slow.share', 0);

  assert.match((await turn('load.slow.share', 101)) ?? '', /is not from 0 to 100 %/);
  const turned = watcher.events.filter(({ kind }) => kind === 'knob');
  assert.ok(turned.length >= 16, 'each turn is an event');
  assert.match(turned.at(-2)!.text, /load.slow.share turned from 50 to 0 by test/);
  run.child.kill('SIGTERM');
  assert.equal(await run.exit(), 143, run.stderr());
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
  assert.equal(summary.messages.errors, 0);
  assert.ok(summary.connections.cutOff >= 2);
});

test('every knob has bounds and a default within them', () => {
  for (const { name, type, default: value } of LOAD_KNOBS) {
    assert.ok(type.kind === 'int' || type.kind === 'float', name);
    assert.ok(type.min <= Number(value) && Number(value) <= type.max, name);
  }
});
