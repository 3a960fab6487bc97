import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LadderComparison } from '#dashboards/report/ladder-record.ts';
import { storyLines, storyTable } from '#dashboards/report/ladder-story.ts';

const flush: LadderComparison = {
  ...{ phase: 'flush', against: 'stock', users: 480_000, before: [5, 8], after: [6, 7] },
  findings: [
    {
      ...{ figure: 'server us/message', better: 'lower', before: 62.93, after: 41.95 },
      ...{ ratio: 0.6667, low: 0.61, high: 0.729, verdict: 'better', blocks: [2, 2] },
    },
    {
      ...{ figure: 'p99, us', better: 'lower', before: 900, after: null },
      ...{ ratio: null, low: null, high: null, verdict: 'invalid', blocks: [1, 0] },
    },
  ],
};

test('of every setting before, after, ratio, interval, verdict and number of blocks', () => {
  assert.deepEqual(storyTable({ comparisons: [flush] })!.rows, [
    [
      ...['flush', 'stock', '480,000', 'server us/message', '62.9', '42'],
      ...['0.667', '0.610 .. 0.729', 'better', '2 + 2'],
    ],
    ['flush', 'stock', '480,000', 'p99, us', '900', '-', '-', '-', 'invalid', '1 + 0'],
  ]);
  assert.equal(storyTable({ comparisons: [] }), null);
});

test('a line for each setting says what was clear, and that nothing was', () => {
  const unclear = { ...flush.findings[0]!, verdict: 'inconclusive' as const };
  const idle = { ...flush.findings[0]!, blocks: [0, 0] as [number, number] };
  const none = { ...flush, users: null, findings: [{ ...idle, verdict: 'invalid' as const }] };
  const few = { ...flush, findings: [flush.findings[1]!] };
  const comparisons = [flush, { ...flush, findings: [unclear] }, few, none];
  assert.deepEqual(storyLines({ comparisons }), [
    'flush against stock, 480,000 users, 4 blocks: server us/message 62.9 -> 42, -33 % (-39 % to -27 %), better',
    'flush against stock, 480,000 users, 4 blocks: no clear change',
    'flush against stock, 480,000 users, 1 blocks: too few to tell',
    'flush against stock, - users, 0 blocks: not compared',
  ]);
});
