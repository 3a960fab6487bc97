// May the run be believed, and where was it? Checks of every block, the three counts of logins, coverage,
// what was left out; then the host, how the run was sized, and the knobs as their owners read them back.

import { hostFacts } from '#dashboards/report/host-facts.ts';
import { all, type Child, el, type Markup } from '#dashboards/report/markup.ts';
import { quantityText, unitText } from '#dashboards/report/number-text.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';
import { facts, table } from '#dashboards/report/table.ts';

export function trustSection(record: RunRecord): Markup {
  const { validity, counts, coverage, leftOut } = record;
  const rows: Child[][] = validity.map(({ what, note, unit, worst, limit, failedBlocks, isOk }) => [
    [what, note === '' ? null : el('span', { class: 'soft' }, ` ${note}`)],
    quantityText(worst, unit),
    quantityText(limit, unit),
    failedBlocks,
    mark(isOk),
  ]);
  if (counts !== null) {
    rows.push([`Users logged in: ${counts.sentence}`, '', '', '', mark(counts.agree)]);
  }
  if (coverage !== null) {
    rows.push([`A sample for every second: ${coverage.sentence}`, '', '', '', mark(coverage.isOk)]);
  }
  const columns = [
    { title: 'Check of every block' },
    { title: 'worst', isNumber: true },
    { title: 'at most', isNumber: true },
    { title: 'unfit blocks', isNumber: true },
    { title: '' },
  ];
  return all(
    el('h2', {}, 'May it be believed?'),
    table(columns, rows),
    leftOut.length === 0
      ? null
      : [
          el('p', {}, 'Left out here:'),
          el(
            'ul',
            {},
            leftOut.map((what) => el('li', {}, what)),
          ),
        ],
  );
}

export function hostSection(record: RunRecord): Markup {
  const { host, sizing, knobs, workload } = record;
  const knobText = ({ value, def }: RunRecord['knobs'][string]): string =>
    `${value}${def.unit === '' ? '' : ` ${unitText(def.unit)}`} at the end (default ${def.default})`;
  return all(
    el('h2', {}, 'Where'),
    facts([
      ...sizing.map((sentence) => ['sized by', sentence] as const),
      ['engine', `${workload.engine}, ${workload.workers} worker threads`],
      ...hostFacts(host),
      ...Object.entries(knobs).map(([name, state]) => [`knob ${name}`, knobText(state)] as const),
    ]),
  );
}

function mark(isOk: boolean): Markup {
  return isOk ? el('span', { class: 'yes' }, 'ok') : el('span', { class: 'no' }, 'failed');
}
