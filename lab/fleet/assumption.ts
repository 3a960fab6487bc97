// What a fleet plan takes for granted and no run on one host can measure: each with its option, its default and where
// the default comes from. The options of the command, the printed list and the JSON are made of this one table.

import type { OptionSpec } from '#core/cli/command.ts';
import {
  parseCount,
  parseDurationMs,
  parseFactor,
  parseRatePerS,
  parseRatio,
  parseSizeBytes,
} from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { numberText } from '#dashboards/report/number-text.ts';

/** How a value is read and written. */
type Kind = 'rate' | 'ratio' | 'factor' | 'bytes' | 'durationMs' | 'count' | 'us';

interface Assumption {
  /** As in `--message-rate <rate>`. */
  flags: string;
  what: string;
  kind: Kind;
  /** In the base unit of its kind: 1/s, 0..1, factor, B, ms, count, us. */
  value: number;
  source: string;
}

/** Totals of the published fleet of 2014: 147 million connections at its peak, 465 million users of a month. */
const PUBLISHED_CONNECTIONS = 147e6;
const ASSUMED = 'assumed';
const REFERENCE = 'reference host';

export const ASSUMPTIONS = {
  messageRatePerS: {
    flags: '--message-rate <rate>',
    what: 'messages that one connection sends at the usual peak',
    kind: 'rate',
    value: 342_000 / PUBLISHED_CONNECTIONS,
    source: 'published 2014: 342,000/s in',
  },
  fanOut: {
    flags: '--fan-out <factor>',
    what: 'deliveries of one message (groups)',
    kind: 'factor',
    value: 712_000 / 342_000,
    source: 'published 2014: 712,000/s out',
  },
  surge: {
    flags: '--surge <factor>',
    what: 'the highest peak in usual ones',
    kind: 'factor',
    value: 1.35,
    source: 'published: +35 % at a peak',
  },
  sessionMs: {
    flags: '--session <duration>',
    what: 'mean time between two logins of a connection',
    kind: 'durationMs',
    value: (PUBLISHED_CONNECTIONS / 230_000) * 1000,
    source: 'published 2014: 230,000 logins/s',
  },
  registered: {
    flags: '--registered <factor>',
    what: 'registered users to one connection',
    kind: 'factor',
    value: 465e6 / PUBLISHED_CONNECTIONS,
    source: 'published 2014: 465 million users',
  },
  awayBytes: {
    flags: '--away-bytes <size>',
    what: "server's memory for a user who is away",
    kind: 'bytes',
    value: 100,
    source: "the server's budget",
  },
  queued: {
    flags: '--queued <factor>',
    what: 'messages waiting for a user who is away',
    kind: 'factor',
    value: 2,
    source: ASSUMED,
  },
  queuedBytes: {
    flags: '--queued-bytes <size>',
    what: "server's memory for a waiting message",
    kind: 'bytes',
    value: 168,
    source: "the server's layout",
  },
  cores: {
    flags: '--cores <n>',
    what: 'hardware threads of a host',
    kind: 'count',
    value: 24,
    source: REFERENCE,
  },
  coreEfficiency: {
    flags: '--core-efficiency <ratio>',
    what: 'of what the measured threads did, each of so many does',
    kind: 'ratio',
    value: 0.7,
    source: ASSUMED,
  },
  cpuMax: {
    flags: '--cpu-max <ratio>',
    what: 'CPU of a host at the highest peak, some hosts lost',
    kind: 'ratio',
    value: 0.6,
    source: 'published: 58 % at 2.3 million',
  },
  cpuStormMax: {
    flags: '--cpu-storm-max <ratio>',
    what: 'the same while users of lost hosts come back',
    kind: 'ratio',
    value: 0.85,
    source: 'published: workable to 85 %',
  },
  memoryBytes: {
    flags: '--memory <size>',
    what: 'memory of a host',
    kind: 'bytes',
    value: 100e9,
    source: REFERENCE,
  },
  memoryMax: {
    flags: '--memory-max <ratio>',
    what: 'of it that may be used, some hosts lost',
    kind: 'ratio',
    value: 0.8,
    source: ASSUMED,
  },
  baseBytes: {
    flags: '--base-memory <size>',
    what: 'of a host without users: system, server',
    kind: 'bytes',
    value: 2 * 1024 ** 3,
    source: ASSUMED,
  },
  nics: {
    flags: '--nics <n>',
    what: 'network interfaces of a host',
    kind: 'count',
    value: 2,
    source: REFERENCE,
  },
  nicGbit: {
    flags: '--nic-gbit <factor>',
    what: 'Gbit/s of an interface, each way',
    kind: 'factor',
    value: 10,
    source: ASSUMED,
  },
  nicMax: {
    flags: '--nic-max <ratio>',
    what: 'of that which may be used, some hosts lost',
    kind: 'ratio',
    value: 0.5,
    source: ASSUMED,
  },
  packetsMaxPerS: {
    flags: '--packets-max <rate>',
    what: 'packets a host may move, both ways',
    kind: 'rate',
    value: 571_000,
    source: 'published 2012: peak of one host',
  },
  packetUs: {
    flags: '--packet-us <factor>',
    what: 'CPU of a packet through a real interface',
    kind: 'us',
    value: 1,
    source: ASSUMED,
  },
  packetBytes: {
    flags: '--packet-bytes <size>',
    what: 'bytes of a packet beside its content',
    kind: 'bytes',
    value: 90,
    source: 'Ethernet 38, IPv4 20, TCP 32',
  },
  loginPackets: {
    flags: '--login-packets <factor>',
    what: 'TCP segments of a login and its end',
    kind: 'factor',
    value: 10.8,
    source: 'counted, from handshake to end',
  },
  local: {
    flags: '--local <ratio>',
    what: 'deliveries that stay on a host, friends put together',
    kind: 'ratio',
    value: 0,
    source: 'spread by hash',
  },
  hopCost: {
    flags: '--hop-cost <factor>',
    what: "CPU of a delivery's way to another host, in deliveries",
    kind: 'factor',
    value: 1,
    source: `${ASSUMED}: not measured`,
  },
  hopPackets: {
    flags: '--hop-packets <factor>',
    what: 'packets of one such way, messages being gathered',
    kind: 'factor',
    value: 0.5,
    source: ASSUMED,
  },
  failure: {
    flags: '--failure <ratio>',
    what: 'of the hosts that may be lost at once, one at least',
    kind: 'ratio',
    value: 0.1,
    source: ASSUMED,
  },
  returnMs: {
    flags: '--return <duration>',
    what: 'time in which the users of lost hosts come back',
    kind: 'durationMs',
    value: 60_000,
    source: ASSUMED,
  },
} as const satisfies Record<string, Assumption>;

