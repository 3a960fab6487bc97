// `wsar load`: logs in a population of users and lets them talk. The options are in load-option-list.ts, how they fit
// together in read-options.ts, and what happens then in load-session.ts.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import type { ExitCode } from '#core/cli/exit-code.ts';
import { LOAD_OPTIONS } from '#loadgen/load-option-list.ts';
import { runSession } from '#loadgen/load-session.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { fillIn, usualScenario } from '#loadgen/scenario/fill-in.ts';
import { loadScenario, scenarioText } from '#loadgen/scenario/scenario.ts';

export const command: CommandSpec = {
  name: 'load',
  summary: 'log in a population of users and let them talk',
  options: LOAD_OPTIONS,
  examples: [
    'wsar load --target mqtt://127.0.0.1:1883 --connections 20000 --rate 5000/s --duration 30s',
    'wsar load --target mqtt://127.0.0.1:1883 --connections 100000 --duration 5m --ramp 5000/s --json',
  ],
  run,
};

async function run(context: CommandContext): Promise<ExitCode> {
  const { options } = context;
  const name = (options['scenario'] as string | undefined) ?? usualScenario(options);
  if (name === undefined) return await runSession(context, readOptions(options));
  const scenario = await loadScenario(name);
  const filled = fillIn({ ...options, scenario: name }, scenario);
  const words = scenarioText(scenario);
  return await runSession({ ...context, options: filled }, readOptions(filled), words);
}
