// Runs `wsar collect --json` with plug-ins and says how its ticks did.

import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Row } from '#core/metric/row.ts';
import { type RunningCommand, startWsar } from '#test/command.ts';

export interface Collected {
  rows: Row[];
  /** Texts of the events. */
  events: string[];
  missedTicks: number;
  /** Median and highest lateness of a tick, ms. */
  lateMsP50: number;
  lateMsMax: number;
  /** Highest time that the sources of plug-ins took, us. */
  sourceUsMax: number;
  /** The value of a metric in the last row that has one. */
  last(metric: string): number | null;
  command: RunningCommand;
}

/** A file beside this one, or an example. */
export const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
export const example = (name: string): string => join(file('../../../docs/examples/plugins'), name);

/** Twenty seconds; a run that has not seen by then what it waits for ends, and its test says what is missing. */
const ROWS_MAX = 100;

type Seen = Pick<Collected, 'rows' | 'events'>;

/** Collects five rows a second until `isEnough` says so. */
export async function collectWith(
  t: TestContext,
  plugins: string[],
  isEnough: (seen: Seen) => boolean,
): Promise<Collected> {
  const command = startWsar(t, ['collect', '0.2', String(ROWS_MAX), '--json', ...plugins]);
  const seen: Seen = { rows: [], events: [] };
  const lines = createInterface({ input: command.child.stdout! });
  lines.on('line', (line) => {
    const { text, ...row } = JSON.parse(line) as Row & { text?: string };
    if (text !== undefined) seen.events.push(text);
    else if (row.values !== undefined) seen.rows.push(row);
    if (isEnough(seen)) command.child.kill('SIGINT');
  });
  await command.exit();
  return { ...summaryOf(command.stdout()), command };
}

export function summaryOf(stdout: string): Omit<Collected, 'command'> {
  const lines = stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row & { text?: string });
  const rows = lines.filter(({ values }) => values !== undefined);
  const values = (name: string): number[] =>
    rows.map((row) => row.values[name]).filter((value) => typeof value === 'number');
  const late = values('wsar.collector.tick.lateness_us').sort((a, b) => a - b);
  const names = Object.keys(rows.at(-1)?.values ?? {}).filter((name) =>
    name.startsWith('wsar.collector.source_us{source=plugin'),
  );
  return {
    rows,
    events: lines.flatMap(({ text }) => (text === undefined ? [] : [text])),
    missedTicks: rows.reduce((sum, { missedTicks }) => sum + missedTicks, 0),
    lateMsP50: (late[late.length >> 1] ?? Number.NaN) / 1000,
    lateMsMax: (late.at(-1) ?? Number.NaN) / 1000,
    sourceUsMax: Math.max(0, ...names.flatMap(values)),
    last: (name) =>
      rows.findLast((row) => typeof row.values[name] === 'number')?.values[name] ?? null,
  };
}
