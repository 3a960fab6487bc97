// A rectangle of cells: what a panel is before it reaches a terminal. Everything written is clipped at
// the edges, so that no panel can ever write into another; texts that may be too long are shortened
// visibly with `fit` first.

import { assert } from '#core/assert.ts';
import { ROLE, type Role } from '#tui/view/theme.ts';

/** A piece of a line in one role. */
export interface Span {
  text: string;
  role: Role;
}

export type Line = Span[];

export function span(text: string, role: Role = ROLE.text): Span {
  return { text, role };
}

export class CellGrid {
  readonly cols: number;
  readonly rows: number;
  readonly #signs: string[];
  readonly #roles: Uint8Array;

  constructor(cols: number, rows: number) {
    assert(cols >= 0 && rows >= 0, 'a grid has a size');
    this.cols = cols;
    this.rows = rows;
    this.#signs = new Array<string>(cols * rows).fill(' ');
    this.#roles = new Uint8Array(cols * rows);
  }

  /** Writes text from (x, y) to the right; returns the column behind it. */
  put(x: number, y: number, text: string, role: Role = ROLE.text): number {
    for (const sign of text) this.set(x++, y, sign, role);
    return x;
  }

  putLine(x: number, y: number, line: Line): number {
    for (const piece of line) x = this.put(x, y, piece.text, piece.role);
    return x;
  }

  /** Writes text so that it ends before column `end`. */
  putRight(end: number, y: number, text: string, role: Role = ROLE.text): void {
    this.put(end - [...text].length, y, text, role);
  }

  set(x: number, y: number, sign: string, role: Role): void {
    if (x < 0 || y < 0 || x >= this.cols || y >= this.rows) return;
    // Texts are checked where they come in; even so, no control character ever reaches a terminal.
    this.#signs[y * this.cols + x] = sign >= ' ' && (sign < '\x7f' || sign > '\x9f') ? sign : '?';
    this.#roles[y * this.cols + x] = role;
  }

  sign(x: number, y: number): string {
    return this.#signs[y * this.cols + x]!;
  }

  role(x: number, y: number): Role {
    return this.#roles[y * this.cols + x] as Role;
  }

  /** Copies another grid into this one at (x, y). */
  paste(x: number, y: number, other: CellGrid): void {
    for (let row = 0; row < other.rows; row++) {
      for (let col = 0; col < other.cols; col++) {
        this.set(x + col, y + row, other.sign(col, row), other.role(col, row));
      }
    }
  }

  /** Gives every cell one role: data that is too old is grey whatever it was. */
  recolour(role: Role): void {
    this.#roles.fill(role);
  }

  /** The text of each row, without the spaces at its end. */
  lines(): string[] {
    return Array.from({ length: this.rows }, (_, y) =>
      this.#signs
        .slice(y * this.cols, (y + 1) * this.cols)
        .join('')
        .trimEnd(),
    );
  }
}

/** Cuts text that is too long for `width` cells and shows that it was cut. */
export function fit(text: string, width: number, ellipsis: string): string {
  const signs = [...text];
  if (signs.length <= width) return text;
  return width <= 0 ? '' : signs.slice(0, width - 1).join('') + ellipsis;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - [...text].length));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - [...text].length)) + text;
}
