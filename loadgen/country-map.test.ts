// A day of the world: each country's messages are a Poisson process of their own by its own hour, and all of them
// together have the published peak.

import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { ArrivalCursor, type ArrivalPlan, senderOf } from '#loadgen/arrivals.ts';
import {
  CountryMap,
  countryFactor,
  DAY_PEAK_RATIO,
  regionsOf,
  worldCurve,
  worldFactor,
} from '#loadgen/country-map.ts';
import { PlanChanges } from '#loadgen/plan-changes.ts';
import { rateSteps } from '#loadgen/rate-plan.ts';
import { scenario } from '#loadgen/scenario/whatsapp-2014.ts';
import { distance, distanceMax } from '#loadgen/test/distribution.ts';

const COUNTRIES = scenario.countries!;
const USERS = 10_000;
const DAY_MS = 60_000;

/** Every message of a day: when, and from which country. */
function day(seed: number): { ms: number; country: number }[] {
  const plan: ArrivalPlan = {
    ...{ seed, process: 'poisson', users: USERS },
    countries: new CountryMap(COUNTRIES, USERS, DAY_MS),
  };
  const changes = new PlanChanges();
  const stages = [{ ms: DAY_MS, fromPerS: 1000, toPerS: 1000 }];
  for (const { offsetMs, ratePerS } of rateSteps({
    ...{ stages, dayMs: DAY_MS, countries: COUNTRIES, spikes: [] },
  })) {
    changes.rate.append(offsetMs * 1000 + 1, ratePerS);
  }
  const regions = regionsOf(COUNTRIES, USERS);
  const cursor = new ArrivalCursor(plan, changes);
  const messages = [];
  while (cursor.dueUs() < DAY_MS * 1000) {
    const sender = senderOf(plan, cursor.index, cursor.step);
    const country = regions.findIndex(({ first, count }) => sender < first + count);
    messages.push({ ms: cursor.dueUs() / 1000, country });
    cursor.advance();
  }
  return messages;
}

test('the world has the published peak over its mean, within 2 %, and the mean that was asked for', () => {
  const hours = Array.from({ length: 240 }, (_, i) => worldFactor(COUNTRIES, i / 10));
  const mean = hours.reduce((sum, factor) => sum + factor, 0) / hours.length;
  assert.ok(Math.abs(mean - 1) < 1e-9);
  assert.ok(Math.abs(Math.max(...hours) / mean / DAY_PEAK_RATIO - 1) < 0.02);
  assert.ok(Math.min(...hours) > 0);
});

test('the messages of each country are a Poisson process by its own hour (time rescaled, KS)', () => {
  const curve = worldCurve(COUNTRIES);
  for (const seed of [1, 42]) {
    const messages = day(seed);
    assert.ok(Math.abs(messages.length / 60_000 - 1) < 0.02, `${messages.length}`);
    for (const [index, country] of COUNTRIES.entries()) {
      const times = messages.filter((message) => message.country === index).map(({ ms }) => ms);
      const share = times.length / messages.length;
      assert.ok(Math.abs(share / country.share - 1) < 0.08, `${country.code}: ${share}`);
      // In the time in which its rate is 1, gaps are exponential with mean 1.
      const passed = (ms: number): number => {
        const hour = (ms / DAY_MS) * 24;
        const angle = (x: number): number =>
          Math.sin(((x + country.utcOffsetHours - 21) / 24) * 2 * Math.PI);
        const area = hour + (curve.amplitude * (angle(hour) - angle(0)) * 24) / (2 * Math.PI);
        return country.share * 1000 * (DAY_MS / 1000) * (area / 24);
      };
      const gaps = times.slice(1).map((ms, i) => passed(ms) - passed(times[i]!));
      const far = distance(gaps, (x) => 1 - Math.exp(-x));
      // Its steps are a quarter of an hour, and gaps are cut to them.
      assert.ok(far < distanceMax(gaps.length) + 0.01, `${country.code}, seed ${seed}: ${far}`);
    }
  }
});

test('at nine in the evening of a country it is busiest there, whatever the world does', () => {
  const messages = day(7);
  for (const code of ['BR', 'IN', 'DE']) {
    const index = COUNTRIES.findIndex((country) => country.code === code);
    const country = COUNTRIES[index]!;
    const counts = new Float64Array(24);
    for (const { ms, country: from } of messages) {
      if (from === index)
        counts[Math.floor((ms / DAY_MS) * 24 + country.utcOffsetHours + 24) % 24]!++;
    }
    const evening = counts.slice(19, 23).reduce((a, b) => a + b);
    const night = counts.slice(7, 11).reduce((a, b) => a + b);
    const [most, least] = [21, 9].map((hour) =>
      countryFactor(country, worldCurve(COUNTRIES), hour - country.utcOffsetHours),
    );
    assert.ok(
      evening / night > (most! / least!) * 0.3 && evening > 8 * night,
      `${code}: ${counts}`,
    );
  }
});

test('users are divided exactly, and countries that flatten each other are refused', () => {
  for (const users of [31, 1000, 99_999]) {
    const regions = regionsOf(COUNTRIES, users);
    assert.equal(
      regions.reduce((sum, { count }) => sum + count, 0),
      users,
    );
  }
  const apart = [
    { code: 'AA', share: 0.5, utcOffsetHours: 0 },
    { code: 'BB', share: 0.5, utcOffsetHours: 12 },
  ];
  assert.throws(
    () => worldCurve(apart),
    (error) => error instanceof WsarError,
  );
});
