import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { closeAxis, ratioAxis, timeAxis, zeroAxis } from '#dashboards/report/axis.ts';
import { el } from '#dashboards/report/markup.ts';
import { changeText, numberText, quantityText, spanText } from '#dashboards/report/number-text.ts';
import { renderReport } from '#dashboards/report/report.ts';
import { EMPTY_SERIES } from '#dashboards/report/run-record.ts';
import { sampleRecord } from '#dashboards/report/test/sample-record.ts';
import { temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');

test('the page of the sample record is the golden one', (t) => {
  // After a change that is meant: node --test --test-update-snapshots dashboards/report/report.test.ts
  t.assert.fileSnapshot(renderReport(sampleRecord()), join(FIXTURES, 'report.html'), {
    serializers: [(page: string) => page],
  });
});

test('the page needs nothing: no script, no outside resource, no link', () => {
  const page = renderReport(sampleRecord());
  assert.doesNotMatch(page, /<script|<link|<img|<iframe|@import|url\(|https?:|src=|href=/i);
});

test('text of strangers cannot become markup', () => {
  const evil = '<script>alert(1)</script>"\'&\u0000';
  const record = sampleRecord({
    name: evil,
    question: evil,
    command: evil,
    sizing: [evil],
    leftOut: [evil],
    host: { [evil]: evil },
    cut: { cause: 'failure', sentence: evil },
    verdict: { verdict: 'invalid', sentence: evil, interval: evil },
    turned: { owner: evil, name: evil, a: evil, b: evil },
  });
  record.blocks[0]!.flaws = [evil];
  const page = renderReport(record);
  assert.ok(!page.includes('<script') && !page.includes('\u0000'));
  assert.ok(page.includes('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;'));
  assert.equal(el('a', { title: evil }).text.includes('<script'), false);
});

test('a run that was cut before anything was measured still has a report', () => {
  const page = renderReport(
    sampleRecord({
      blocks: [],
      metrics: [],
      validity: [],
      counts: null,
      coverage: null,
      events: [],
      cut: { cause: 'part-lost', sentence: 'The server died.' },
      series: EMPTY_SERIES,
    }),
  );
  assert.match(page, /Partial report\. <\/strong>The server died\./);
  assert.match(page, /Nothing was measured/);
  assert.doesNotMatch(page, /NaN|undefined|Infinity/);
});

test('values that cannot be estimated print a dash and the reason', () => {
  const record = sampleRecord();
  record.metrics[1]!.estimate = null;
  record.metrics[1]!.reason = '400 messages in the block, p99 needs 5000';
  for (const block of record.blocks) block.values['latency.p99'] = null;
  const page = renderReport(record);
  assert.match(page, /not judged: 400 messages in the block/);
  assert.match(page, /no block could be measured/);
  assert.doesNotMatch(page, /NaN|undefined|Infinity/);
});

test('a browser opens the file offline and shows the verdict and the plots', {
  skip: needPrograms('chromium'),
}, (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'report.html');
  writeFileSync(file, renderReport(sampleRecord()));
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    `--user-data-dir=${folder}/profile`,
  ];
  const dom = execFileSync('chromium', [...flags, '--dump-dom', pathToFileURL(file).href], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  });
  assert.match(dom, /<h1>write\.flush = immediate is better than turn/);
  assert.equal(dom.match(/<svg /g)?.length, 8);
  assert.equal(dom.match(/<circle class="a/g)?.length, 16);
  assert.ok(readFileSync(file, 'utf8').length < 100_000);
});

test('numbers read well', () => {
  assert.deepEqual([0, 1.5, 12.34, 123.4, 1234.5, 0.0123, 25_000, null, -4.25].map(numberText), [
    '0',
    '1.5',
    '12.3',
    '123',
    '1,235',
    '0.0123',
    '25,000',
    '-',
    '-4.25',
  ]);
  assert.equal(quantityText(1234, 'us'), '1.23 ms');
  assert.equal(quantityText(2000, '{message}/s'), '2,000 messages/s');
  assert.deepEqual([1.052, 0.9, 1, 1.0004, 2].map(changeText), [
    '+5.2 %',
    '-10.0 %',
    '0 %',
    '0 %',
    '+100 %',
  ]);
  assert.equal(spanText(200_000), '3 min 20 s');
});

test('axes: round labels, every value inside', () => {
  assert.deepEqual(zeroAxis(13.7).ticks, [0, 5, 10, 15]);
  assert.deepEqual(zeroAxis(0).ticks.at(-1), 1);
  for (const values of [
    [55, 66],
    [5, 5],
    [0.001, 0.0011],
    [1e6, 2e6],
  ]) {
    const axis = closeAxis(values);
    for (const value of values) assert.ok(axis.at(value) >= 0 && axis.at(value) <= 1);
    assert.ok(axis.ticks.length >= 2 && axis.ticks.length <= 8, String(axis.ticks));
  }
  assert.ok(timeAxis(200_000).ticks.length <= 8);
  const ratios = ratioAxis(1.14);
  assert.ok(Math.abs(ratios.at(1) - 0.5) < 1e-12 && ratios.ticks.includes(1));
  assert.ok(Math.abs(ratios.at(1.1) + ratios.at(1 / 1.1) - 1) < 1e-12);
});
