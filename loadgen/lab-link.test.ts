// `wsar load` as a part of a lab: its rows, phases and knob on a real bus.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { turnKnob } from '#core/knob/turn-knob.ts';
import { decodeHistogram } from '#core/metric/histogram.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { watchLoad } from '#loadgen/test/load-watcher.ts';
import { temporaryFolder } from '#test/command.ts';
import { startLoad, summaryOf } from '#test/running-load.ts';

// Most of the time of these runs is waiting: several at a time.
describe('wsar load in a lab', { concurrency: 3 }, () => {
  test('in a lab: schema, rows, phases, a rate that can be turned, and a clean end by SIGTERM', async (t) => {
    const lab = 'test-lab';
    const { bus, url: busUrl, watcher } = await watchLoad(t, lab);
    const broker = await startFakeBroker(t);
    const stateFolder = temporaryFolder(t);
    const run = startLoad(
      t,
      broker.url,
      [
        ...['--connections', '30', '--rate', '100/s'],
        ...['--arrivals', 'constant', '--duration', '10m'],
      ],
      { env: { WSAR_BUS_URL: busUrl, WSAR_LAB: lab, WSAR_STATE_DIR: stateFolder } },
    );
    const received = 'wsar.load.messages.received';
    await watcher.until(() => watcher.last(received) > 0);
    assert.deepEqual(watcher.phases(), ['ramp', 'steady']);
    assert.equal(watcher.schema?.source, 'load');
    const named = new Set(watcher.schema?.metrics.map(({ name }) => name));
    for (const row of watcher.rows) {
      assert.deepEqual(new Set(Object.keys(row.values)), named);
      assert.equal(row.wallMs % 1000, 0);
    }

    const turn = { lab, owner: 'load', name: 'load.rate', by: 'test', timeoutMs: 5000 };
    const refused = await turnKnob(bus, { ...turn, value: -1 });
    assert.match(refused.refused ?? '', /is not from 0/);
    const paused = await turnKnob(bus, { ...turn, value: 0 });
    assert.deepEqual([paused.value, paused.refused], [0, undefined]);
    const rowsThen = watcher.rows.length;
    await watcher.until(() => watcher.rows.length >= rowsThen + 3);
    const quiet = watcher.rows.slice(-2).map(({ values }) => values['wsar.load.messages.planned']);
    assert.equal(quiet[0], quiet[1], 'nothing is planned while the rate is 0');
    await turnKnob(bus, { ...turn, value: 1000 });
    await watcher.until(() => watcher.last('wsar.load.messages.planned') > quiet[0]! + 500);
    const told = watcher.rows.at(-1)!;
    assert.ok(decodeHistogram(told.histograms!['latency']!).count > 0);
    assert.equal(
      decodeHistogram(told.histograms!['latency']!).percentile(99),
      told.values['wsar.load.latency_us.p99'],
    );

    run.child.kill('SIGTERM');
    assert.equal(await run.exit(), 143, run.stderr());
    const summary = summaryOf(run);
    assert.deepEqual(
      [summary.end, summary.messages.lost, summary.rateTargetPerS],
      ['stopped', 0, 1000],
    );
    await watcher.until(() => watcher.phases().length === 3);
    assert.equal(watcher.phases()[2], 'end');
    assert.deepEqual(readdirSync(join(stateFolder, 'knobs')), [], 'the journal is closed');
  });

  test('the bus ends for good: a clean end with a report, exit 4', async (t) => {
    const embedded = await startEmbeddedBus();
    const broker = await startFakeBroker(t);
    const run = startLoad(t, broker.url, ['--connections', '5', '--duration', '10m'], {
      env: { WSAR_BUS_URL: embedded.url },
    });
    await run.line(/"wsar.load.connections.logged_in":5/);
    await embedded.close();
    assert.equal(await run.exit(), 4);
    assert.match(run.stderr(), /the bus of the lab was lost/);
    const summary = summaryOf(run);
    assert.deepEqual([summary.end, summary.connections.loggedIn], ['stopped', 5]);
    assert.equal(broker.goodbyes, 6);
  });

  test('a bus that is not there: one sentence, exit 4, and nobody logs in', async (t) => {
    const embedded = await startEmbeddedBus();
    await embedded.close();
    const broker = await startFakeBroker(t);
    const run = startLoad(t, broker.url, ['--connections', '5', '--duration', '1s'], {
      env: { WSAR_BUS_URL: embedded.url },
    });
    assert.equal(await run.exit(), 4);
    assert.match(run.stderr(), /WSAR_ERR_UNREACHABLE/);
    assert.equal(broker.logins, 0);
  });
});
