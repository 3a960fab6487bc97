// What a panel may look at while it is drawn: the state, the person's choices, the time and the sizes.
// Plus the few questions that several panels ask of the state.

import { isFresh, type LabState } from '#tui/model/lab-state.ts';
import { ABSENT } from '#tui/model/second-ring.ts';
import type { SourceState } from '#tui/model/source-state.ts';
import type { Theme } from '#tui/view/theme.ts';
import { SECONDS_PER_DOT, type ViewState } from '#tui/view/view-state.ts';

const ABOUT_TO_SEND_S = 2;

/** The moment a frame shows. */
export interface Moment {
  /** Monotonic time of the data that is shown, us; stands still while frozen. */
  nowUs: number;
  /** Wall time, ms. */
  wallMs: number;
  /** CPU time that this process used over the last second, percent of one core. */
  selfPercent: number;
}

export interface Scene {
  state: LabState;
  view: ViewState;
  theme: Theme;
  moment: Moment;
  /** The newest second on every time axis. */
  endSecond: number;
  secondsPerDot: number;
  /** The collector whose host is shown; undefined when none talks. */
  host: SourceState | undefined;
  servers: SourceState[];
  loads: SourceState[];
  tees: SourceState[];
}

export function sceneOf(state: LabState, view: ViewState, theme: Theme, moment: Moment): Scene {
  const hosts = state.of('host');
  const host = hosts[view.host % Math.max(1, hosts.length)];
  return {
    state,
    view,
    theme,
    moment,
    endSecond:
      host !== undefined && isFresh(host, moment.nowUs)
        ? host.lastSecond
        : state.endSecond(moment.nowUs),
    secondsPerDot: SECONDS_PER_DOT[view.zoom] ?? 1,
    host,
    servers: state.of('server'),
    loads: state.of('load'),
    tees: state.of('tee'),
  };
}

export function isFreshIn(scene: Scene, source: SourceState): boolean {
  return isFresh(source, scene.moment.nowUs);
}

/**
 * The sum over sources in one second; absent when no source has a value, and while one of them is about
 * to send it: half a sum looks like a collapse.
 */
export function sumAt(sources: SourceState[], name: string, second: number): number {
  for (const { lastSecond } of sources) {
    if (lastSecond < second && lastSecond >= second - ABOUT_TO_SEND_S) return ABSENT;
  }
  return reduce(
    sources,
    (source) => source.at(name, second),
    (a, b) => a + b,
  );
}

/** The largest over sources in one second: latencies are never added or averaged. */
export function maxAt(sources: SourceState[], name: string, second: number): number {
  return reduce(sources, (source) => source.at(name, second), Math.max);
}

/** The sum of the last values (totals of counters). */
export function sumLast(sources: SourceState[], name: string): number {
  return reduce(
    sources,
    (source) => source.last(name),
    (a, b) => a + b,
  );
}

/** Mean rise per second of a gauge over the `seconds` that end at `second`; absent without both ends. */
export function slopeAt(
  sources: SourceState[],
  name: string,
  second: number,
  seconds: number,
): number {
  return (sumAt(sources, name, second) - sumAt(sources, name, second - seconds)) / seconds;
}

/** The first of `names` that the source measures. */
export function firstKnown(
  source: SourceState | undefined,
  names: readonly string[],
): string | undefined {
  return names.find((name) => source?.metrics.has(name) === true);
}

function reduce(
  sources: SourceState[],
  measure: (source: SourceState) => number,
  join: (a: number, b: number) => number,
): number {
  let joined = ABSENT;
  for (const source of sources) {
    const value = measure(source);
    if (Number.isFinite(value)) joined = Number.isFinite(joined) ? join(joined, value) : value;
  }
  return joined;
}
