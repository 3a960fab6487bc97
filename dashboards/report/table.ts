// A table of the report. Columns of numbers stand to the right; a wide table scrolls inside its frame, so
// that the page itself never does.

import { type Child, el, type Markup } from '#dashboards/report/markup.ts';

export interface Column {
  title: string;
  isNumber?: boolean;
}

export function table(columns: readonly Column[], rows: readonly (readonly Child[])[]): Markup {
  const place = (index: number): { class?: string } =>
    columns[index]?.isNumber === true ? { class: 'n' } : {};
  const heads = columns.map(({ title }, index) =>
    el('th', { ...place(index), scope: 'col' }, title),
  );
  return el(
    'div',
    { class: 'scroll' },
    el('table', {}, [
      el('thead', {}, el('tr', {}, heads)),
      el(
        'tbody',
        {},
        rows.map((cells) => [
          el(
            'tr',
            {},
            cells.map((cell, index) => el('td', place(index), cell)),
          ),
          '\n',
        ]),
      ),
    ]),
  );
}

/** Names and what stands behind them. */
export function facts(rows: readonly (readonly [string, Child])[]): Markup {
  return el(
    'div',
    { class: 'scroll' },
    el(
      'table',
      {},
      el(
        'tbody',
        {},
        rows.map(([name, value]) => [
          el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, value)),
          '\n',
        ]),
      ),
    ),
  );
}
