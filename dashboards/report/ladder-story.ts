// What one setting did at the knee: the steps of a comparison, A B B A, as one row for each figure that matters. A
// step is a process of its own for server and clients, so what differs from process to process is in the spread.

import type { FigureTable } from '#dashboards/report/ladder-figures.ts';
import type { LadderRecord, LadderStep } from '#dashboards/report/ladder-record.ts';
import { changeText, numberText } from '#dashboards/report/number-text.ts';

/** The figures that are compared, with what is better. */
const FIGURES: { title: string; better: 'lower' | 'higher'; of: (step: LadderStep) => Value }[] = [
  { title: 'logins/s', better: 'higher', of: (step) => step.loginsPerS },
  { title: 'server us/login', better: 'lower', of: (step) => step.serverCpuUsPerLogin },
  { title: 'server us/message', better: 'lower', of: (step) => step.serverCpuUsPerMessage },
  { title: 'p99, us', better: 'lower', of: (step) => step.latencyUs.p99 },
  { title: 'packets/s', better: 'lower', of: (step) => step.packetsPerS },
  { title: 'kernel B/user', better: 'lower', of: (step) => step.kernelBytesPerUser },
];
type Value = number | null;

/** Null when the ladder compared nothing, or did not get there. */
export function storyTable(
  record: Pick<LadderRecord, 'comparisons' | 'steps'>,
): FigureTable | null {
  const rows = record.comparisons.flatMap(({ phase, against }) => {
    const four = stepsOf(record.steps, phase, against);
    return four === undefined ? [] : FIGURES.map((figure) => rowOf(phase, against, four, figure));
  });
  if (rows.length === 0) return null;
  return {
    title: 'One setting at a time, at the knee',
    note:
      'Before, after, after, before: four steps in a row with the same users, and nothing but the setting between ' +
      'them. Change: mean of the two after by mean of the two before. Clear: both of one lie on the same side of ' +
      'both of the other; two pairs can show no more than that.',
    columns: ['setting', 'compared with', 'users', 'figure', 'before', 'after', 'change', 'clear'],
    rows,
  };
}

function rowOf(
  phase: string,
  against: string,
  four: readonly LadderStep[],
  { title, better, of }: (typeof FIGURES)[number],
): string[] {
  const [a1, b1, b2, a2] = four.map(of) as [Value, Value, Value, Value];
  const place = [phase, against, numberText(four[0]!.connections), title];
  const both = (one: Value, other: Value): string => `${shown(one)}, ${shown(other)}`;
  const told = [...place, both(a1, a2), both(b1, b2)];
  if (a1 === null || a2 === null || b1 === null || b2 === null || a1 + a2 === 0) {
    return [...told, '-', '-'];
  }
  const isAbove = Math.min(b1, b2) > Math.max(a1, a2);
  const isBelow = Math.max(b1, b2) < Math.min(a1, a2);
  const isBetter = better === 'higher' ? isAbove : isBelow;
  const clear = !isAbove && !isBelow ? 'no' : isBetter ? 'better' : 'worse';
  return [...told, changeText((b1 + b2) / (a1 + a2)), clear];
}

/** The four steps in a row that are the comparison; undefined when it was not made whole. */
function stepsOf(
  steps: readonly LadderStep[],
  phase: string,
  against: string,
): readonly LadderStep[] | undefined {
  const order = [against, phase, phase, against];
  for (let first = 0; first + order.length <= steps.length; first++) {
    const four = steps.slice(first, first + order.length);
    const isIt = four.every(
      (step, index) => step.phase === order[index] && step.connections === four[0]!.connections,
    );
    if (isIt) return four;
  }
  return undefined;
}

function shown(value: Value): string {
  return numberText(value === null ? null : Number(value.toPrecision(3)));
}
