// What every plot of the report shares: its size, its frame, its grid and its legend. The size is that of
// a phone, so that text stays readable there; on a desk two plots stand side by side.

import type { Axis } from '#dashboards/report/axis.ts';
import { type Child, el, type Markup } from '#dashboards/report/markup.ts';

export const WIDTH = 480;
export const HEIGHT = 176;
export const BOTTOM = 24;

/** The area inside the axes. */
export const PLOT = {
  left: 62,
  top: 8,
  width: WIDTH - 62 - 10,
  height: HEIGHT - 8 - BOTTOM,
} as const;

export function figure(caption: Child, content: Child): Markup {
  return el('figure', {}, el('figcaption', {}, caption), content);
}

/** `label` says what the picture shows to those who cannot see it. */
export function plotSvg(width: number, height: number, label: string, content: Child): Markup {
  const box = `0 0 ${width} ${height}`;
  return el('svg', { viewBox: box, role: 'img', 'aria-label': label }, content);
}

/** Horizontal lines at the ticks, with their values to the left. */
export function gridLines(
  axis: Axis,
  y: (value: number) => number,
  text: (tick: number) => string,
): Markup[] {
  return axis.ticks.flatMap((tick) => [
    el('line', {
      class: 'grid',
      x1: PLOT.left,
      x2: PLOT.left + PLOT.width,
      y1: y(tick),
      y2: y(tick),
    }),
    // Four down: the middle of a letter lies above its base line.
    el('text', { class: 'tick end', x: PLOT.left - 5, y: y(tick) + 4 }, text(tick)),
  ]);
}

/** A colour and what it stands for. */
export function swatch(className: string, name: string): Markup {
  return el('span', { class: 'key' }, el('i', { class: className }), name);
}
