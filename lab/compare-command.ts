// `wsar compare RUN RUN`: the recorded figures of two runs side by side. It only tells; `wsar gate` decides.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { compareRuns } from '#lab/compare/compare-runs.ts';
import { comparisonJson, comparisonText } from '#lab/compare/comparison-text.ts';
import { findRun } from '#lab/compare/find-run.ts';

export const command: CommandSpec = {
  name: 'compare',
  summary: 'compare the recorded figures of two runs',
  args: [
    { name: '<base>', help: 'run to compare with: its folder, its id or the beginning of its id' },
    { name: '<head>', help: 'run that is compared' },
  ],
  options: [{ flags: '--json', help: 'one object' }],
  examples: ['wsar compare 20261123-0915 20261123-1002', 'wsar compare ./before ./after --json'],
  run,
};

async function run({ args, options, out }: CommandContext): Promise<ExitCode> {
  const comparison = compareRuns(findRun(args[0]!), findRun(args[1]!));
  const isJson = options['json'] === true;
  out(isJson ? `${JSON.stringify(comparisonJson(comparison))}\n` : comparisonText(comparison));
  return EXIT.ok;
}
