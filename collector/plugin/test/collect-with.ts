// Runs `wsar collect --json` with plug-ins and says how its ticks did.

import { join } from 'node:path';
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
  exitCode: number;
}

/** A file beside this one, or an example. */
export const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
export const example = (name: string): string => join(file('../../../docs/examples/plugins'), name);

/** Collects so many rows with these plug-ins. */
export async function collectWith(
  t: TestContext,
  plugins: string[],
  rowsMax: number,
  period = '0.2',
): Promise<Collected> {
  const args = ['collect', period, String(rowsMax), '--json', ...plugins];
  const command = startWsar(t, args);
  const exitCode = await command.exit();
  return { ...summaryOf(command.stdout()), command, exitCode };
}

export function summaryOf(stdout: string): Omit<Collected, 'command' | 'exitCode'> {
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
