import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabState } from '#tui/model/lab-state.ts';
import { maxAt, sceneOf, slopeAt, sumAt, sumLast } from '#tui/view/scene.ts';
import { themeOf } from '#tui/view/theme.ts';
import { initialView } from '#tui/view/view-state.ts';

function hear(state: LabState, host: string, source: string, second: number, x: number): void {
  const row = {
    wallMs: second * 1000,
    tick: second,
    missedTicks: 0,
    intervalUs: 1e6,
    values: { x },
  };
  state.apply({ kind: 'row', host, source, row }, second * 1e6);
}

test('figures of several generators are added when all have sent them, percentiles are never added', () => {
  const state = new LabState();
  for (const second of [10, 11]) hear(state, 'a', 'load', second, 100);
  hear(state, 'b', 'load', 10, 50);
  const loads = state.of('load');
  assert.equal(sumAt(loads, 'x', 10), 150);
  assert.ok(Number.isNaN(sumAt(loads, 'x', 11)), 'b is about to send');
  assert.equal(maxAt(loads, 'x', 11), 100);
  for (const second of [12, 13, 14, 15, 16]) hear(state, 'a', 'load', second, 100 + second);
  assert.equal(sumAt(loads, 'x', 16), 116, 'b is silent and counts no more');
  assert.equal(sumLast(loads, 'x'), 166);
  assert.equal(slopeAt(loads, 'x', 16, 2), 1);
});

test('the chosen host leads the time axis while it talks', () => {
  const state = new LabState();
  hear(state, 'a', 'host', 100, 1);
  hear(state, 'b', 'host', 90, 1);
  const at = (host: number, nowUs: number) =>
    sceneOf(state, { ...initialView(false), host }, themeOf('ascii'), {
      nowUs,
      wallMs: 0,
      selfPercent: 0,
    });
  assert.equal(at(0, 100e6).endSecond, 100);
  assert.equal(at(1, 91e6).endSecond, 90);
  assert.equal(at(1, 91e6).host?.host, 'b');
  assert.equal(at(2, 100e6).host?.host, 'a', 'counted round');
});
