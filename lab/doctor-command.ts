// `wsar doctor`: what this host can do, what it lacks for a run of so many connections, and why. People
// run it first; it changes nothing.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { parseCount } from '#core/cli/quantity.ts';
import { readDoctorFacts } from '#lab/doctor/doctor-facts.ts';
import { examine, type Finding } from '#lab/doctor/findings.ts';

export const command: CommandSpec = {
  name: 'doctor',
  summary: 'say what this host can do and what it lacks',
  options: [
    {
      flags: '--connections <n>',
      help: 'connections that you want to run, both ends on this host',
      parse: parseCount(1, 16_000_000),
      default: 2000,
    },
    { flags: '--json', help: 'one object a finding, a summary as the last line' },
  ],
  examples: ['wsar doctor', 'wsar doctor --connections 2000000', 'wsar doctor --json'],
  run,
};

const MARK: Record<Finding['state'], string> = { ok: 'ok', note: 'note', lacks: 'LACKS' };

async function run({ options, out }: CommandContext): Promise<ExitCode> {
  const connections = options['connections'] as number;
  const findings = examine(await readDoctorFacts(), connections);
  const lacking = findings.filter(({ state }) => state === 'lacks').map(({ name }) => name);
  if (options['json'] === true) {
    const lines = findings.map((finding) => ({ kind: 'finding', ...finding }));
    const summary = { kind: 'summary', connections, can_run: lacking.length === 0, lacking };
    out([...lines, summary].map((line) => `${JSON.stringify(line)}\n`).join(''));
  } else out(`${findingsText(findings)}\n${summaryText(connections, lacking)}\n`);
  return lacking.length === 0 ? EXIT.ok : EXIT.hostCannot;
}

function findingsText(findings: readonly Finding[]): string {
  const width = (pick: (finding: Finding) => string): number =>
    Math.max(...findings.map((finding) => pick(finding).length));
  const nameWidth = width(({ name }) => name);
  const valueWidth = Math.min(
    28,
    width(({ value }) => value),
  );
  return findings
    .map(({ name, value, state, text }) =>
      `${MARK[state].padEnd(5)}  ${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${text}`.trimEnd(),
    )
    .concat('')
    .join('\n');
}

function summaryText(connections: number, lacking: readonly string[]): string {
  const what = `${connections.toLocaleString('en-US')} connections, both ends on this host`;
  return lacking.length === 0 ? `can run ${what}` : `cannot run ${what}: ${lacking.join(', ')}`;
}
