import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabState } from '#tui/model/lab-state.ts';
import { readBusMessage } from '#tui/model/message.ts';
import { alertsOf } from '#tui/view/alert-rule.ts';
import { HOST } from '#tui/view/metric-names.ts';

const metrics = [
  { name: HOST.listenOverflows, short: 'ovf', unit: '{event}/s', kind: 'rate', help: '' },
  { name: 'wsar.server.queue.length', short: 'q', unit: '{message}', kind: 'gauge', help: '' },
];

/** A state that saw `values` of a metric, one a second; and the time of the last. */
function after(source: string, name: string, values: (number | null)[]): [LabState, number] {
  const state = new LabState();
  const hear = (topic: string, value: unknown, nowUs: number): void => {
    const message = readBusMessage(`wsar/l/h/${source}/${topic}`, value);
    assert.ok(message, 'the message of the test is well formed');
    state.apply(message, nowUs);
  };
  hear('schema', { metrics }, 0);
  for (const [tick, value] of values.entries()) {
    const row = {
      wallMs: tick * 1000,
      tick,
      missedTicks: 0,
      intervalUs: 1e6,
      values: { [name]: value },
    };
    hear('row', row, tick * 1e6);
  }
  return [state, (values.length - 1) * 1e6];
}

test('an overflow of the listen queue rises at once and says since when', () => {
  const [state, nowUs] = after('host', HOST.listenOverflows, [0, 0, 7, 214, 214]);
  const alerts = alertsOf(state, nowUs);
  assert.equal(alerts.length, 1);
  assert.equal(alerts[0]!.text, 'listen queue overflows 214 /s for 3 s');
  assert.equal(alerts[0]!.id, 'listen_overflow@2');
});

test('an alert that falls and rises again is another one, so that an acknowledgement ends', () => {
  const name = HOST.listenOverflows;
  const first = alertsOf(...after('host', name, [0, 5]))[0]!.id;
  assert.deepEqual(alertsOf(...after('host', name, [0, 5, 0])), []);
  const second = alertsOf(...after('host', name, [0, 5, 0, 5]))[0]!.id;
  assert.notEqual(first, second);
});

test('a queue that grows for ten seconds will never drain; a jump alone is no alert', () => {
  const name = 'wsar.server.queue.length';
  const growing = Array.from({ length: 12 }, (_, second) => second * 100);
  assert.match(alertsOf(...after('server', name, growing))[0]!.text, /grows by 100 msg\/s/);
  assert.deepEqual(alertsOf(...after('server', name, [0, 0, 0, 0, 9000, 8000])), []);
});

test('what was not measured raises nothing', () => {
  assert.deepEqual(alertsOf(...after('host', HOST.listenOverflows, [null, null])), []);
  assert.deepEqual(alertsOf(new LabState(), 0), []);
});

test('an alert of the bus stays in the banner for half a minute', () => {
  const [state] = after('host', HOST.listenOverflows, Array<number>(60).fill(0));
  const hear = (second: number): void => {
    const event = { wallMs: second * 1000, kind: 'alert', text: 'disk is full' };
    state.apply(readBusMessage('wsar/l/h/lab/event', event)!, 0);
  };
  hear(10);
  assert.deepEqual(alertsOf(state, 59e6), []);
  hear(40);
  assert.deepEqual(
    alertsOf(state, 59e6).map(({ text }) => text),
    ['lab: disk is full'],
  );
});
