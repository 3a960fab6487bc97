// `wsar load` against a real broker (Debian's mosquitto): the counts of three witnesses agree, a
// frozen server shows in the latencies as long as it was, and a second run follows at once.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { describe, test } from 'node:test';
import mqtt from 'mqtt';
import { createHistogram, type Histogram } from '#core/metric/histogram.ts';
import type { Row } from '#core/metric/row.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import type { RunningCommand } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { startMosquitto } from '#test/mosquitto.ts';
import { startLoad, UNHURRIED } from '#test/running-load.ts';

const skip = needPrograms('mosquitto');

/** Tells every second what is connected, and queues what comes while it is frozen. */
const TOLD = ['sys_interval 1', 'set_tcp_nodelay true', 'max_queued_messages 0'];

function outputOf(run: RunningCommand): { rows: Row[]; summary: LoadSummary } {
  const lines = run
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { rows: lines.slice(0, -1) as Row[], summary: lines.at(-1) as LoadSummary };
}

/** Established connections to a port, in the kernel's own table. */
function establishedTo(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return [...readFileSync('/proc/net/tcp', 'utf8').matchAll(new RegExp(` \\w{8}:${hex} 01 `, 'g'))]
    .length;
}

// Most of the time of these runs is waiting: several at a time.
describe('wsar load against mosquitto', { concurrency: 3 }, () => {
  test('generator, broker and kernel count the same users; nothing is lost; again at once', {
    skip,
  }, async (t) => {
    const users = 300;
    const { port, url } = await startMosquitto(t, undefined, TOLD);
    const watcher = await mqtt.connectAsync(url);
    t.after(() => watcher.endAsync(true));
    let brokerCount = 0;
    watcher.on('message', (_topic, payload) => (brokerCount = Number(payload)));
    await watcher.subscribeAsync('$SYS/broker/clients/connected');
    for (let round = 0; round < 2; round++) {
      const run = startLoad(t, url, [
        ...[...UNHURRIED, '--connections', String(users)],
        ...['--rate', '500/s', '--duration', '2500ms'],
      ]);
      await run.line(new RegExp(`"wsar.load.connections.logged_in":${users}`));
      assert.equal(establishedTo(port), users + 1, 'the users and the watcher');
      while (brokerCount !== users + 1) {
        await new Promise((resolve) => watcher.once('message', resolve));
      }
      assert.equal(await run.exit(), 0, run.stderr());
      const { rows, summary } = outputOf(run);
      assert.deepEqual(
        [summary.connections.loggedIn, summary.connections.attempted, summary.connections.failed],
        [users, users, 0],
      );
      assert.equal(summary.messages.received, summary.messages.planned);
      assert.deepEqual([summary.messages.lost, summary.messages.receipts], [0, 0]);
      assert.equal(establishedTo(port), 1, 'only the watcher is left');
      rows.slice(1).forEach((row, i) => {
        assert.equal(row.tick - rows[i]!.tick, 1 + row.missedTicks);
        assert.equal(row.wallMs % 1000, 0);
      });
    }
  });

  test('from one address, two runs at once after each other: TIME_WAIT does not stop the second', {
    skip,
  }, async (t) => {
    const { url } = await startMosquitto(t, undefined, TOLD);
    for (let round = 0; round < 2; round++) {
      const run = startLoad(t, url, [
        ...[...UNHURRIED, '--connections', '800'],
        ...['--duration', '100ms', '--sources', '127.1.7.7'],
      ]);
      assert.equal(await run.exit(), 0, run.stderr());
      assert.equal(outputOf(run).summary.connections.sourceTaken, 0);
    }
  });

  test('a frozen server: as many late messages as were due, and as late as it was frozen', {
    skip,
  }, async (t) => {
    const { url, child } = await startMosquitto(t, undefined, TOLD);
    const ratePerS = 400;
    const run = startLoad(t, url, [
      ...[...UNHURRIED, '--connections', '50', '--rate', `${ratePerS}/s`],
      ...['--arrivals', 'constant', '--duration', '5s'],
    ]);
    await run.line(/"wsar.load.messages.received":[1-9]/);
    const frozenMs = performance.now();
    child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 2000));
    child.kill('SIGCONT');
    const thawedMs = performance.now();
    assert.equal(await run.exit(), 0, run.stderr());
    const { rows, summary } = outputOf(run);
    const { messages, latencyUs, serviceUs } = summary;
    assert.equal(messages.planned, Math.round(ratePerS * 5));
    assert.deepEqual([messages.received, messages.lost], [messages.planned, 0]);
    const frozenUs = (thawedMs - frozenMs) * 1000;
    // The message that was due when it froze waited for all of it.
    assert.ok(latencyUs.max > frozenUs * 0.95, `${latencyUs.max} of ${frozenUs}`);
    assert.ok(serviceUs.max > frozenUs * 0.95, 'they were sent in time, into the socket buffers');
    // Every message that was due in the first 90 % of the freeze waited for the other 10 % at
    // least.
    const all = createHistogram();
    for (const row of rows) {
      if (row.histograms?.['latency'] !== undefined) all.merge(row.histograms['latency']);
    }
    const slow = countAbove(all, frozenUs * 0.1);
    const due = ratePerS * 0.9 * (frozenUs / 1e6);
    assert.ok(slow > due * 0.9, `${slow} slow samples of ${due} that were due`);
  });
});

/** How many samples of a histogram are above a time. */
function countAbove(histogram: Histogram, us: number): number {
  let low = 0;
  let high = 100;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (histogram.percentile(middle) > us) high = middle;
    else low = middle;
  }
  return Math.round(histogram.count * (1 - low / 100));
}
