// A population by countries: each has neighbouring users, a share of them, and its own time of day. With a
// day (--day) every country's messages are a Poisson process of their own whose rate follows its local hour:
//
//   rate of country c at world time t = rate x share(c) x (1 + A cos(2 pi (local hour - 21) / 24))
//
// The sum of independent Poisson processes is one Poisson process in which each message belongs to country c
// with the probability rate(c, t) / rate(t). So one cursor walks the sum, and a table, compiled once, says
// for each quarter of an hour which country a draw falls into.
//
// A is such that the sum over the world has the published peak over its mean (1.55), whatever the shares
// and time zones: peaks that come at different hours flatten each other. Pure.

import { WsarError } from '#core/errors.ts';
import type { Region } from '#loadgen/group-map.ts';

export interface CountryShape {
  /** ISO 3166, two letters. */
  code: string;
  /** Part of the users; all together are 1. */
  share: number;
  /** Local time before that of Greenwich, hours. */
  utcOffsetHours: number;
}

/**
 * The daily peak over the mean of WhatsApp in 2014: 342,000 messages a second at the peak, 19 billion a day
 * (Reed, 2014). When it is, and the cosine between, are assumptions.
 */
export const DAY_PEAK_RATIO = 1.55;
export const PEAK_HOUR = 21;
/** Steps of a day that have a mix of countries of their own. */
export const DAY_STEPS = 96;
export const COUNTRIES_MAX = 64;
const TWO_32 = 2 ** 32;
const HOURS = 24;

/** How far the hour of each country moves its rate up and down; and when the world is busiest, hours of Greenwich. */
export interface WorldCurve {
  amplitude: number;
  peakHour: number;
}

/** Throws WSAR_ERR_FILE where countries flatten each other so much that the published peak cannot be. */
export function worldCurve(countries: readonly CountryShape[]): WorldCurve {
  let [x, y] = [0, 0];
  for (const { share, utcOffsetHours } of countries) {
    const angle = ((PEAK_HOUR - utcOffsetHours) / HOURS) * 2 * Math.PI;
    x += share * Math.cos(angle);
    y += share * Math.sin(angle);
  }
  const amplitude = (DAY_PEAK_RATIO - 1) / Math.hypot(x, y);
  if (!(amplitude <= 1)) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `these countries lie so far apart that no hour of the world is ${DAY_PEAK_RATIO} times the mean`,
      'give more of the users to neighbouring time zones',
    );
  }
  return { amplitude, peakHour: ((Math.atan2(y, x) / (2 * Math.PI)) * HOURS + HOURS) % HOURS };
}

/** What one country does at a world hour, as a factor of its mean. */
export function countryFactor(country: CountryShape, curve: WorldCurve, hour: number): number {
  const local = hour + country.utcOffsetHours;
  return 1 + curve.amplitude * Math.cos(((local - PEAK_HOUR) / HOURS) * 2 * Math.PI);
}

/** Where no country is named. */
const GREENWICH: readonly CountryShape[] = [{ code: 'GB', share: 1, utcOffsetHours: 0 }];

/** What the whole world does at an hour of Greenwich, as a factor of its mean. */
export function worldFactor(countries: readonly CountryShape[], hour: number): number {
  const all = countries.length === 0 ? GREENWICH : countries;
  const curve = worldCurve(all);
  return all.reduce((sum, country) => sum + country.share * countryFactor(country, curve, hour), 0);
}

/** The busiest hour of the world, hours of Greenwich. */
export function worldPeakHour(countries: readonly CountryShape[]): number {
  return worldCurve(countries.length === 0 ? GREENWICH : countries).peakHour;
}

/** Users of each country, exact for any numbers; the last takes what is left. */
export function regionsOf(countries: readonly CountryShape[], users: number): Region[] {
  let [given, first] = [0, 0];
  return countries.map(({ share }, index) => {
    given += share;
    const isLast = index === countries.length - 1;
    const end = isLast ? users : Math.min(users, Math.round(given * users));
    const region = { first, count: end - first };
    first = end;
    return region;
  });
}

/** Who writes at which hour. */
export class CountryMap {
  readonly #regions: readonly Region[];
  readonly #dayUs: number;
  /** For each step of the day the sums of the shares up to each country, in 2^32ths. */
  readonly #sums: Float64Array;

  constructor(countries: readonly CountryShape[], users: number, dayMs: number) {
    this.#regions = regionsOf(countries, users);
    this.#dayUs = dayMs * 1000;
    this.#sums = new Float64Array(DAY_STEPS * countries.length);
    const curve = worldCurve(countries);
    for (let step = 0; step < DAY_STEPS; step++) {
      const hour = ((step + 0.5) / DAY_STEPS) * HOURS;
      const rates = countries.map(
        (country, i) => this.#regions[i]!.count * countryFactor(country, curve, hour),
      );
      const total = rates.reduce((sum, rate) => sum + rate, 0);
      let sum = 0;
      rates.forEach((rate, i) => {
        sum += rate;
        this.#sums[step * countries.length + i] = (sum / total) * TWO_32;
      });
    }
  }

  /** Which step of the day it is, so long after midnight of Greenwich. */
  stepAt(us: number): number {
    return Math.floor(((Math.max(0, us) % this.#dayUs) / this.#dayUs) * DAY_STEPS);
  }

  /** The country that a draw in [0, 2^32) falls into. */
  countryAt(step: number, drawn: number): number {
    const { length } = this.#regions;
    for (let country = 0; country < length - 1; country++) {
      if (drawn < this.#sums[step * length + country]!) return country;
    }
    return length - 1;
  }

  region(country: number): Region {
    return this.#regions[country]!;
  }
}
