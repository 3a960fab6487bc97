// What each setting did at the knee, as a table for the page and as lines for a terminal: before, after, ratio,
// interval, verdict and number of blocks.

import type { FigureTable } from '#dashboards/report/ladder-figures.ts';
import type {
  LadderComparison,
  LadderRecord,
  SettingFinding,
} from '#dashboards/report/ladder-record.ts';
import { changeText, numberText } from '#dashboards/report/number-text.ts';

/** Null when the ladder compared nothing. */
export function storyTable({ comparisons }: Pick<LadderRecord, 'comparisons'>): FigureTable | null {
  if (comparisons.length === 0) return null;
  return {
    title: 'One setting at a time, at the knee',
    note:
      'Before, after, after, before: steps in a row with the same users, and nothing but the setting between them. ' +
      'A block is a step, with processes of its own. Before and after: geometric means; ratio: after by before, ' +
      'with its 98 % interval (by how much equal blocks of all comparisons differ: docs/internals/statistics.md). ' +
      'Better, worse: the interval leaves out 1, and the ratio lies beyond 3 % (p99: 10 %); equivalent: the whole ' +
      'interval lies within. Of a hundred figures that nothing changed, two may look so. A step that lost somebody, ' +
      'ran out of memory or had a late generator is no block.',
    columns: [
      ...['setting', 'compared with', 'users', 'figure', 'before', 'after'],
      ...['ratio', 'interval', 'verdict', 'blocks'],
    ],
    rows: comparisons.flatMap((comparison) =>
      comparison.findings.map((finding) => rowOf(comparison, finding)),
    ),
  };
}

/** One line for each setting: what was clear. */
export function storyLines({ comparisons }: Pick<LadderRecord, 'comparisons'>): string[] {
  return comparisons.map(({ phase, against, users, findings }) => {
    const steps = findings.reduce((most, { blocks: [a, b] }) => Math.max(most, a + b), 0);
    const place = `${phase} against ${against}, ${numberText(users)} users, ${steps} blocks: `;
    const clear = findings.filter(({ verdict }) => verdict === 'better' || verdict === 'worse');
    if (clear.length > 0) return place + clear.map(clearText).join('; ');
    const isTold = findings.some(({ verdict }) => verdict !== 'invalid');
    return place + (isTold ? 'no clear change' : steps === 0 ? 'not compared' : 'too few to tell');
  });
}

/** 'p99, us 900 -> 300, -67 % (-71 % to -62 %), better'. */
function clearText({ figure, before, after, ratio, low, high, verdict }: SettingFinding): string {
  const change = `${changeText(ratio!)} (${changeText(low!)} to ${changeText(high!)})`;
  return `${figure} ${shown(before)} -> ${shown(after)}, ${change}, ${verdict}`;
}

function rowOf(
  { phase, against, users }: LadderComparison,
  { figure, before, after, ratio, low, high, verdict, blocks }: SettingFinding,
): string[] {
  return [
    ...[phase, against, numberText(users), figure, shown(before), shown(after)],
    ratio === null ? '-' : ratio.toFixed(3),
    low === null || high === null ? '-' : `${low.toFixed(3)} .. ${high.toFixed(3)}`,
    verdict,
    `${blocks[0]} + ${blocks[1]}`,
  ];
}

function shown(value: number | null): string {
  return numberText(value === null ? null : Number(value.toPrecision(3)));
}
