import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricDef, Row } from '#core/metric/row.ts';
import { SourceState } from '#tui/model/source-state.ts';

const def = (name: string, kind: MetricDef['kind'], unit = '{message}'): MetricDef => ({
  name,
  short: name,
  unit,
  kind,
  help: '',
});

function row(tick: number, values: Row['values'], more: Partial<Row> = {}): Row {
  return { wallMs: (100 + tick) * 1000, tick, missedTicks: 0, intervalUs: 1e6, values, ...more };
}

function source(): SourceState {
  const state = new SourceState('h', 'server');
  state.takeSchema([def('sent', 'counter'), def('length', 'gauge'), def('cpu', 'rate', '1')]);
  return state;
}

test('a counter is kept as its rate over the true interval, its total beside it', () => {
  const state = source();
  state.takeRow(row(0, { sent: 1000 }), 1);
  state.takeRow(row(1, { sent: 1500 }, { intervalUs: 500_000 }), 2);
  assert.ok(Number.isNaN(state.at('sent', 100)), 'the first row has no rate');
  assert.equal(state.at('sent', 101), 1000);
  assert.equal(state.last('sent'), 1500);
});

test('a counter that fell was reset: that second has no rate, the next one has', () => {
  const state = source();
  for (const [tick, sent] of [1000, 2000, 5, 25].entries())
    state.takeRow(row(tick, { sent }), tick);
  assert.ok(Number.isNaN(state.at('sent', 102)));
  assert.equal(state.at('sent', 103), 20);
});

test('rows that were lost on the way are counted, and the rate covers the hole', () => {
  const state = source();
  state.takeRow(row(0, { sent: 0 }), 1);
  state.takeRow(row(5, { sent: 500 }), 2);
  assert.equal(state.missed, 4);
  assert.equal(state.at('sent', 105), 100);
  assert.ok(!state.has(103));
});

test('ticks the source itself missed are counted once, and its own interval is believed', () => {
  const state = source();
  state.takeRow(row(0, { sent: 0 }), 1);
  state.takeRow(row(3, { sent: 600 }, { missedTicks: 2, intervalUs: 3e6 }), 2);
  assert.equal(state.missed, 2);
  assert.equal(state.at('sent', 103), 200);
});

test('a source that starts again is no reset of everything', () => {
  const state = source();
  state.takeRow(row(7, { sent: 900, length: 3 }), 1);
  state.takeRow({ ...row(0, { sent: 10 }), wallMs: 110_000 }, 2);
  assert.equal(state.restarts, 1);
  assert.equal(state.missed, 0);
  assert.ok(Number.isNaN(state.at('sent', 110)));
});

test('shares become percent, values and decays alike; null and nonsense are absent', () => {
  const state = source();
  const decays = { cpu: [0.5, 0.25, null] as [number, number, null] };
  state.takeRow(row(0, { cpu: 0.421, length: null, odd: 'x' as never }, { decays }), 1);
  assert.equal(state.metrics.get('cpu')?.unit, '%');
  assert.equal(state.at('cpu', 100), 42.1);
  assert.deepEqual(state.decays('cpu'), [50, 25, Number.NaN]);
  assert.ok(Number.isNaN(state.at('length', 100)));
  assert.ok(Number.isNaN(state.at('odd', 100)));
});

test('metrics of single CPUs are not kept', () => {
  const state = source();
  const name = 'system.cpu.utilization{cpu=3}';
  state.takeSchema([def(name, 'rate')]);
  state.takeRow(row(0, { [name]: 1 }), 1);
  assert.ok(!state.metrics.has(name));
  assert.ok(Number.isNaN(state.at(name, 100)));
});
