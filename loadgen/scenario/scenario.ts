// A population as a table: what `--scenario` fills in where the command line says nothing, and what of it is
// known and what is assumed. A scenario is plain data (a TypeScript module that exports `scenario`), so that
// it is compiled to the same tables as options are and costs nothing per user.

import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { WsarError } from '#core/errors.ts';
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
  /** Mean length of a session, ms; without it users stay. */
  sessionMs?: number;
  /** Published figures that this follows, each with its source. */
  sources: readonly string[];
  /** What nobody published: printed with every run. */
  assumptions: readonly string[];
  /** What such a population does and this one does not. */
  leftOut: readonly string[];
}

const NAMED: Record<string, Scenario> = { 'whatsapp-2014': whatsapp2014 };

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
  let loaded: { scenario?: unknown };
  try {
    loaded = (await import(pathToFileURL(file).href)) as { scenario?: unknown };
  } catch (error) {
    throw refused(file, `cannot be loaded: ${(error as Error).message.split('\n')[0]}`, error);
  }
  return checkScenario(loaded.scenario, file);
}

/** Lines that say what is known and what is assumed. */
export function scenarioText(scenario: Scenario): string {
  const list = (head: string, lines: readonly string[]): string =>
    lines.map((line) => `  ${head}: ${line}\n`).join('');
  return (
    `scenario ${scenario.name}\n` +
    list('source', scenario.sources) +
    list('assumed', scenario.assumptions) +
    list('left out', scenario.leftOut)
  );
}

function checkScenario(value: unknown, file: string): Scenario {
  const given = (value ?? {}) as Partial<Scenario>;
  const isCount = (n: unknown): boolean => typeof n === 'number' && Number.isFinite(n) && n >= 0;
  const isList = (list: unknown): boolean =>
    Array.isArray(list) && list.every((line) => typeof line === 'string');
  const wrong = [
    typeof given.name === 'string' ? '' : 'name',
    isCount(given.messagesPerUserPerS) ? '' : 'messagesPerUserPerS',
    ['poisson', 'constant', 'bursts'].includes(given.arrivals ?? '') ? '' : 'arrivals',
    isCount(given.payloadBytes) ? '' : 'payloadBytes',
    isCount(given.keepAliveMs) ? '' : 'keepAliveMs',
    given.mediaRatio === undefined || (isCount(given.mediaRatio) && given.mediaRatio <= 1)
      ? ''
      : 'mediaRatio',
    given.sessionMs === undefined || (isCount(given.sessionMs) && given.sessionMs >= 100)
      ? ''
      : 'sessionMs',
    isList(given.sources) ? '' : 'sources',
    isList(given.assumptions) ? '' : 'assumptions',
    isList(given.leftOut) ? '' : 'leftOut',
  ].find((name) => name !== '');
  if (value === undefined) throw refused(file, "exports no 'scenario'");
  if (wrong !== undefined)
    throw refused(file, `has a scenario whose '${wrong}' is wrong or absent`);
  return given as Scenario;
}

function refused(file: string, what: string, cause?: unknown): WsarError {
  return new WsarError(
    'WSAR_ERR_FILE',
    `${file} ${what}`,
    'see loadgen/scenario/whatsapp-2014.ts for one',
    cause,
  );
}
