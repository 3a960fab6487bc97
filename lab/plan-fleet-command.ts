// `wsar plan-fleet RUN`: how many hosts hold a population, from what one host was measured to need.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { parseCountList, parseFactor, parseSizeBytes } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { findLadder } from '#lab/compare/find-run.ts';
import { assumptionOptions, readAssumptions } from '#lab/fleet/assumption.ts';
import { costsOf, type GivenCosts } from '#lab/fleet/fleet-costs.ts';
import { planFleet } from '#lab/fleet/fleet-plan.ts';
import { type FleetPlan, fleetJson, fleetText, LIMIT_WORDS } from '#lab/fleet/fleet-text.ts';

const FLEETS_DEFAULT = [10e6, 100e6, 1000e6];
const FLEETS_MAX = 8;
const CONNECTIONS_MAX = 1e12;

export const command: CommandSpec = {
  name: 'plan-fleet',
  summary: 'compute from a recorded ladder how many hosts a population needs',
  args: [{ name: '<run>', help: 'ladder: its folder, record.json, id or the beginning of its id' }],
  options: [
    {
      flags: '--connections <list>',
      help: 'populations to plan for, connections at the same time (10M,100M,1B)',
      parse: parseCountList(FLEETS_MAX, CONNECTIONS_MAX),
    },
    {
      flags: '--connections-max <n>',
      help: 'no host is planned beyond this (what the run held)',
      parse: (text) => parseCountList(1, CONNECTIONS_MAX)(text)[0],
    },
    {
      flags: '--server-bytes <size>',
      help: "server's memory of a connection (measured)",
      parse: parseSizeBytes,
    },
    {
      flags: '--kernel-bytes <size>',
      help: "kernel's memory of a connection (measured)",
      parse: parseSizeBytes,
    },
    { flags: '--login-us <us>', help: 'CPU of a login (measured)', parse: parseFactor },
    { flags: '--message-us <us>', help: 'CPU of a delivery (measured)', parse: parseFactor },
    {
      flags: '--message-packets <factor>',
      help: 'TCP segments of a delivery, both ways (measured)',
      parse: parseFactor,
    },
    ...assumptionOptions(),
    { flags: '--json', help: 'one object' },
  ],
  examples: [
    'wsar plan-fleet 20261129-1434',
    'wsar plan-fleet ./result --connections 500M --memory 256GB --cores 64 --failure 20%',
  ],
  run,
};

async function run({ args, options, out }: CommandContext): Promise<ExitCode> {
  const record = findLadder(args[0]!);
  const { costs, stated, notes } = costsOf(record, options as GivenCosts);
  const { values, stated: assumptions } = readAssumptions(options);
  const populations = (options['connections'] as number[] | undefined) ?? FLEETS_DEFAULT;
  const fleets = populations.map((connections) => planFleet(connections, costs, values));
  const impossible = fleets.find(({ hosts }) => !Number.isFinite(hosts));
  if (impossible !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `with these assumptions a host holds no connection, limited by ${LIMIT_WORDS[impossible.limitedBy]}`,
      'look at the options of that limit: wsar help plan-fleet',
    );
  }
  const plan: FleetPlan = { runId: record.runId, fleets, costs: stated, assumptions, notes };
  out(options['json'] === true ? `${JSON.stringify(fleetJson(plan))}\n` : fleetText(plan));
  return EXIT.ok;
}
