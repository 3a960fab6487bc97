// `wsar gate BASE HEAD`: the comparison of two runs as an exit code, for CI. Something that is worse fails;
// so does a comparison that cannot be made. No data is never a pass.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { changeText } from '#dashboards/report/number-text.ts';
import { type Comparison, compareRuns } from '#lab/compare/compare-runs.ts';
import { comparisonJson, comparisonText } from '#lab/compare/comparison-text.ts';
import { findRun } from '#lab/compare/find-run.ts';

export const command: CommandSpec = {
  name: 'gate',
  summary: 'turn the comparison of two runs into an exit code',
  args: [
    { name: '<base>', help: 'run to compare with: its folder, its id or the beginning of its id' },
    { name: '<head>', help: 'run that is judged' },
  ],
  options: [{ flags: '--json', help: 'one object' }],
  examples: ['wsar gate ./main ./branch || echo "exit $?"'],
  run,
};

export interface Gate {
  exitCode: ExitCode;
  sentence: string;
}

async function run({ args, options, out }: CommandContext): Promise<ExitCode> {
  const comparison = compareRuns(findRun(args[0]!), findRun(args[1]!));
  const gate = judgeGate(comparison);
  if (options['json'] === true) {
    const { exitCode, sentence } = gate;
    const line = { ...comparisonJson(comparison), kind: 'gate', sentence, exit_code: exitCode };
    out(`${JSON.stringify(line)}\n`);
  } else out(`${comparisonText(comparison)}${gate.sentence}\n`);
  return gate.exitCode;
}

/** 11 when anything is worse, 13 when it is void, 12 when the primary metric cannot tell, else 0. */
export function judgeGate({ objections, metrics }: Comparison): Gate {
  if (objections.length > 0) {
    return { exitCode: EXIT.invalidRun, sentence: `invalid: ${objections.join('; ')}` };
  }
  const worse = metrics.filter(({ estimate }) => estimate?.judgement === 'worse');
  if (worse.length > 0) {
    const told = worse.map(({ name, estimate }) => `${name} ${changeText(estimate!.ratio)}`);
    return { exitCode: EXIT.regression, sentence: `regression: ${told.join(', ')}` };
  }
  const primary = metrics.find(({ role }) => role === 'primary');
  if (primary?.estimate == null) {
    return { exitCode: EXIT.invalidRun, sentence: 'invalid: the primary metric has no values' };
  }
  const { judgement, reason, ratio } = primary.estimate;
  const told = `${primary.name} ${changeText(ratio)}, ${reason}`;
  if (judgement === 'inconclusive') {
    return { exitCode: EXIT.inconclusive, sentence: `inconclusive: ${told}` };
  }
  return { exitCode: EXIT.ok, sentence: `pass: ${judgement}, ${told}` };
}
