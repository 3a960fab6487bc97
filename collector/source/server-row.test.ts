import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerRowSource } from '#collector/source/server-row.ts';
import { readTree, type TreeReader } from '#collector/test/read-tree.ts';
import type { Row } from '#core/metric/row.ts';

function serverRow(tick: number, values: Record<string, number | null>): Row {
  const named = Object.entries(values).map(
    ([key, value]) => [`wsar.server.${key}`, value] as const,
  );
  return {
    wallMs: 1_700_000_000_000 + tick * 1000,
    tick,
    missedTicks: 0,
    intervalUs: 1_000_000,
    values: Object.fromEntries(named),
  };
}

function open(): TreeReader & { push(row: Row): void } {
  const source = new ServerRowSource();
  const reader = readTree(source);
  return { ...reader, push: (row) => source.push(row, reader.clock.monoUs()) };
}

test('counters of the server become rates over its own seconds, gauges stay', () => {
  const { push, tick, value } = open();
  push(serverRow(0, { 'queue.length': 5, 'messages.received': 100, connections: 7 }));
  tick(0.9);
  assert.ok(Number.isNaN(value('wsar.runtime.messages{direction=in}')));
  assert.equal(value('mailbox.length{stat=sum}'), 5);
  tick(0.1);
  push(serverRow(1, { 'queue.length': 6, 'messages.received': 350, connections: 8 }));
  tick(0.9);
  assert.equal(value('wsar.runtime.messages{direction=in}'), 250);
  assert.equal(value('wsar.runtime.connections'), 8);
  assert.ok(Math.abs(value('wsar.runtime.age') - 0.9) < 1e-9);
});

test("a row that arrives early or late does not bend the rates: the server's own interval counts", () => {
  const { push, tick, value } = open();
  push(serverRow(0, { 'messages.received': 0 }));
  tick(0.5);
  for (const [i, delayS] of [0.3, -0.2, 0, 0.4].entries()) {
    tick(0.5 + delayS);
    push(serverRow(i + 1, { 'messages.received': (i + 1) * 1000 }));
    tick(0.5 - delayS);
    assert.equal(value('wsar.runtime.messages{direction=in}'), 1000);
  }
});

test('a row is a value for three of its periods, then it is none, and its decays age', () => {
  const { push, tick, value, sampler } = open();
  push(serverRow(0, { 'queue.length': 5 }));
  tick(1);
  const { source } = sampler.supervised[0]!;
  const ages: number[] = [];
  for (let i = 0; i < 4; i++) {
    ages.push(value('mailbox.length{stat=sum}'));
    tick(1);
  }
  assert.equal(source.id, 'server');
  assert.deepEqual(ages, [5, 5, 5, Number.NaN]);
  assert.ok(Number.isNaN(value('wsar.runtime.age')));
});

test('a server that was restarted has no rates once, and none is negative', () => {
  const { push, tick, value } = open();
  const rates = [1000, 2000, 10, 60].map((received, i) => {
    push(serverRow(i < 2 ? i : i - 2, { 'messages.received': received }));
    tick(1);
    return value('wsar.runtime.messages{direction=in}');
  });
  assert.deepEqual(rates, [Number.NaN, 1000, Number.NaN, 50]);
});

test('queues: rates, delay, fill and time to drain, also at the longer horizons', () => {
  const { push, tick, value } = open();
  const row = (i: number, enqueued: number, dequeued: number): void => {
    push(
      serverRow(i, {
        'queue.length': enqueued - dequeued,
        'queue.enqueued': enqueued,
        'queue.dequeued': dequeued,
      }),
    );
    tick(1);
  };
  row(0, 600_000, 0);
  row(1, 620_000, 40_000);
  assert.equal(value('mailbox.enqueued'), 20_000);
  assert.equal(value('mailbox.dequeued'), 40_000);
  assert.equal(value('mailbox.fill_rate'), -20_000);
  assert.equal(value('mailbox.delay'), 14);
  assert.equal(value('mailbox.drain_time'), 29);
  assert.equal(value('mailbox.drain_time{decay=10s}'), 29, 'all that is known so far');
  row(2, 660_000, 50_000);
  assert.ok(Number.isNaN(value('mailbox.drain_time')), 'it grows');
});

test('the loop: share of the time at work', () => {
  const { push, tick, value } = open();
  push(serverRow(0, { 'loop.work_us': 0, 'loop.sleep_us': 0, cpu_us: 0 }));
  tick(1);
  push(serverRow(1, { 'loop.work_us': 1_500_000, 'loop.sleep_us': 500_000, cpu_us: 1_700_000 }));
  tick(1);
  assert.equal(value('wsar.runtime.loop.utilization'), 0.75);
  assert.equal(value('wsar.runtime.cpu_us'), 1_700_000);
});

test('values that are missing, null or no numbers have no value here either', () => {
  const { push, tick, value } = open();
  push(serverRow(0, { 'queue.length': null, connections: -1, sessions: Number.NaN }));
  tick(1);
  for (const name of ['mailbox.length{stat=sum}', 'wsar.runtime.connections', 'mailbox.delay']) {
    assert.ok(Number.isNaN(value(name)), name);
  }
});
