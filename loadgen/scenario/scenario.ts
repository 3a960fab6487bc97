// A population as a table: what `--scenario` fills in where the command line says nothing, and what of it is
// known and what is assumed. A scenario is plain data (a TypeScript module that exports `scenario`), so that
// it is compiled to the same tables as options are and costs nothing per user.

import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { WsarError } from '#core/errors.ts';
import { COUNTRIES_MAX, type CountryShape, worldCurve } from '#loadgen/country-map.ts';
import { GROUP_SIZE_MAX, type GroupShape } from '#loadgen/group-map.ts';
import type { MediaKind } from '#loadgen/http/media-sizes.ts';
import { CONTACTS_MAX } from '#loadgen/people.ts';
import { scenario as oneToOne } from '#loadgen/scenario/one-to-one.ts';
import { scenario as whatsapp2014 } from '#loadgen/scenario/whatsapp-2014.ts';

export interface Scenario {
  name: string;
  /** Messages of one user, per second. */
  messagesPerUserPerS: number;
  arrivals: 'poisson' | 'constant' | 'bursts';
  payloadBytes: number;
  keepAliveMs: number;
  /** Part of the messages that carry a picture's link and thumbnail; none without it. */
  mediaRatio?: number;
  /** What the files behind them are; without it none are loaded. */
  media?: readonly MediaKind[];
  /** Spread of the logarithm of payloads, whose median is `payloadBytes`; all are alike without it. */
  payloadSigma?: number;
  /** Mean messages of a conversation, and mean time to an answer, s; each stands for itself without it. */
  conversations?: { messages: number; answerS: number };
  /** Messages to groups; none without it. */
  groups?: GroupShape;
  /** How many others each user watches (p/<uid>); nobody without it. */
  contacts?: number;
  /** Whether who writes to one user is seen typing before. */
  hasTyping?: boolean;
  /** Where users live; their shares are 1 together. Everybody in one time zone without it. */
  countries?: readonly CountryShape[];
  /** Mean length of a session, ms; without it users stay. */
  sessionMs?: number;
  /** Published figures that this follows, each with its source. */
  sources: readonly string[];
  /** What nobody published: printed with every run. */
  assumptions: readonly string[];
  /** What such a population does and this one does not. */
  leftOut: readonly string[];
}

const NAMED: Record<string, Scenario> = {
  'whatsapp-2014': whatsapp2014,
  'one-to-one': oneToOne,
};

/** A scenario by name, or from a file. Throws WSAR_ERR_USAGE or WSAR_ERR_FILE. */
export async function loadScenario(text: string): Promise<Scenario> {
  if (Object.hasOwn(NAMED, text)) return NAMED[text]!;
  if (!/\.(ts|mjs|js)$/.test(text)) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `there is no scenario '${text}'`,
      `take ${Object.keys(NAMED).join(' or ')}, or a file like ./mine.ts that exports one`,
    );
  }
  const file = isAbsolute(text) ? text : resolve(text);
  if (!existsSync(file)) throw refused(file, 'cannot be loaded: there is no such file');
  let loaded: { scenario?: unknown };
  try {
    loaded = (await import(pathToFileURL(file).href)) as { scenario?: unknown };
  } catch (error) {
    throw refused(file, `cannot be loaded: ${(error as Error).message.split('\n')[0]}`, error);
  }
  return checkScenario(loaded.scenario, file);
}

/** Lines that say what is known and what is assumed; none of a scenario that claims nothing. */
export function scenarioText(scenario: Scenario): string {
  const { sources, assumptions, leftOut } = scenario;
  if (sources.length + assumptions.length + leftOut.length === 0) return '';
  const list = (head: string, lines: readonly string[]): string =>
    lines.map((line) => `  ${head}: ${line}\n`).join('');
  return (
    `scenario ${scenario.name}\n` +
    list('source', sources) +
    list('assumed', assumptions) +
    list('left out', leftOut)
  );
}

function checkScenario(value: unknown, file: string): Scenario {
  if (value === undefined) throw refused(file, "exports no 'scenario'");
  const given = (value ?? {}) as Partial<Scenario>;
  const wrong = Object.entries(CHECKS).find(([name, isRight]) => !isRight(given[name as 'name']));
  if (wrong !== undefined) {
    throw refused(file, `has a scenario whose '${wrong[0]}' is wrong or absent`);
  }
  if (given.countries !== undefined) worldCurve(given.countries);
  return given as Scenario;
}

type Check = (value: unknown) => boolean;
const isNumber: Check = (n) => typeof n === 'number' && Number.isFinite(n) && n >= 0;
const isShare: Check = (n) => isNumber(n) && (n as number) <= 1;
const isText: Check = (text) => typeof text === 'string';
const isTexts: Check = (list) => Array.isArray(list) && list.every(isText);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const has = (fields: Record<string, Check>): Check => {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(fields).every(([name, check]) =>
      check((value as Record<string, unknown>)[name]),
    );
};
const isList = (check: Check, most: number): Check => {
  return (list) =>
    Array.isArray(list) && list.length > 0 && list.length <= most && list.every(check);
};

const isPositive: Check = (n) => isNumber(n) && (n as number) > 0;
const isHours: Check = (n) => typeof n === 'number' && n >= -12 && n <= 14;
/** As many as a table of sizes has, or more. */
const MEDIA_KINDS_MAX = 8;
const SHARES_ERROR_MAX = 0.001;

/** What each field must be. */
const CHECKS: Record<keyof Scenario, Check> = {
  name: isText,
  messagesPerUserPerS: isNumber,
  arrivals: (word) => ['poisson', 'constant', 'bursts'].includes(word as string),
  payloadBytes: isNumber,
  payloadSigma: optional((sigma) => isNumber(sigma) && (sigma as number) <= 3),
  keepAliveMs: isNumber,
  mediaRatio: optional(isShare),
  media: optional(
    isList(
      has({ kind: isText, weight: isPositive, medianBytes: isPositive, sigma: isNumber }),
      MEDIA_KINDS_MAX,
    ),
  ),
  sessionMs: optional((ms) => isNumber(ms) && (ms as number) >= 100),
  conversations: optional(
    has({ messages: (n) => isNumber(n) && (n as number) >= 1, answerS: isPositive }),
  ),
  groups: optional(
    has({
      share: isShare,
      sizeMedian: isPositive,
      sizeSigma: (sigma) => isNumber(sigma) && (sigma as number) <= 3,
      sizeMax: (size) =>
        isNumber(size) && (size as number) >= 2 && (size as number) <= GROUP_SIZE_MAX,
      connectedRatio: isShare,
    }),
  ),
  contacts: optional((n) => Number.isInteger(n) && isNumber(n) && (n as number) <= CONTACTS_MAX),
  hasTyping: optional((is) => typeof is === 'boolean'),
  countries: optional((list) => {
    const isWorld = isList(
      has({
        code: (code) => isText(code) && /^[A-Z]{2}$/.test(code as string),
        share: isPositive,
        utcOffsetHours: isHours,
      }),
      COUNTRIES_MAX,
    )(list);
    if (!isWorld) return false;
    const sum = (list as CountryShape[]).reduce((all, { share }) => all + share, 0);
    return Math.abs(sum - 1) < SHARES_ERROR_MAX;
  }),
  sources: isTexts,
  assumptions: isTexts,
  leftOut: isTexts,
};

function refused(file: string, what: string, cause?: unknown): WsarError {
  return new WsarError(
    'WSAR_ERR_FILE',
    `${file} ${what}`,
    'see loadgen/scenario/whatsapp-2014.ts for one',
    cause,
  );
}
