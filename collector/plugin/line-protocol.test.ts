// The protocol without processes: what is taken, what is refused, and that nothing a program says can do more.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { LineProtocol } from '#collector/plugin/line-protocol.ts';
import { MeteredReader } from '#collector/plugin/metered-reader.ts';
import { idOf } from '#collector/plugin/module-runner.ts';
import { METRICS_MAX, type PluginMetric } from '#collector/plugin/plugin.ts';
import { Note, ValueCell } from '#collector/plugin/value-cell.ts';
import { ValueCollector } from '#collector/plugin/value-collector.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import { HIGH_UNIT } from '#core/metric/counter.ts';

function open() {
  const clock = new VirtualClock();
  clock.advance(60_000);
  const cell = new ValueCell();
  const metrics: PluginMetric[] = [];
  const said: string[] = [];
  const values = new ValueCollector(cell, [], (more) => metrics.push(...more));
  const protocol = new LineProtocol({
    cell,
    values,
    periodMs: 1000,
    monoUs: () => clock.monoUs(),
    wallMs: () => clock.wallMs(),
    say: (text) => said.push(text),
  });
  const take = (text: string): void => {
    for (const line of text.split('\n')) protocol.take(line);
  };
  const value = (index: number): number => cell.high[index]! * HIGH_UNIT + cell.low[index]!;
  return { clock, cell, metrics, said, protocol, take, value };
}

const HELLO = 'wsar-plugin 1\nmetric a gauge By bytes\nmetric b.c counter {job} jobs done';

test('golden: a conversation', async () => {
  const { cell, metrics, take, value } = open();
  take(`${HELLO}\n# a remark\n\nvalue a 1.5e3\nvalue b.c 18446744073709551615\ncommit`);
  await turn();
  assert.deepEqual(metrics, [
    { name: 'a', kind: 'gauge', unit: 'By', help: 'bytes' },
    { name: 'b.c', kind: 'counter', unit: '{job}', help: 'jobs done' },
  ]);
  assert.equal(cell.take(), true);
  assert.equal(value(0), 1500);
  assert.deepEqual([cell.high[1], cell.low[1]], [18_446_744_073, 709_551_615]);
  assert.equal(cell.take(), false, 'nothing newer');
  take('value a -2\ncommit');
  assert.equal(cell.take(), true);
  assert.equal(value(0), -2);
  assert.ok(Number.isNaN(value(1)), 'not set, no value');
  assert.equal(cell.note(Note.commits), 2);
  assert.equal(cell.note(Note.refusedLines) + cell.note(Note.refusedValues), 0);
});

test('times: those that can be are taken, the others are the arrival', () => {
  const { cell, clock, take } = open();
  take(HELLO);
  const commitAt = (seconds: number): number => {
    take(`commit ${seconds.toFixed(3)}`);
    return clock.monoUs() - cell.note(Note.stampUs);
  };
  const nowS = (): number => clock.wallMs() / 1000;
  assert.ok(Math.abs(commitAt(nowS() - 0.5) - 500_000) < 1000, 'half a second ago');
  clock.advance(1000);
  assert.ok(Math.abs(commitAt(nowS() + 0.5)) < 1, 'a little ahead of us is now');
  clock.advance(1000);
  assert.equal(commitAt(nowS() - 60), 0);
  clock.advance(1000);
  assert.equal(commitAt(nowS() - 2), 0, 'before the last one');
  assert.equal(cell.note(Note.refusedTimes), 2);
});

test('a program that begins anew says hello again; its metrics keep their places', async () => {
  const { cell, metrics, said, protocol, take, value } = open();
  take(`${HELLO}\nvalue a 1`);
  protocol.restart();
  take('value a 5\ncommit');
  assert.match(said[0]!, /its first line is 'value a 5', not 'wsar-plugin 1'/);
  assert.equal(cell.note(Note.commits), 0);
  take(
    'metric b.c counter {job} jobs done\nwsar-plugin 1\nmetric b.c counter {job} again\nvalue b.c 7\ncommit',
  );
  await turn();
  assert.equal(metrics.length, 2);
  assert.equal(cell.take(), true);
  assert.ok(Number.isNaN(value(0)), 'what was set before is forgotten');
  assert.equal(value(1), 7);
});

