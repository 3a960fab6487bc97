import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Row } from '#core/metric/row.ts';
import { EVENTS_MAX, KNOBS_MAX, LabState, SOURCES_MAX } from '#tui/model/lab-state.ts';

function row(second: number, tick: number): Row {
  return { wallMs: second * 1000, tick, missedTicks: 0, intervalUs: 1e6, values: {} };
}

function hearRow(state: LabState, source: string, second: number, arrivedUs: number): void {
  state.apply({ kind: 'row', host: 'h', source, row: row(second, second) }, arrivedUs);
}

test('events are sorted by time, whatever order they came in, and bounded', () => {
  const state = new LabState();
  for (let i = 0; i < EVENTS_MAX + 50; i++) {
    const wallMs = i % 2 === 0 ? i : i - 2;
    state.apply(
      { kind: 'event', host: 'h', source: 's', event: { wallMs, kind: 'note', text: '' } },
      0,
    );
  }
  assert.equal(state.events.length, EVENTS_MAX);
  const times = state.events.map(({ wallMs }) => wallMs);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});

test('the time axis is led by the collector, by others while it is silent, and never jumps to nothing', () => {
  const state = new LabState();
  assert.ok(Number.isNaN(state.endSecond(0)));
  hearRow(state, 'server', 51, 1e6);
  hearRow(state, 'host', 50, 1e6);
  assert.equal(state.endSecond(1.1e6), 50);
  hearRow(state, 'server', 60, 10e6);
  assert.equal(state.endSecond(10.1e6), 60, 'the collector is silent');
  assert.equal(state.endSecond(60e6), 60, 'all are silent: the last leader stays');
  assert.equal(state.ageUs(12e6), 2e6);
});

test('sources and knobs beyond their numbers are refused and counted', () => {
  const state = new LabState();
  for (let i = 0; i < SOURCES_MAX + 3; i++) {
    state.apply({ kind: 'row', host: `h${i}`, source: 'load', row: row(1, 1) }, 0);
  }
  assert.equal(state.sources.length, SOURCES_MAX);
  assert.equal(state.refused, 3);
  const knob = {
    def: {
      name: 'k',
      type: { kind: 'int' as const, min: 0, max: 9 },
      unit: '',
      default: 1,
      help: '',
    },
    value: 1,
    appliedWallMs: 0,
    by: 'x',
    id: '',
  };
  for (let i = 0; i < KNOBS_MAX + 2; i++) {
    state.apply({ kind: 'knob', owner: 'o', name: `k${i}`, state: knob }, 0);
  }
  assert.equal(state.knobs.length, KNOBS_MAX);
  assert.equal(state.refused, 5);
});

test('a turn is pending until it is answered, and a state from the owner is an answer', () => {
  const state = new LabState();
  const knobState = {
    def: {
      name: 'load.rate',
      type: { kind: 'int' as const, min: 0, max: 9 },
      unit: '',
      default: 1,
      help: '',
    },
    value: 1,
    appliedWallMs: 0,
    by: 'start',
    id: '',
  };
  state.apply({ kind: 'knob', owner: 'load', name: 'load.rate', state: knobState }, 0);
  assert.equal(state.knob('load/load.rate')?.label, 'load.rate');
  state.markPending('load/load.rate', 5);
  assert.equal(state.knob('load/load.rate')?.pending, 5);
  state.markAnswered('load/load.rate', 'nobody answered');
  assert.equal(state.knob('load/load.rate')?.pending, undefined);
  assert.equal(state.knob('load/load.rate')?.failure, 'nobody answered');
  state.apply(
    { kind: 'knob', owner: 'load', name: 'load.rate', state: { ...knobState, value: 5 } },
    0,
  );
  assert.equal(state.knob('load/load.rate')?.failure, undefined);
});

test('a new lab forgets the old one', () => {
  const state = new LabState();
  hearRow(state, 'host', 50, 1e6);
  state.malformed = 3;
  state.reset({ state: 'starting', mode: 'lab', lab: 'b', runId: '2', text: '' });
  assert.equal(state.sources.length, 0);
  assert.equal(state.malformed, 0);
  assert.equal(state.link.lab, 'b');
});
