// Every block of one metric in the order in which it ran: A as circles, B as squares, the two of a pair
// joined, unfit blocks hollow. Shows with bare eyes what the statistic says: is B above A in most pairs,
// and does the machine drift beneath both?

import { closeAxis } from '#dashboards/report/axis.ts';
import { el, type Markup } from '#dashboards/report/markup.ts';
import { quantityText } from '#dashboards/report/number-text.ts';
import {
  BOTTOM,
  figure,
  gridLines,
  HEIGHT,
  PLOT,
  plotSvg,
  swatch,
  WIDTH,
} from '#dashboards/report/plot.ts';
import type { BlockRecord, MetricResult } from '#dashboards/report/run-record.ts';

/** Half the size of a dot. */
const DOT = 4.5;

interface Point {
  block: BlockRecord;
  position: number;
  value: number;
}

export function blockStrip(metric: MetricResult, blocks: readonly BlockRecord[]): Markup {
  const { name, unit } = metric;
  const points = blocks.flatMap((block, position): Point[] => {
    const value = block.values[name] ?? null;
    return value === null ? [] : [{ block, position, value }];
  });
  if (points.length === 0) {
    return figure(name, el('p', { class: 'none' }, 'no block could be measured'));
  }
  const axis = closeAxis(points.map(({ value }) => value));
  const x = ({ position }: Point): number =>
    PLOT.left + (PLOT.width / blocks.length) * (position + 0.5);
  const y = (value: number): number => PLOT.top + PLOT.height * (1 - axis.at(value));
  const joins = points.slice(1).flatMap((point, index) => {
    const before = points[index]!;
    if (before.block.pair !== point.block.pair || before.position + 1 !== point.position) return [];
    const ends = { x1: x(before), y1: y(before.value), x2: x(point), y2: y(point.value) };
    return [el('line', { class: 'pair', ...ends })];
  });
  const caption = [
    `${name} by block`,
    swatch('dot-a', 'A'),
    swatch('dot-b', 'B'),
    swatch('dot-unfit', 'unfit'),
  ];
  const below = { class: 'tick middle', x: PLOT.left + PLOT.width / 2, y: HEIGHT - BOTTOM / 3 };
  const label = `${name} of every block in the order of the run`;
  return figure(
    caption,
    plotSvg(WIDTH, HEIGHT, label, [
      gridLines(axis, y, (tick) => quantityText(tick, unit)),
      joins,
      points.map((point) => dot(point, x(point), y(point.value), unit)),
      el('text', below, `${points.length} blocks in the order of the run`),
    ]),
  );
}

function dot({ block, value }: Point, x: number, y: number, unit: string): Markup {
  const { variant, flaws } = block;
  const unfit = flaws.length > 0 ? `, unfit: ${flaws.join('; ')}` : '';
  const text = `block ${block.index + 1}, ${variant.toUpperCase()}: ${quantityText(value, unit)}`;
  const title = el('title', {}, text + unfit);
  const name = `${variant}${unfit === '' ? '' : ' unfit'}`;
  return variant === 'a'
    ? el('circle', { class: name, cx: x, cy: y, r: DOT }, title)
    : el('rect', { class: name, x: x - DOT, y: y - DOT, width: 2 * DOT, height: 2 * DOT }, title);
}
