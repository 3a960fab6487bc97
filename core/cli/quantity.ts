// Numbers with units, as people write them in options and experiment files. A unit is never guessed:
// '30' is not a duration.

import { WsarError } from '#core/errors.ts';

const DURATION_MS: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const SIZE_BYTES: Record<string, number> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};
const COUNT: Record<string, number> = { '': 1, k: 1e3, M: 1e6, B: 1e9 };
const RATE_PER_S: Record<string, number> = { '/s': 1, '/min': 1 / 60, '/h': 1 / 3600 };

/** '30s', '1.5 m', '250ms' to milliseconds. */
export function parseDurationMs(text: string): number {
  return withUnit(text, DURATION_MS, 'a duration', '30s, 250ms, 5m');
}

/** '4 KiB', '512 B', '1GiB' to bytes. */
export function parseSizeBytes(text: string): number {
  return withUnit(text, SIZE_BYTES, 'a size', '512 B, 4 KiB, 1 GiB');
}

/** '5000/s', '20/min' to events per second. A word before the slash, as in '6000 msg/s', is allowed. */
export function parseRatePerS(text: string): number {
  const plain = text.replace(/(?<=\d)\s*[a-z]+\//, '/');
  return withUnit(plain, RATE_PER_S, 'a rate', '5000/s, 20/min');
}

/** '0.03' or '3 %' to a ratio. */
export function parseRatio(text: string): number {
  return withUnit(text, { '%': 0.01, '': 1 }, 'a ratio', '3 %, 0.03');
}

/** A whole number in [min, max]; '_' and ',' may group digits. */
export function parseCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text.replace(/[_,]/g, ''));
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new WsarError(
        'WSAR_ERR_USAGE',
        `'${text}' is not a whole number from ${min} to ${max}`,
        'give one in that range',
      );
    }
    return value;
  };
}

/** A plain number above zero, as '2.08'. */
export function parseFactor(text: string): number {
  const value = withUnit(text, { '': 1 }, 'a number', '2, 0.5');
  if (value > 0) return value;
  throw new WsarError('WSAR_ERR_USAGE', `'${text}' is not above zero`, 'give a number above zero');
}

/** '10M,100M,1B': whole numbers of at most `max`, at most `listMax` of them; '_' may group digits. */
export function parseCountList(listMax: number, max: number): (text: string) => number[] {
  const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= max;
  return (text) => {
    const counts = text.split(',').map((part) => withUnit(part, COUNT, 'a count', '250k, 10M, 1B'));
    if (counts.length <= listMax && counts.every(isCount)) return counts;
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is not a list of whole numbers from 1 to ${max}`,
      `give at most ${listMax}, as in 10M,100M,1B`,
    );
  };
}

/** One of the given words, as it stands. */
export function parseOneOf<T extends string>(...words: T[]): (text: string) => T {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word !== undefined) return word;
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is not known here`,
      `use ${words.join(' or ')}`,
    );
  };
}

/** 'HOST:PORT' or 'PORT' (then 127.0.0.1). */
export function parseHostPort(text: string): { host: string; port: number } {
  const match = /^(?:(\[[^\]]+\]|[^:]+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2] ?? -1);
  if (match === null || port < 0 || port > 65_535) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is not HOST:PORT`,
      'write it like 127.0.0.1:1883',
    );
  }
  return { host: (match[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port };
}

function withUnit(text: string, units: Record<string, number>, what: string, like: string): number {
  const match = /^\s*([0-9][0-9_,]*(?:\.[0-9]+)?)\s*([^\s0-9]*)\s*$/.exec(text);
  const unit = match?.[2] ?? '';
  const factor = match !== null && Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (match === null || factor === undefined) {
    const reason = match !== null && unit === '' ? 'has no unit' : `is not ${what}`;
    throw new WsarError('WSAR_ERR_QUANTITY', `'${text}' ${reason}`, `write ${what} like ${like}`);
  }
  return Number(match[1]!.replace(/[_,]/g, '')) * factor;
}
