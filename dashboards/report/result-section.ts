// What came out: intervals, the table of metrics, every block as a dot, and every block as a row.

import { blockStrip } from '#dashboards/report/block-strip.ts';
import { forestPlot } from '#dashboards/report/forest-plot.ts';
import { all, type Child, el, type Markup } from '#dashboards/report/markup.ts';
import { changeText, numberText, quantityText, wallText } from '#dashboards/report/number-text.ts';
import type { MetricResult, RunRecord } from '#dashboards/report/run-record.ts';
import { table } from '#dashboards/report/table.ts';

export function resultSection({ metrics, blocks }: RunRecord): Markup {
  if (metrics.length === 0) {
    return all(el('h2', {}, 'Result'), el('p', {}, 'Nothing was measured.'));
  }
  return all(
    el('h2', {}, 'Result'),
    forestPlot(metrics),
    el(
      'p',
      { class: 'soft' },
      'Ratio of B to A: Hodges-Lehmann estimate and exact interval over pairs of neighbouring blocks. ',
      'Grey: the margin, a change that does not matter.',
    ),
    table(
      [
        { title: 'Metric' },
        { title: 'A, median', isNumber: true },
        { title: 'B, median', isNumber: true },
        { title: 'B to A', isNumber: true },
        { title: 'interval', isNumber: true },
        { title: 'pairs', isNumber: true },
        { title: 'Judgement' },
      ],
      metrics.map(metricRow),
    ),
    el(
      'div',
      { class: 'plots' },
      metrics.map((metric) => blockStrip(metric, blocks)),
    ),
  );
}

function metricRow(metric: MetricResult): Child[] {
  const { name, unit, role, what, medianA, medianB, estimate, reason, better } = metric;
  const head = [
    [el('strong', {}, name), soft(` ${role}, ${better} is better; ${what}`)],
    quantityText(medianA, unit),
    quantityText(medianB, unit),
  ];
  if (estimate === null) return [...head, '-', '-', 0, `not judged: ${reason}`];
  const { ratio, low, high, coverage, pairs, judgement } = estimate;
  const sureness = soft(`${numberText(coverage * 100)} % coverage`);
  return [
    ...head,
    changeText(ratio),
    [`${changeText(low)} .. ${changeText(high)}`, el('br', {}), sureness],
    pairs,
    [el('span', { class: `is-${judgement}` }, judgement), `: ${reason}`],
  ];
}

/** Every block with its values, and why it was unfit. */
export function blockTable({ metrics, blocks }: RunRecord): Markup {
  return table(
    [
      { title: 'block', isNumber: true },
      { title: 'pair', isNumber: true },
      { title: 'variant' },
      { title: 'start, UTC' },
      ...metrics.map(({ name }) => ({ title: name, isNumber: true })),
      { title: 'delivered', isNumber: true },
      { title: 'flaws' },
    ],
    blocks.map((block) => [
      block.index + 1,
      `${block.pair + 1}${block.isRepeat ? ' again' : ''}`,
      `${block.variant.toUpperCase()} = ${block.knobValue}`,
      wallText(block.startWallMs).slice(11, 19),
      ...metrics.map(({ name, unit }) => quantityText(block.values[name] ?? null, unit)),
      numberText(block.delivered),
      [...block.flaws, ...Object.values(block.notEstimable)].join('; '),
    ]),
  );
}

function soft(text: string): Markup {
  return el('span', { class: 'soft' }, text);
}
