// What each setting did at the knee: the steps before and after of every comparison, figure by figure. A step is a
// block: a server, a population and a hold of their own. A step that lost somebody, that the guard ended, or whose
// generator was late measured something else than the server, and is left out. Pure.

import type {
  LadderComparison,
  LadderStep,
  SettingFinding,
} from '#dashboards/report/ladder-record.ts';
import type { LadderStop } from '#lab/ladder/ladder.ts';
import { type FewBlocks, judgeFewBlocks } from '#lab/statistics/few-blocks.ts';

/** A comparison and its steps, by their place in the record. */
export type ComparedSteps = Pick<LadderComparison, 'phase' | 'against' | 'before' | 'after'>;

type Figure = Pick<SettingFinding, 'figure' | 'better'> & {
  /** A change that does not matter, ratio. */
  margin: number;
  of: (step: LadderStep) => number | null;
};

const FIGURES: readonly Figure[] = [
  { figure: 'logins/s', better: 'higher', margin: 0.03, of: (step) => step.loginsPerS },
  {
    ...{ figure: 'server us/login', better: 'lower', margin: 0.03 },
    of: (step) => step.serverCpuUsPerLogin,
  },
  {
    ...{ figure: 'server us/message', better: 'lower', margin: 0.03 },
    of: (step) => step.serverCpuUsPerMessage,
  },
  { figure: 'p99, us', better: 'lower', margin: 0.1, of: (step) => step.latencyUs.p99 },
  { figure: 'packets/s', better: 'lower', margin: 0.03, of: (step) => step.packetsPerS },
  { figure: 'kernel B/user', better: 'lower', margin: 0.03, of: (step) => step.kernelBytesPerUser },
];

export function compareSettings(
  compared: readonly ComparedSteps[],
  steps: readonly LadderStep[],
  stop: Pick<LadderStop, 'latenessP99MsMax'>,
): LadderComparison[] {
  const fit = (places: readonly number[]): LadderStep[] =>
    places.map((place) => steps[place]!).filter((step) => isFit(step, stop));
  const blocks = compared.map(({ before, after }) => ({ before: fit(before), after: fit(after) }));
  const findings = FIGURES.map((figure) => judgeFigure(figure, blocks));
  return compared.map((comparison, index) => {
    const [first] = [...comparison.before, ...comparison.after];
    return {
      ...comparison,
      users: first === undefined ? null : steps[first]!.connections,
      findings: findings.map((found) => found[index]!),
    };
  });
}

/** One figure in every comparison: they share the spread of equal blocks. */
function judgeFigure(
  { figure, better, margin, of }: Figure,
  blocks: readonly { before: readonly LadderStep[]; after: readonly LadderStep[] }[],
): SettingFinding[] {
  const values = (steps: readonly LadderStep[]): number[] =>
    steps.map(of).filter((value) => value !== null && value > 0) as number[];
  const comparisons = blocks.map(
    ({ before, after }): FewBlocks => ({ before: values(before), after: values(after) }),
  );
  return judgeFewBlocks(comparisons, { margin, better }).map((result, index) => {
    const { before, after } = comparisons[index]!;
    return { figure, better, ...result, blocks: [before.length, after.length] };
  });
}

function isFit(step: LadderStep, { latenessP99MsMax }: Pick<LadderStop, 'latenessP99MsMax'>) {
  const isLate = (step.latenessUsP99 ?? 0) > latenessP99MsMax * 1000;
  return step.outcome !== 'failed' && step.holdS > 0 && !isLate;
}
