// What the view may assume about the terminal: which signs it can show. Colours are roles here and
// become colours only in tui/screen; every meaning that has a colour also has a word or a sign.

/** The meaning of a cell. */
export const ROLE = {
  text: 0,
  dim: 1,
  title: 2,
  border: 3,
  good: 4,
  bad: 5,
  warn: 6,
  seriesA: 7,
  seriesB: 8,
  seriesC: 9,
  seriesD: 10,
  rule: 11,
  stale: 12,
  selected: 13,
  banner: 14,
  key: 15,
} as const;

export type Role = (typeof ROLE)[keyof typeof ROLE];

/** The colours of the lines of one chart, in order. */
export const SERIES_ROLES: readonly Role[] = [
  ROLE.seriesA,
  ROLE.seriesB,
  ROLE.seriesC,
  ROLE.seriesD,
];

/** How charts are drawn: braille 2 x 4 dots a cell, half blocks 1 x 2, ASCII 1 x 1. */
export type SymbolSet = 'braille' | 'block' | 'ascii';

export interface Theme {
  symbols: SymbolSet;
  signs: Signs;
}

/** Every sign that is not plain text; each is one cell wide. */
export interface Signs {
  horizontal: string;
  vertical: string;
  topLeft: string;
  topRight: string;
  bottomLeft: string;
  bottomRight: string;
  axisCorner: string;
  marker: string;
  up: string;
  down: string;
  level: string;
  selected: string;
  arrow: string;
  ellipsis: string;
}

const UNICODE: Signs = {
  horizontal: '─',
  vertical: '│',
  topLeft: '┌',
  topRight: '┐',
  bottomLeft: '└',
  bottomRight: '┘',
  axisCorner: '└',
  marker: '┊',
  up: '▲',
  down: '▼',
  level: '·',
  selected: '▸',
  arrow: '→',
  ellipsis: '…',
};

const ASCII: Signs = {
  horizontal: '-',
  vertical: '|',
  topLeft: '+',
  topRight: '+',
  bottomLeft: '+',
  bottomRight: '+',
  axisCorner: '+',
  marker: ':',
  up: '^',
  down: 'v',
  level: '.',
  selected: '>',
  arrow: '>',
  ellipsis: '~',
};

export function themeOf(symbols: SymbolSet): Theme {
  return { symbols, signs: symbols === 'ascii' ? ASCII : UNICODE };
}
