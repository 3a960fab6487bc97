// The report of a run: one HTML page that opens from a file, offline, without a script or any outside
// resource. Reading order is that of a colleague: what came out, of what question, how sure, what it
// looked like, may I believe it, where was it, how do I run it again.

import { all, el, type Markup } from '#dashboards/report/markup.ts';
import { numberText, spanText, wallText } from '#dashboards/report/number-text.ts';
import { page } from '#dashboards/report/page.ts';
import { swatch } from '#dashboards/report/plot.ts';
import { blockTable, resultSection } from '#dashboards/report/result-section.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';
import { timeLine } from '#dashboards/report/time-line.ts';
import { hostSection, trustSection } from '#dashboards/report/trust-section.ts';

/** The page as text. The same record gives the same bytes. */
export function renderReport(record: RunRecord): string {
  return page(`${record.name}: ${record.verdict.verdict}`, [
    header(record),
    resultSection(record),
    timeSection(record),
    trustSection(record),
    hostSection(record),
    againSection(record),
  ]);
}

function header(record: RunRecord): Markup {
  const { verdict, cut, turned, workload, design, runId, startedWallMs } = record;
  const load =
    `while ${numberText(workload.connections)} users were logged in and sent ` +
    `${numberText(workload.ratePerS)} messages/s of ${numberText(workload.payloadBytes)} B. ` +
    `${design.pairs} pairs of blocks were planned, each block ${spanText(design.measureMs)} ` +
    `of measuring after ${spanText(design.washoutMs)} of washout.`;
  return all(
    el('p', {}, el('span', { class: `badge is-${verdict.verdict}` }, verdict.verdict)),
    el('h1', {}, verdict.sentence),
    el('p', { class: 'soft' }, record.question),
    cut === null
      ? null
      : el(
          'p',
          { class: 'cut', role: 'alert' },
          el('strong', {}, 'Partial report. '),
          cut.sentence,
        ),
    el('p', {}, [
      ['Turned: ', el('code', {}, `${turned.owner} ${turned.name}`), ', '],
      [el('i', { class: 'dot dot-a' }), 'A = ', el('code', {}, turned.a), ', '],
      [el('i', { class: 'dot dot-b' }), 'B = ', el('code', {}, turned.b), ', ', load],
    ]),
    el('p', { class: 'soft' }, [
      ['Run ', el('code', {}, runId), `, ${wallText(startedWallMs)}, `],
      `${spanText(record.endedWallMs - startedWallMs)}.`,
    ]),
  );
}

function timeSection(record: RunRecord): Markup | null {
  const { series, blocks, events } = record;
  if (series.wallMs.length === 0) return null;
  const frame = {
    startWallMs: record.startedWallMs,
    endWallMs: record.endedWallMs,
    wallMs: series.wallMs,
    bands: blocks.map(({ flaws, ...block }) => ({ ...block, isFit: flaws.length === 0 })),
    marks: events.filter(({ kind }) => kind === 'knob').map(({ wallMs }) => wallMs),
  };
  const plot = (title: string, unit: string, ...lines: [string, (number | null)[]][]): Markup =>
    timeLine({ ...frame, title, unit, lines: lines.map(([name, values]) => ({ name, values })) });
  const latency = plot(
    'Latency from the intended sending',
    'us',
    ['p50', series.latencyP50Us],
    ['p99', series.latencyP99Us],
  );
  return all(
    el('h2', {}, 'Over time'),
    el('p', { class: 'soft' }, [
      [swatch('swatch-a', 'measuring A'), ' ', swatch('swatch-b', 'measuring B')],
      '. Ticks at the top: the knob was turned. Time in minutes and seconds since the start.',
    ]),
    el('div', { class: 'plots' }, [
      plot('CPU of the server, % of one core', '%', ['CPU', series.serverCpuPercent]),
      latency,
      plot('Messages delivered, messages/s', '{message}/s', ['delivered', series.deliveredPerS]),
      plot('Messages queued in the server', '{message}', ['queued', series.queueLength]),
      plot('Connections of the server', '{connection}', ['connections', series.connections]),
    ]),
  );
}

function againSection(record: RunRecord): Markup {
  const experiment = JSON.stringify(record.experiment, null, 2);
  return all(
    el('h2', {}, 'Run it again'),
    el('pre', {}, record.command),
    el(
      'details',
      {},
      el('summary', {}, `Every block (${record.blocks.length})`),
      blockTable(record),
    ),
    el(
      'details',
      {},
      el('summary', {}, 'The experiment with every default filled in'),
      el('pre', {}, experiment),
    ),
    el(
      'p',
      { class: 'soft' },
      'What this run can claim: the knob was turned in one server process on one host, generator and ',
      'server share its cores, and the network was loopback. It compares A with B there and then; it ',
      'does not say how either does elsewhere.',
    ),
  );
}
