import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LadderStep } from '#dashboards/report/ladder-record.ts';
import { storyTable } from '#dashboards/report/ladder-story.ts';

const step = (phase: string, serverCpuUsPerMessage: number, p99: number | null): LadderStep =>
  ({
    ...{ phase, connections: 1000, serverCpuUsPerMessage, latencyUs: { p99 } },
    ...{ loginsPerS: 10, serverCpuUsPerLogin: 20, packetsPerS: 0, kernelBytesPerUser: 8000 },
  }) as LadderStep;
const comparisons = [{ phase: 'flush', against: 'stock' }];

test('before, after, after, before: a change, and whether it is clear', () => {
  const steps = [
    ...[step('stock', 1, 1), step('stock', 60, 900), step('flush', 40, 800)],
    ...[step('flush', 44, 1000), step('stock', 66, null), step('stock', 2, 2)],
  ];
  const { rows } = storyTable({ comparisons, steps })!;
  const row = (figure: string): string[] => rows.find((cells) => cells[3] === figure)!.slice(4);
  assert.deepEqual(row('server us/message'), ['60, 66', '40, 44', '-33 %', 'better']);
  assert.deepEqual(row('p99, us'), ['900, -', '800, 1,000', '-', '-']);
  assert.deepEqual(row('logins/s'), ['10, 10', '10, 10', '0 %', 'no']);
  assert.deepEqual(rows[0]!.slice(0, 3), ['flush', 'stock', '1,000']);
});

test('a comparison that was not made whole is none', () => {
  const steps = [step('stock', 60, 900), step('flush', 40, 800), step('flush', 44, 1000)];
  assert.equal(storyTable({ comparisons, steps }), null);
  assert.equal(storyTable({ comparisons: [], steps }), null);
});
