// Idle states and frequencies: sums over the CPUs, read every ten seconds, and what is missing named.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuPowerSource } from '#collector/source/cpu-power.ts';
import { makeProcTree } from '#collector/test/proc-tree.ts';
import { readTree } from '#collector/test/read-tree.ts';

const CPU = 'sysfs/devices/system/cpu';

test('idle states are added up over the CPUs every ten seconds, frequencies are a mean', (t) => {
  const tree = makeProcTree(t);
  const state = (s: number): void => {
    for (const cpu of [0, 1, 10]) {
      tree.write(`${CPU}/cpu${cpu}/cpuidle/state0/usage`, `${100 + 20 * s}\n`);
      tree.write(`${CPU}/cpu${cpu}/cpuidle/state0/time`, `${5_000_000 + 500_000 * s}\n`);
      tree.write(`${CPU}/cpu${cpu}/cpufreq/scaling_cur_freq`, `${2_000_000 + cpu * 1000}\n`);
    }
  };
  state(0);
  const source = new CpuPowerSource(tree.root);
  assert.deepEqual(source.probe(), { state: 'ok' });
  const { tick, value } = readTree(source);
  tick();
  state(10);
  tick(5);
  assert.ok(Number.isNaN(value('cpu.linux.idle.entries{state=state0}')), 'not read yet');
  tick(5);
  assert.equal(value('cpu.linux.idle.entries{state=state0}'), 60);
  assert.equal(value('cpu.linux.idle.time{state=state0}'), 1.5, 'of three CPUs');
  assert.equal(Math.round(value('system.cpu.frequency')), 2_003_666_667);
});

test('a host without idle states and frequencies says so and has no values', (t) => {
  const source = new CpuPowerSource(makeProcTree(t).root);
  assert.equal(source.probe().state, 'absent');
  const { tick, value } = readTree(source);
  tick();
  assert.ok(Number.isNaN(value('system.cpu.frequency')));
});
