// What deserves the banner: a few rules over the rows, and the alerts that others put on the bus. A rule
// holds or does not hold in a second; an alert rises when its rule held for some seconds without a
// break, and says since when.

import type { LabState } from '#tui/model/lab-state.ts';
import { HISTORY_SECONDS, type SourceState } from '#tui/model/source-state.ts';
import { HOST, LOAD, latencyName, SERVER } from '#tui/view/metric-names.ts';
import { clockText, durationText, numberText } from '#tui/view/number-text.ts';
import { maxAt, sumAt } from '#tui/view/scene.ts';

export interface Alert {
  /** Differs each time the alert rises, so that an acknowledgement holds for one time only. */
  id: string;
  text: string;
}

interface Rule {
  name: string;
  source: string;
  /** Seconds that it must hold without a break. */
  forSeconds: number;
  value(sources: SourceState[], second: number): number;
  holds(value: number): boolean;
  /** The alert in words; `value` is of the newest second. */
  text(value: number): string;
}

const LATENESS_US_MAX = 50_000;
/** An alert that somebody put on the bus stays in the banner this long. */
const BUS_ALERT_SECONDS = 30;

const RULES: Rule[] = [
  {
    name: 'listen_overflow',
    source: 'host',
    forSeconds: 1,
    value: (sources, second) => sumAt(sources, HOST.listenOverflows, second),
    holds: (value) => value > 0,
    text: (value) => `listen queue overflows ${numberText(value)} /s`,
  },
  {
    name: 'queue_grows',
    source: 'server',
    forSeconds: 10,
    value: (sources, second) =>
      sumAt(sources, SERVER.queueLength, second) - sumAt(sources, SERVER.queueLength, second - 1),
    holds: (value) => value > 0,
    text: (value) => `server queue grows by ${numberText(value)} msg/s: it will never drain`,
  },
  {
    name: 'connections_failed',
    source: 'load',
    forSeconds: 1,
    value: (sources, second) => sumAt(sources, LOAD.failed, second),
    holds: (value) => value > 0,
    text: (value) => `connections fail: ${numberText(value)} /s`,
  },
  {
    name: 'generator_late',
    source: 'load',
    forSeconds: 3,
    value: (sources, second) => maxAt(sources, latencyName('lateness', 'p99'), second),
    holds: (value) => value > LATENESS_US_MAX,
    text: (value) => `the generator is late: p99 ${durationText(value)}; latencies include it`,
  },
];

/** The alerts of now, those of the rules first, then those of the bus, newest first. */
export function alertsOf(state: LabState, nowUs: number): Alert[] {
  const endSecond = state.endSecond(nowUs);
  if (!Number.isFinite(endSecond)) return [];
  const told = state.events
    .filter(({ kind, wallMs }) => kind === 'alert' && endSecond - wallMs / 1000 < BUS_ALERT_SECONDS)
    .map(({ wallMs, source, text }) => ({ id: `${source}@${wallMs}`, text: `${source}: ${text}` }));
  return [...ruleAlertsOf(state, nowUs), ...told.reverse()];
}

/** The alerts of the rules alone. */
export function ruleAlertsOf(state: LabState, nowUs: number): Alert[] {
  const endSecond = state.endSecond(nowUs);
  if (!Number.isFinite(endSecond)) return [];
  return RULES.flatMap((rule) => risenAlert(rule, state.of(rule.source), endSecond));
}

function risenAlert(rule: Rule, sources: SourceState[], endSecond: number): Alert[] {
  // Rows of other sources may be a moment behind the time axis.
  const newest = [endSecond, endSecond - 1].find((second) =>
    Number.isFinite(rule.value(sources, second)),
  );
  if (newest === undefined) return [];
  let seconds = 0;
  while (seconds < HISTORY_SECONDS && rule.holds(rule.value(sources, newest - seconds))) seconds++;
  if (seconds < rule.forSeconds) return [];
  const since = seconds === HISTORY_SECONDS ? 'always' : String(newest - seconds + 1);
  return [
    {
      id: `${rule.name}@${since}`,
      text: `${rule.text(rule.value(sources, newest))} for ${clockText(seconds)}`,
    },
  ];
}