test('any bytes: no throw, no value that is none, no metric with a strange name', async () => {
  const { cell, metrics, take } = open();
  take(HELLO);
  const word = fc.oneof(
    fc.constantFrom(
      'metric',
      'value',
      'commit',
      'a',
      'b.c',
      'gauge',
      'counter',
      '1',
      '-1',
      'NaN',
      '1e999',
    ),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.double().map(String),
  );
  const line = fc.array(word, { maxLength: 6 }).map((words) => words.join(' '));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      take(lines.join('\n'));
      take('commit');
      cell.take();
      for (let i = 0; i < METRICS_MAX; i++) {
        const number = cell.high[i]! * HIGH_UNIT + cell.low[i]!;
        assert.ok(Number.isNaN(number) || Math.abs(number) <= 1e30, `${number}`);
      }
      assert.ok(!(cell.low[1]! < 0), 'a counter is not negative');
    }),
    { seed: 815, numRuns: 2000 },
  );
  await turn();
  assert.ok(metrics.length <= METRICS_MAX);
  for (const { name, help } of metrics) {
    assert.match(name, /^[A-Za-z][\w.]*(\{[\w.=,/:-]+\})?$/);
    assert.doesNotMatch(help, /\p{Cc}/u);
  }
});

test('values are read as a whole, however often they are written', async (t) => {
  const cell = new ValueCell();
  const url = new URL('./value-cell.ts', import.meta.url).href;
  const writer = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     import(workerData.url).then(({ ValueCell }) => {
       const cell = new ValueCell(workerData.memory);
       const [high, low] = [new Float64Array(${METRICS_MAX}), new Float64Array(${METRICS_MAX})];
       parentPort.postMessage('ready');
       for (let i = 1; i <= 300_000; i++) {
         high.fill(i);
         low.fill(i);
         cell.publish(high, low, i);
       }
     });`,
    { eval: true, workerData: { url, memory: cell.memory } },
  );
  t.after(() => writer.terminate());
  await once(writer, 'message');
  let taken = 0;
  let last = 0;
  while (last < 300_000) {
    if (!cell.take()) continue;
    taken++;
    const [first] = cell.low;
    assert.ok(first! > last, 'newer than before');
    last = first!;
    assert.ok(
      cell.low.every((value) => value === first),
      'all of one commit',
    );
    assert.ok(
      cell.high.every((value) => value === first),
      'all of one commit',
    );
  }
  t.diagnostic(`${taken} whole readings of 300,000 commits`);
});

test('reading keeps its measure: so many bytes a tenth of a second, and the rest waits', async () => {
  const clock = new VirtualClock();
  const stream = new PassThrough({ highWaterMark: 1024 });
  let [lines, refused, throttled] = [0, 0, 0];
  new MeteredReader({
    stream,
    clock,
    lineBytesMax: 64,
    bytesPerSliceMax: 1000,
    linesPerSliceMax: 20,
    onLine: () => lines++,
    onRefused: () => refused++,
    onThrottled: () => throttled++,
  });
  const flood = Buffer.from('value a 1\n'.repeat(100));
  let written = 0;
  for (let slice = 0; slice < 10; slice++) {
    while (stream.write(flood)) written++;
    written++;
    for (let i = 0; i < 5; i++) await turn();
    assert.ok(stream.isPaused());
    for (let i = 0; i < 3; i++) clock.advance(100);
    await turn();
  }
  assert.ok(throttled >= 5 && throttled <= 30, `${throttled}`);
  assert.ok(lines > 0 && lines <= 20 * 31, `${lines} lines`);
  assert.ok(refused > 0 && lines + refused <= written * 100);
});

test('the id of a plug-in that names none', () => {
  assert.equal(idOf('./my_queue.sh --fast'), 'my-queue');
  assert.equal(idOf('/opt/Probe.py'), 'probe');
  assert.equal(idOf('42'), 'plugin');
  assert.equal(idOf(''), 'plugin');
});
