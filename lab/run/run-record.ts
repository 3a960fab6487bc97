// Makes the record of a run from what it knows at its end.

import { EMPTY_SERIES, RECORD_SCHEMA, type RunRecord } from '#dashboards/report/run-record.ts';
import type { RunState } from '#lab/run/run-state.ts';
import { conclude } from '#lab/statistics/conclude.ts';

export function recordOf(state: RunState): RunRecord {
  const { source, preflight, recorder, clock, cut, counts, coverage, blocks } = state;
  const { experiment, file } = source;
  const { design, knob, metrics } = experiment;
  const conclusion = conclude({ experiment, blocks, objections: objectionsOf(state) });
  return {
    schema: RECORD_SCHEMA,
    runId: state.runId,
    name: experiment.name,
    question: experiment.question,
    startedWallMs: state.startedWallMs,
    endedWallMs: clock.wallMs(),
    command: `wsar run ${file}`,
    experiment,
    workload: preflight.sizing.workload,
    turned: knob,
    design: {
      type: design.type,
      pairs: design.pairs,
      washoutMs: design.washoutMs,
      measureMs: design.measureMs,
      alpha: metrics.alpha,
    },
    sizing: preflight.sizing.sentences,
    leftOut: state.leftOut,
    host: { ...state.host },
    knobs: Object.fromEntries(recorder?.knobs ?? []),
    spinUs: state.spins.usualUs,
    counts,
    blocks,
    ...conclusion,
    coverage,
    cut: cut === null ? null : { cause: cut.cause, sentence: sentenceOf(cut.sentence) },
    series: recorder?.series() ?? EMPTY_SERIES,
    events: (recorder?.events ?? []).map(({ wallMs, kind, text }) => ({ wallMs, kind, text })),
  };
}

/** Why the run may not be judged, whatever its blocks say. */
function objectionsOf({ cut, counts, coverage }: RunState): string[] {
  const objections: string[] = [];
  // A run that ended because its time was over was not ended by looking at its result.
  if (cut !== null && cut.cause !== 'time') objections.push(cut.sentence);
  if (counts !== null && !counts.agree) objections.push(`counts disagree: ${counts.sentence}`);
  if (coverage !== null && !coverage.isOk && cut === null) objections.push(coverage.sentence);
  return objections;
}

function sentenceOf(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
