// A ladder as text for a manual (Markdown): what was held, on what, by which command, every figure of every step,
// plots, and the published records beside it. Made of one or several records, so that it can be made again. Pure.

import { hostFacts } from '#dashboards/report/host-facts.ts';
import {
  type FigureTable,
  ladderTables,
  loginPace,
  restoredFacts,
} from '#dashboards/report/ladder-figures.ts';
import type { LadderRecord, LadderStep } from '#dashboards/report/ladder-record.ts';
import { numberText, spanText, wallText } from '#dashboards/report/number-text.ts';
import { PUBLISHED_RECORDS } from '#dashboards/report/published-records.ts';

/** Of a fill that goes on, its part up to here is told beside the whole. */
const EARLY_USERS = 1_000_000;
const PLOT_COLUMNS = 96;
const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

export function ladderText(records: readonly LadderRecord[], again: string): string {
  const steps = records.flatMap((record) => record.steps);
  return [
    heading(records, steps, again),
    '## What was held',
    ...records.map(phasesOf),
    '## The machine',
    machineFacts(records[0]!),
    '## The command',
    ...records.map(({ command, runId, startedWallMs, endedWallMs }) =>
      [
        '```',
        command,
        '```',
        '',
        `Run \`${runId}\`, ${wallText(startedWallMs)}, ${spanText(endedWallMs - startedWallMs)}. Server and clients ` +
          "on this one machine, the server's process with one worker a core, the clients' with one thread.",
      ].join('\n'),
    ),
    '## Figures',
    'Clients `ring` have kernel sockets: both ends of every connection are on this machine. Clients `stack` have ' +
      "none: it holds the server's side. A step was held when everybody was logged in for the whole time, nothing " +
      'was lost and no stop rule was broken.',
    ...ladderTables(steps).map(section),
    '## Over time',
    ...records.map(plots),
    '## Beside published records',
    publishedText(steps, records[0]!.host),
    '## The host, before and after',
    ...records.map((record) => factsTable(restoredFacts(record))),
    '',
  ].join('\n\n');
}

function heading(
  records: readonly LadderRecord[],
  steps: readonly LadderStep[],
  again: string,
): string {
  const reached = records.reduce((most, record) => Math.max(most, record.reached), 0);
  const best = steps.findLast(
    ({ connections, outcome }) => outcome === 'held' && connections === reached,
  );
  const sentence =
    best === undefined
      ? 'No step was held.'
      : `${numberText(reached)} users logged in over MQTT and held for ${numberText(best.holdS)} s: ` +
        `${rounded(best.loginsPerS)} logins/s, ${rounded(best.deliveredPerS)} messages/s delivered, p99 ` +
        `${ms(best.latencyUs.p99)} ms, ${numberText(best.messages?.lost ?? null)} lost.`;
  const made = `Made from the record beside it by \`${again}\`; nothing here is written by hand.`;
  return `# Two million, and on\n\n${sentence}\n\n${made}`;
}

function phasesOf({ phases, sentence, steps }: LadderRecord): string {
  const lines = phases.map(({ name, reached, sentence: why }) => {
    const held = steps.filter(({ phase, outcome }) => phase === name && outcome === 'held');
    const pace = held.at(-1);
    const logins = pace === undefined ? '' : paceText(pace);
    return `- **${name === '' ? 'ladder' : name}**: ${numberText(reached)} users; ${why}.${logins}`;
  });
  return [sentence, '', ...lines].join('\n');
}

/** How even the logins were: of the whole step, and where it went beyond, of its first million. */
function paceText({ loginSlices }: LadderStep): string {
  const { slowedBy } = loginPace({ loginSlices });
  if (slowedBy === null) return '';
  const early = loginSlices.filter(({ users }) => users <= EARLY_USERS);
  const first = loginPace({ loginSlices: early });
  const isBeyond = early.length < loginSlices.length && first.slowedBy !== null;
  const million = isBeyond
    ? `; up to ${numberText(EARLY_USERS)} users ${first.slowedBy!.toFixed(2)} times, and none came at less ` +
      `than ${rounded(first.slowestPerS)}/s`
    : '';
  return ` No 100,000 logins took more than ${slowedBy.toFixed(2)} times those before${million}.`;
}

/** Without the name of the host, which is nobody's business. */
function machineFacts({ host }: LadderRecord): string {
  return factsTable(hostFacts(host).filter(([name, value]) => name !== 'name' && value !== '-'));
}

function section({ title, note, columns, rows }: FigureTable): string {
  return `### ${title}\n\n${note}\n\n${markdownTable(columns, rows)}`;
}

