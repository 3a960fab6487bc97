// A part of a recording's time, as people write it: a whole date and time, or a time of day, which is that of
// the first day recorded (UTC, as rows are labelled).

import { WsarError } from '#core/errors.ts';

export interface TimeRange {
  includes(wallMs: number): boolean;
}

/** A moment, or a time of day in ms. */
export type AskedTime = { wallMs: number } | { dayMs: number };

const DAY_MS = 86_400_000;

/** `2026-11-23T10:00:00Z`, `2026-11-23 10:00` (UTC) or `10:00[:00]`. */
export function parseTimeOf(text: string): AskedTime {
  const day = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text);
  if (day !== null) {
    const [hours, minutes, seconds] = day.slice(1).map((part) => Number(part ?? 0));
    if (hours! < 24 && minutes! < 60 && seconds! < 60) {
      return { dayMs: ((hours! * 60 + minutes!) * 60 + seconds!) * 1000 };
    }
  } else if (/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?Z?$/.test(text)) {
    const wallMs = Date.parse(
      `${text.replace(' ', 'T').replace(/Z$/, '')}${isDate(text) ? '' : 'Z'}`,
    );
    if (!Number.isNaN(wallMs)) return { wallMs };
  }
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `'${text}' is no time`,
    'write 2026-11-23T10:00:00Z, or 10:00 for the first day of the recording (UTC)',
  );
}

/**
 * The range from one time to another, both included; undefined leaves it open.
 * @throws WsarError WSAR_ERR_USAGE for one that ends before it begins.
 */
export function timeRange(from: unknown, to: unknown): TimeRange {
  if (isReversed(from as AskedTime | undefined, to as AskedTime | undefined)) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      '--from is later than --to',
      'exchange them, or give dates',
    );
  }
  let firstDayMs: number | undefined;
  const momentOf = (asked: AskedTime): number =>
    'wallMs' in asked ? asked.wallMs : firstDayMs! + asked.dayMs;
  return {
    includes(wallMs) {
      firstDayMs ??= Math.floor(wallMs / DAY_MS) * DAY_MS;
      if (from !== undefined && wallMs < momentOf(from as AskedTime)) return false;
      return to === undefined || wallMs <= momentOf(to as AskedTime);
    },
  };
}

/** A time of day and a moment cannot be compared before the first day is known. */
function isReversed(from: AskedTime | undefined, to: AskedTime | undefined): boolean {
  if (from === undefined || to === undefined) return false;
  if ('wallMs' in from) return 'wallMs' in to && from.wallMs > to.wallMs;
  return 'dayMs' in to && from.dayMs > to.dayMs;
}

function isDate(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}Z?$/.test(text);
}
