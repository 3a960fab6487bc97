// A fleet plan as tables for a person, and as one object for a program.

import { numberText } from '#dashboards/report/number-text.ts';
import type { Stated } from '#lab/fleet/assumption.ts';
import type { Fleet, LimitName } from '#lab/fleet/fleet-plan.ts';

export interface FleetPlan {
  runId: string;
  fleets: Fleet[];
  costs: Stated[];
  assumptions: Stated[];
  notes: string[];
}

export const LIMIT_WORDS: Record<LimitName, string> = {
  proven: 'proven by the run',
  memory: 'memory',
  cpu: 'CPU',
  loginStorm: 'logins after a loss',
  packets: 'packets',
  bandwidth: 'bandwidth',
};

export function fleetText({ runId, fleets, costs, assumptions, notes }: FleetPlan): string {
  return [
    `fleet plan from ${runId}`,
    '',
    ...table([
      ['connections', ...fleets.map(({ connections }) => numberText(connections))],
      ...ROWS.map(([label, value]) => [label, ...fleets.map(value)]),
    ]),
    '',
    'connections one host could have, by what limits it:',
    ...table(
      (Object.keys(LIMIT_WORDS) as LimitName[]).map((name) => [
        LIMIT_WORDS[name],
        ...fleets.map(({ limits }) => numberText(Math.floor(limits[name]))),
      ]),
    ),
    '',
    'measured:',
    ...statedLines(costs),
    '',
    'assumed (each is an option):',
    ...statedLines(assumptions),
    '',
    ...notes.map((note) => `note: ${note}`),
    '',
  ].join('\n');
}

export function fleetJson({ runId, fleets, costs, assumptions, notes }: FleetPlan): object {
  const line = ({ name, what, value, source }: Stated): object => ({ name, what, value, source });
  return {
    kind: 'fleet-plan',
    run_id: runId,
    fleets: fleets.map((fleet) => snakeCase(fleet)),
    costs: costs.map(line),
    assumptions: assumptions.map(line),
    notes,
  };
}

const whole = (value: number): string => numberText(Math.round(value));
const percent = (ratio: number): string => `${numberText(ratio * 100)} %`;
const size = (bytes: number): string =>
  bytes < 1024 ** 4
    ? `${numberText(bytes / 1024 ** 3)} GiB`
    : `${numberText(bytes / 1024 ** 4)} TiB`;

const ROWS: [string, (fleet: Fleet) => string][] = [
  ['registered users', (of) => whole(of.registeredUsers)],
  ['hosts', (of) => whole(of.hosts)],
  ['  of them may be lost', (of) => whole(of.spareHosts)],
  ['  limited by', (of) => LIMIT_WORDS[of.limitedBy]],
  ['network interfaces', (of) => whole(of.nics)],
  ['memory of all', (of) => size(of.memoryBytes)],
  ['connections a host', (of) => whole(of.usual.connections)],
  ['  hosts lost', (of) => whole(of.afterLoss.connections)],
  ['memory used, hosts lost', (of) => size(of.afterLoss.memoryBytes)],
  ['CPU', (of) => percent(of.usual.cpuRatio)],
  ['  hosts lost', (of) => percent(of.afterLoss.cpuRatio)],
  ['  their users coming back', (of) => percent(of.stormCpuRatio)],
  ['packets/s a host', (of) => whole(of.usual.packetsPerS)],
  ['Gbit/s a host', (of) => numberText(of.usual.bitsPerS / 1e9)],
  ['messages/s sent', (of) => whole(of.messagesPerS)],
  ['messages/s delivered', (of) => whole(of.deliveriesPerS)],
  ['  to another host', (of) => whole(of.crossHostPerS)],
  ['  between two hosts', (of) => numberText(of.crossHostPerPairPerS)],
  ['logins/s', (of) => whole(of.loginsPerS)],
  ['  more a host, coming back', (of) => whole(of.stormLoginsPerS)],
];

/** First column to the left, figures to the right. */
function table(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
}

function statedLines(stated: Stated[]): string[] {
  const width = (of: (line: Stated) => string): number =>
    Math.max(...stated.map((line) => of(line).length));
  const [nameWidth, textWidth] = [width(({ name }) => name), width(({ text }) => text)];
  return stated.map(
    ({ name, what, text, source }) =>
      `  ${name.padEnd(nameWidth)}  ${text.padStart(textWidth)}  ${what} (${source})`,
  );
}

/** Keys of an object and of those in it, as in all JSON here. */
function snakeCase(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      typeof inner === 'object' && inner !== null ? snakeCase(inner) : inner,
    ]),
  );
}
