// The interval of each metric as a row: the ratio B/A on a logarithmic axis, the margin as a band, no
// change as a line. What lies wholly inside the band does not matter; what lies wholly outside does.

import { ratioAxis } from '#dashboards/report/axis.ts';
import { el, type Markup } from '#dashboards/report/markup.ts';
import { changeText } from '#dashboards/report/number-text.ts';
import { plotSvg, WIDTH } from '#dashboards/report/plot.ts';
import type { Estimate, MetricResult } from '#dashboards/report/run-record.ts';

type Estimated = MetricResult & { estimate: Estimate };

const ROW_HEIGHT = 46;
const AXIS_HEIGHT = 24;
const EDGE = 30;
/** One wild interval must not squeeze the others flat: beyond this factor it leaves the picture. */
const REACH_MAX = 4;

/** Rows of all metrics that were estimated; null when none was. */
export function forestPlot(metrics: readonly MetricResult[]): Markup | null {
  const rows = metrics.filter((metric): metric is Estimated => metric.estimate !== null);
  if (rows.length === 0) return null;
  const reaches = rows.flatMap(({ margin, estimate: { low, high } }) => [
    1 + margin,
    high,
    1 / low,
  ]);
  const axis = ratioAxis(Math.min(REACH_MAX, Math.max(...reaches)));
  const x = (ratio: number): number =>
    EDGE + (WIDTH - 2 * EDGE) * Math.min(1, Math.max(0, axis.at(ratio)));
  const height = rows.length * ROW_HEIGHT + AXIS_HEIGHT;
  return el(
    'div',
    { class: 'forest' },
    plotSvg(WIDTH, height, 'Intervals of the ratio of B to A', [
      rows.map((metric, index) => row(metric, index * ROW_HEIGHT, x)),
      axis.ticks.map((tick) =>
        el(
          'text',
          { class: 'tick middle', x: x(tick), y: height - 6 },
          tick === 1 ? 'no change' : changeText(tick),
        ),
      ),
    ]),
  );
}

function row(metric: Estimated, top: number, x: (ratio: number) => number): Markup[] {
  const { name, margin, better, estimate } = metric;
  const { low, high, ratio, judgement } = estimate;
  const middle = top + 30;
  const left = x(1 / (1 + margin));
  const line = (from: number, to: number, y1: number, y2: number): Markup =>
    el('line', { class: `interval is-${judgement}`, x1: x(from), x2: x(to), y1, y2 });
  const interval = `${changeText(low)} to ${changeText(high)}`;
  return [
    el('line', { class: 'one', x1: x(1), x2: x(1), y1: top + 18, y2: top + 42 }),
    el('rect', { class: 'margin', x: left, y: top + 20, width: x(1 + margin) - left, height: 20 }),
    line(low, high, middle, middle),
    line(low, low, middle - 5, middle + 5),
    line(high, high, middle - 5, middle + 5),
    el('rect', {
      class: `point is-${judgement}`,
      x: x(ratio) - 5,
      y: middle - 5,
      width: 10,
      height: 10,
    }),
    el(
      'text',
      { class: 'label', x: EDGE, y: top + 13 },
      `${name}, ${better} is better: ${changeText(ratio)} (${interval})`,
    ),
  ];
}
