// Arrivals from a file: one time a line, seconds, rising (`#` begins a comment). The gaps of the file are
// kept as multiples of their mean, so that --rate can play a trace faster or slower; without it the trace
// has its own speed. A trace that is shorter than the run begins again.

import { readFileSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';

/** 80 MB of gaps. */
const ARRIVALS_MAX = 10_000_000;

export interface ArrivalTrace {
  /** Gap before each message, in mean gaps; shared by all workers. */
  gaps: Float64Array<SharedArrayBuffer>;
  /** Messages per second of the trace itself. */
  ratePerS: number;
}

/** Throws WSAR_ERR_FILE. */
export function readTrace(file: string): ArrivalTrace {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw refused(`the trace ${file} cannot be read: ${(error as Error).message}`, error);
  }
  return parseTrace(text, file);
}

/** The same from the text; `file` is for messages. */
export function parseTrace(text: string, file: string): ArrivalTrace {
  const times: number[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const word = line.replace(/#.*/, '').trim();
    if (word === '') continue;
    const s = Number(word);
    if (!Number.isFinite(s) || s < (times.at(-1) ?? 0)) {
      throw refused(`${file}:${index + 1}: '${word}' is no time that follows the one before it`);
    }
    times.push(s);
    if (times.length > ARRIVALS_MAX) throw refused(`${file} has more than ${ARRIVALS_MAX} times`);
  }
  const lastS = times.at(-1) ?? 0;
  if (lastS <= 0) throw refused(`${file} has no time above 0`);
  const gaps = new Float64Array(new SharedArrayBuffer(times.length * 8));
  const meanS = lastS / times.length;
  for (let i = 0; i < times.length; i++) gaps[i] = (times[i]! - (times[i - 1] ?? 0)) / meanS;
  return { gaps, ratePerS: 1 / meanS };
}

function refused(message: string, cause?: unknown): WsarError {
  return new WsarError('WSAR_ERR_FILE', message, 'one time a line, in seconds, rising', cause);
}
