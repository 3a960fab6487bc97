// The report of a ladder: what was reached, every step in a row, and the whole climb over time.

import type { LadderRecord, LadderStep } from '#dashboards/report/ladder-record.ts';
import { all, el, type Markup } from '#dashboards/report/markup.ts';
import { numberText, spanText, wallText } from '#dashboards/report/number-text.ts';
import { page } from '#dashboards/report/page.ts';
import { facts, table } from '#dashboards/report/table.ts';
import { timeLine } from '#dashboards/report/time-line.ts';

export function renderLadder(record: LadderRecord): string {
  return page(`${record.name}: ${numberText(record.reached)} users`, [
    header(record),
    el('h2', {}, 'Steps'),
    costs(record.steps),
    el('h2', {}, 'Under load'),
    loads(record.steps),
    climb(record),
    el('h2', {}, 'Host'),
    facts(Object.entries(record.host).map(([name, value]) => [name, String(value ?? '-')])),
    el('h2', {}, 'Run it again'),
    el('pre', {}, record.command),
    el('details', {}, el('summary', {}, 'The ladder with every default filled in'), [
      el('pre', {}, JSON.stringify(record.plan, null, 2)),
    ]),
  ]);
}

function header(record: LadderRecord): Markup {
  const { sentence, question, engines, runId, startedWallMs, endedWallMs, leftOut } = record;
  return all(
    el('h1', {}, sentence),
    el('p', { class: 'soft' }, question),
    el(
      'p',
      {},
      `Server and clients on one host: server on engine ${engines.server}, clients on engine ${engines.load}. `,
      'Each step has processes of its own.',
    ),
    leftOut.length === 0 ? null : el('p', { class: 'cut' }, `Left out: ${leftOut.join('; ')}.`),
    el('p', { class: 'soft' }, [
      ['Run ', el('code', {}, runId), `, ${wallText(startedWallMs)}, `],
      `${spanText(endedWallMs - startedWallMs)}.`,
    ]),
  );
}

function costs(steps: readonly LadderStep[]): Markup {
  const columns = [
    ['users', 'outcome', 'logins/s', 'server us/login', 'client us/login', 'server B/user'],
    ['client B/user', 'kernel B/user', 'all B/user', 'least free, GiB', 'sockets left over'],
  ].flat();
  return table(
    columns.map((title) => ({ title, isNumber: title !== 'outcome' })),
    steps.map((step) => [
      numberText(step.connections),
      step.outcome === 'held' ? 'held' : step.sentence,
      rounded(step.loginsPerS),
      tenth(step.serverCpuUsPerLogin),
      tenth(step.loadCpuUsPerLogin),
      rounded(step.serverBytesPerUser),
      rounded(step.loadBytesPerUser),
      rounded(step.kernelBytesPerUser),
      rounded(step.freeBytesPerUser),
      step.freeBytesMin === null ? '-' : (step.freeBytesMin / 1024 ** 3).toFixed(1),
      leftOver(step),
    ]),
  );
}

function loads(steps: readonly LadderStep[]): Markup {
  const columns = [
    ['users', 'held, s', 'delivered/s', 'server us/message', 'p50, ms', 'p99, ms', 'p99.9, ms'],
    ['max, ms', 'lateness p99, ms', 'queue, most', 'sent', 'lost', 'missed ticks'],
  ].flat();
  return table(
    columns.map((title) => ({ title, isNumber: true })),
    steps.map((step) => [
      numberText(step.connections),
      numberText(step.holdS),
      rounded(step.deliveredPerS),
      tenth(step.serverCpuUsPerMessage),
      ...[step.latencyUs.p50, step.latencyUs.p99, step.latencyUs.p999, step.latencyUs.max].map(ms),
      ms(step.latenessUsP99),
      rounded(step.queueLengthMax),
      numberText(step.messages?.sent ?? null),
      numberText(step.messages?.lost ?? null),
      numberText(step.missedTicks),
    ]),
  );
}

function climb({ series, startedWallMs, endedWallMs, steps }: LadderRecord): Markup | null {
  if (series.wallMs.length === 0) return null;
  const frame = {
    startWallMs: startedWallMs,
    endWallMs: endedWallMs,
    wallMs: series.wallMs,
    bands: [],
    marks: steps.map((step) => step.startedWallMs),
  };
  const plot = (title: string, unit: string, ...lines: [string, (number | null)[]][]): Markup =>
    timeLine({ ...frame, title, unit, lines: lines.map(([name, values]) => ({ name, values })) });
  return all(
    el('h2', {}, 'Over time'),
    el('p', { class: 'soft' }, 'Ticks at the top: a step began.'),
    el('div', { class: 'plots' }, [
      plot('Connections of the server', '{connection}', ['connections', series.connections]),
      plot('CPU of the server, % of one core', '%', ['CPU', series.serverCpuPercent]),
      plot('Messages delivered, messages/s', '{message}/s', ['delivered', series.deliveredPerS]),
      plot(
        'Latency from the intended sending',
        'us',
        ['p50', series.latencyP50Us],
        ['p99', series.latencyP99Us],
      ),
      plot('Messages queued in the server', '{message}', ['queued', series.queueLength]),
    ]),
  );
}

function leftOver({ socketsBefore, socketsAfter }: LadderStep): string {
  if (socketsBefore === null || socketsAfter === null) return '-';
  return numberText(Math.max(0, socketsAfter - socketsBefore));
}

function rounded(value: number | null): string {
  return numberText(value === null ? null : Math.round(value));
}

function tenth(value: number | null): string {
  return value === null ? '-' : value.toFixed(1);
}

function ms(us: number | null): string {
  return us === null ? '-' : numberText(Number((us / 1000).toPrecision(3)));
}
