import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LadderStep } from '#dashboards/report/ladder-record.ts';
import { compareSettings } from '#lab/ladder/compare-settings.ts';

const step = (cpuUs: number, changes: Partial<LadderStep> = {}): LadderStep =>
  ({
    ...{ connections: 1000, outcome: 'held', holdS: 20, latenessUsP99: 900 },
    ...{ serverCpuUsPerMessage: cpuUs, latencyUs: { p99: 5000 }, loginsPerS: null },
    ...{ serverCpuUsPerLogin: 20, packetsPerS: 0, kernelBytesPerUser: 8000 },
    ...changes,
  }) as LadderStep;
const flush = { phase: 'flush', against: 'stock', before: [0, 3], after: [1, 2] };
const stop = { latenessP99MsMax: 200 };

test('the steps of a comparison: means, ratio, interval, verdict and blocks of every figure', () => {
  const steps = [step(60), step(40), step(40.8), step(61.2)];
  const [compared] = compareSettings([flush], steps, stop);
  assert.equal(compared!.users, 1000);
  const found = (figure: string) => compared!.findings.find((one) => one.figure === figure)!;
  const cpu = found('server us/message');
  assert.equal(cpu.ratio!.toFixed(4), '0.6667');
  assert.ok(cpu.low! < cpu.ratio! && cpu.ratio! < cpu.high! && cpu.high! < 1);
  assert.deepEqual([cpu.verdict, cpu.blocks], ['better', [2, 2]]);
  assert.equal(found('server us/login').verdict, 'equivalent');
  // A rate that no step could tell, and one that was none.
  assert.deepEqual([found('logins/s').verdict, found('logins/s').blocks], ['invalid', [0, 0]]);
  assert.equal(found('packets/s').before, null);
});

test('a step that measured something else is no block: lost users, no hold, a late generator', () => {
  const broken = [
    step(10, { outcome: 'failed' }),
    step(10, { outcome: 'stopped', holdS: 0 }),
    step(10, { outcome: 'stopped', latenessUsP99: 200_001 }),
  ];
  for (const one of broken) {
    const steps = [one, step(40), step(40.8), step(60)];
    const cpu = compareSettings([flush], steps, stop)[0]!.findings[2]!;
    assert.deepEqual([cpu.blocks, cpu.before!.toFixed(3)], [[1, 2], '60.000']);
    assert.notEqual(cpu.verdict, 'invalid');
  }
  // At the knee a step may break the rule of latency, and is measured all the same.
  const over = [step(60, { outcome: 'stopped' }), step(40), step(40.8), step(61.2)];
  assert.deepEqual(compareSettings([flush], over, stop)[0]!.findings[2]!.blocks, [2, 2]);
  assert.equal(compareSettings([{ ...flush, before: [], after: [] }], [], stop)[0]!.users, null);
});
