// Alerts over made-up seconds: three in a row raise, half of the bound clears, nothing flaps; each rule has a
// figure that raises it and it alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ALERT_NAMES,
  type AlertFigures,
  ServerAlerts,
} from '#reference-server/statistics/server-alerts.ts';

const CALM: AlertFigures = {
  stuck: 0,
  slow: 0,
  longestPercent: 10,
  storedPercent: 10,
  drainS: 0,
  queued: 50_000,
};

test('raised by three in a row, cleared at half of the bound', () => {
  const alerts = new ServerAlerts();
  const see = (longestPercent: number): string[] =>
    alerts.observe({ ...CALM, longestPercent }).map(({ isRaised }) => (isRaised ? 'up' : 'down'));
  for (const percent of [95, 95, 80, 95, 95]) assert.deepEqual(see(percent), []);
  assert.deepEqual(see(95), ['up']);
  for (const percent of [95, 60, 60, 60, 60, 45, 45]) assert.deepEqual(see(percent), []);
  assert.match(alerts.raised.get('mailbox-near-full')!, /45 % full/);
  assert.deepEqual(see(45), ['down']);
  assert.equal(alerts.raised.size, 0);
});

test('each rule is raised by its own figure', () => {
  const loud: [string, Partial<AlertFigures>][] = [
    ['stuck-receivers', { stuck: 1 }],
    ['slow-receivers', { slow: 3 }],
    ['mailbox-near-full', { longestPercent: 100 }],
    ['store-near-full', { storedPercent: 81 }],
    ['slow-drain', { drainS: 3600 }],
  ];
  assert.deepEqual(
    loud.map(([name]) => name),
    ALERT_NAMES,
  );
  for (const [name, figures] of loud) {
    const alerts = new ServerAlerts();
    for (let second = 0; second < 3; second++) alerts.observe({ ...CALM, ...figures });
    assert.deepEqual([...alerts.raised.keys()], [name]);
  }
});

test('a queue that grows, or a short one, is not a slow drain', () => {
  for (const figures of [{ drainS: Number.POSITIVE_INFINITY }, { drainS: 9999, queued: 10 }]) {
    const alerts = new ServerAlerts();
    for (let second = 0; second < 5; second++) alerts.observe({ ...CALM, ...figures });
    assert.equal(alerts.raised.size, 0);
  }
});
