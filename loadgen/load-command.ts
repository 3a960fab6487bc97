// `wsar load`: logs in a population of users and lets them talk. The options are in load-option-list.ts, how they fit
// together in read-options.ts, and what happens then in load-session.ts.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import type { ExitCode } from '#core/cli/exit-code.ts';
import { LOAD_OPTIONS } from '#loadgen/load-option-list.ts';
import { runSession } from '#loadgen/load-session.ts';
import { readOptions, required } from '#loadgen/read-options.ts';
import { loadScenario, type Scenario, scenarioText } from '#loadgen/scenario/scenario.ts';
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN } from '#loadgen/user-packets.ts';

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
  const name = options['scenario'] as string | undefined;
  if (name === undefined) return await runSession(context, readOptions(options));
  const scenario = await loadScenario(name);
  const filled = fillIn(options, scenario);
  context.talk(scenarioText(scenario));
  return await runSession({ ...context, options: filled }, readOptions(filled));
}

/** What the command line says, and where it says nothing, the scenario. */
function fillIn(given: Record<string, unknown>, scenario: Scenario): Record<string, unknown> {
  const users = required<number>(given, 'connections', '--connections 1000');
  const hasRate = given['stages'] !== undefined || given['findMax'] !== undefined;
  return {
    arrivals: { process: scenario.arrivals },
    payload: Math.max(PAYLOAD_BYTES_MIN, Math.min(PAYLOAD_BYTES_MAX, scenario.payloadBytes)),
    keepalive: scenario.keepAliveMs,
    ...(scenario.mediaRatio === undefined ? {} : { media: scenario.mediaRatio }),
    ...(scenario.sessionMs === undefined ? {} : { sessionLength: scenario.sessionMs }),
    ...(hasRate ? {} : { rate: scenario.messagesPerUserPerS * users }),
    ...given,
  };
}