function factsTable(rows: readonly (readonly [string, string])[]): string {
  return markdownTable(
    ['what', 'value'],
    rows.map((row) => [...row]),
  );
}

function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

function plots({ series, steps }: LadderRecord): string {
  const began = steps.map((step) => step.startedWallMs);
  const plot = (title: string, values: readonly (number | null)[]): string => {
    const { bars, most } = sparkline(values);
    return `${title.padEnd(28)} most ${numberText(Math.round(most))}\n${bars}`;
  };
  return [
    '```',
    `steps ${stepMarks(series.wallMs, began)}`.trimEnd(),
    plot('connections', series.connections),
    plot('messages delivered/s', series.deliveredPerS),
    plot('CPU of the server, %', series.serverCpuPercent),
    plot('latency p99, us', series.latencyP99Us),
    plot('messages queued', series.queueLength),
    '```',
  ].join('\n');
}

/** The largest of each piece of time as a bar; a piece without a value is a space. */
export function sparkline(values: readonly (number | null)[]): { bars: string; most: number } {
  const most = values.reduce<number>((high, value) => Math.max(high, value ?? 0), 0);
  const columns = Math.min(PLOT_COLUMNS, values.length);
  let bars = '';
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * values.length) / columns);
    const to = Math.floor(((column + 1) * values.length) / columns);
    const piece = values.slice(from, to).filter((value) => value !== null);
    const high = piece.reduce((up, value) => Math.max(up, value), 0);
    const level = most === 0 ? 0 : Math.ceil((high / most) * (BARS.length - 1));
    bars += piece.length === 0 ? ' ' : BARS[level]!;
  }
  return { bars, most };
}

/** How many steps began in how many seconds, for the line above the plots. */
function stepMarks(wallMs: readonly number[], began: readonly number[]): string {
  const seconds = wallMs.length === 0 ? 0 : (wallMs.at(-1)! - wallMs[0]!) / 1000;
  const at = began.map((startMs) => Math.max(0, Math.round((startMs - (wallMs[0] ?? 0)) / 1000)));
  return `begin at ${at.join(', ')} s of ${numberText(Math.round(seconds))} s`;
}

function publishedText(steps: readonly LadderStep[], host: LadderRecord['host']): string {
  const rows = PUBLISHED_RECORDS.map((record) => [
    ...[`${record.who}, ${record.year}`, numberText(record.connections)],
    ...[numberText(record.cores), numberText(record.memoryGib)],
    ...[per(record.connections, record.cores), per(record.connections, record.memoryGib)],
    ...[record.messages, record.clients, record.stack, record.source],
  ]);
  return [
    markdownTable(
      [
        ...['who', 'connections', 'cores', 'GiB', 'per core', 'per GiB', 'messages', 'clients'],
        ...['what', 'source'],
      ],
      [...ours(steps, host), ...rows],
    ),
    '',
    'Cores and memory are those of the server alone in the published rows, and of server, clients and everything ' +
      'else in ours. Their clients came over a network, ours over loopback or a TUN device of the same kernel: no ' +
      'network card, no interrupts of one, no switch. Their messages are not the same work either; the column ' +
      'says what was sent.',
  ].join('\n');
}

/** The largest step that was held with each kind of clients. */
function ours(steps: readonly LadderStep[], host: LadderRecord['host']): string[][] {
  const cores = Number(host['cpus']);
  const memoryGib = Math.round(Number(host['memoryBytes']) / 1024 ** 3);
  const phases = [...new Set(steps.map(({ phase }) => phase))];
  return phases.flatMap((name) => {
    const best = steps
      .filter(({ phase, outcome }) => phase === name && outcome === 'held')
      .reduce<LadderStep | undefined>(
        (most, step) => (step.connections > (most?.connections ?? 0) ? step : most),
        undefined,
      );
    if (best === undefined) return [];
    const { connections, engine } = best;
    return [
      [
        ...[`**wsar, ${name === '' ? engine : name}**`, `**${numberText(connections)}**`],
        ...[numberText(cores), numberText(memoryGib)],
        ...[per(connections, cores), per(connections, memoryGib)],
        `${rounded(best.deliveredPerS)}/s one to one, ${rounded(best.packetsPerS)} packets/s`,
        engine === 'stack' ? 'in user space, here' : 'in the kernel, here',
        ...['TypeScript on io_uring, MQTT', 'the record of this page'],
      ],
    ];
  });
}

function per(connections: number, of: number | null): string {
  return of === null ? '-' : numberText(Math.round(connections / of));
}

function rounded(value: number | null): string {
  return numberText(value === null ? null : Math.round(value));
}

function ms(us: number | null): string {
  return us === null ? '-' : numberText(us / 1000);
}