export type AssumptionName = keyof typeof ASSUMPTIONS;
export type Assumptions = Record<AssumptionName, number>;

/** One line of the list that is printed. */
export interface Stated {
  name: string;
  what: string;
  value: number;
  text: string;
  source: string;
}

const NAMES = Object.keys(ASSUMPTIONS) as AssumptionName[];
const COUNT_MAX = 1_000_000;

export function assumptionOptions(): OptionSpec[] {
  return NAMES.map((name) => {
    const { flags, what, kind, value, source } = ASSUMPTIONS[name];
    return { flags, help: `${what} (${valueText(kind, value)}: ${source})`, parse: PARSE[kind] };
  });
}

/** The values to plan with, and what is to be said of each. */
export function readAssumptions(options: Record<string, unknown>): {
  values: Assumptions;
  stated: Stated[];
} {
  const values = {} as Assumptions;
  const stated = NAMES.map((name) => {
    const { flags, what, kind, value, source } = ASSUMPTIONS[name];
    const given = options[optionKey(flags)] as number | undefined;
    values[name] = given ?? value;
    if (kind === 'ratio') checkRatio(flags, values[name]);
    if (name === 'registered') checkRegistered(values[name]);
    return {
      name: flags.split(' ')[0]!,
      what,
      value: values[name],
      text: valueText(kind, values[name]),
      source: given === undefined ? source : 'given',
    };
  });
  return { values, stated };
}

/** @throws WsarError WSAR_ERR_USAGE */
function checkRatio(flags: string, value: number): void {
  const [option] = flags.split(' ');
  if (value < 1 || (value === 1 && option !== '--failure')) return;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `${option}: ${numberText(value * 100)} % is not a part`,
    option === '--failure' ? 'some hosts must be left: give less than 100 %' : 'give at most 100 %',
  );
}

/** @throws WsarError WSAR_ERR_USAGE */
function checkRegistered(value: number): void {
  if (value >= 1) return;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--registered: ${numberText(value)} registered users to a connection: who is connected is one`,
    'give 1 or more',
  );
}

const PARSE: Record<Kind, (text: string) => unknown> = {
  rate: parseRatePerS,
  ratio: parseRatio,
  factor: parseFactor,
  bytes: parseSizeBytes,
  durationMs: parseDurationMs,
  count: parseCount(1, COUNT_MAX),
  us: parseFactor,
};

function valueText(kind: Kind, value: number): string {
  if (kind === 'rate')
    return value < 1 ? `${numberText(value * 3600)}/h` : `${numberText(value)}/s`;
  if (kind === 'ratio') return `${numberText(value * 100)} %`;
  if (kind === 'durationMs') return `${numberText(value / 1000)} s`;
  if (kind === 'us') return `${numberText(value)} us`;
  if (kind !== 'bytes') return numberText(value);
  return value >= 1e9 ? `${numberText(value / 1e9)} GB` : `${numberText(value)} B`;
}

/** '--nic-gbit <factor>' is nicGbit among the parsed options. */
function optionKey(flags: string): string {
  return flags
    .slice(2)
    .split(' ')[0]!
    .replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
