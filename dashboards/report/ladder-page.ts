// The report of a ladder: what was reached, every step in a row, and the whole climb over time.

import { hostFacts } from '#dashboards/report/host-facts.ts';
import {
  type FigureTable,
  ladderTables,
  restoredFacts,
} from '#dashboards/report/ladder-figures.ts';
import type { LadderRecord } from '#dashboards/report/ladder-record.ts';
import { storyTable } from '#dashboards/report/ladder-story.ts';
import { all, el, type Markup } from '#dashboards/report/markup.ts';
import { numberText, spanText, wallText } from '#dashboards/report/number-text.ts';
import { page } from '#dashboards/report/page.ts';
import { facts, table } from '#dashboards/report/table.ts';
import { timeLine } from '#dashboards/report/time-line.ts';

/** Columns whose cells are words. */
const WORDS = ['clients', 'outcome', 'what', 'setting', 'compared with', 'figure', 'verdict'];
/** Letters from which on a cell is a sentence. */
const LONG = 40;

export function renderLadder(record: LadderRecord): string {
  const story = storyTable(record);
  return page(`${record.name}: ${numberText(record.reached)} users`, [
    header(record),
    story === null ? all() : figures(story),
    all(ladderTables(record.steps).map(figures)),
    climb(record),
    el('h2', {}, 'The host, before and after'),
    facts(restoredFacts(record)),
    el('h2', {}, 'Host'),
    facts(hostFacts(record.host)),
    el('h2', {}, 'Run it again'),
    el('pre', {}, record.command),
    el('details', {}, el('summary', {}, 'The ladder with every default filled in'), [
      el('pre', {}, JSON.stringify(record.plan, null, 2)),
    ]),
  ]);
}

function figures({ title, note, columns, rows }: FigureTable): Markup {
  return all(
    el('h2', {}, title),
    el('p', { class: 'soft' }, note),
    table(
      columns.map((name) => ({ title: name, isNumber: !WORDS.includes(name) })),
      // A sentence in a table that is wider than the page would have a word a line.
      rows.map((cells) =>
        cells.map((cell) =>
          cell.length > LONG ? el('div', { style: 'min-width:22em' }, cell) : cell,
        ),
      ),
    ),
  );
}

function header(record: LadderRecord): Markup {
  const { sentence, question, engines, runId, startedWallMs, endedWallMs, leftOut } = record;
  const phases = record.phases.filter(({ name }) => name !== '');
  return all(
    el('h1', {}, sentence),
    el('p', { class: 'soft' }, question),
    el(
      'p',
      {},
      `Server and clients on one host, the server on engine ${engines.server}. `,
      record.steps.some(({ engine }) => engine === 'stack')
        ? "Clients on engine stack have no sockets: the host then holds the server's side only. "
        : '',
      'Each step has processes of its own.',
    ),
    phases.length === 0
      ? null
      : facts(
          phases.map(({ name, reached, sentence: why }) => [
            name,
            `${numberText(reached)} users; ${why}`,
          ]),
        ),
    leftOut.length === 0 ? null : el('p', { class: 'cut' }, `Left out: ${leftOut.join('; ')}.`),
    el('p', { class: 'soft' }, [
      ['Run ', el('code', {}, runId), `, ${wallText(startedWallMs)}, `],
      `${spanText(endedWallMs - startedWallMs)}.`,
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
