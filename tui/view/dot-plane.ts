// Dots smaller than a cell: braille gives 2 x 4 of them a cell, half blocks 1 x 2, ASCII one. Lines
// are drawn on dots; a cell takes the role and letter of the first line that touched it.

import type { Role, SymbolSet } from '#tui/view/theme.ts';

const DOTS: Record<SymbolSet, { across: number; down: number }> = {
  braille: { across: 2, down: 4 },
  block: { across: 1, down: 2 },
  ascii: { across: 1, down: 1 },
};

/** Bit of a braille dot by [row][column]; U+2800 is the empty pattern. */
const BRAILLE_BITS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
];
const BRAILLE_BASE = 0x2800;
const BLOCK_SIGNS = [' ', '▀', '▄', '█'];

export class DotPlane {
  readonly cols: number;
  readonly rows: number;
  readonly dotsAcross: number;
  readonly dotsDown: number;
  readonly #symbols: SymbolSet;
  readonly #bits: Uint8Array;
  readonly #roles: Uint8Array;
  readonly #letters: string[];

  constructor(cols: number, rows: number, symbols: SymbolSet) {
    this.cols = cols;
    this.rows = rows;
    this.#symbols = symbols;
    this.dotsAcross = cols * DOTS[symbols].across;
    this.dotsDown = rows * DOTS[symbols].down;
    this.#bits = new Uint8Array(cols * rows);
    this.#roles = new Uint8Array(cols * rows);
    this.#letters = new Array<string>(cols * rows).fill(' ');
  }

  /** Sets the dots of one column from row `from` to row `to`, both inclusive, in any order. */
  column(dotX: number, from: number, to: number, role: Role, letter: string): void {
    for (let dotY = Math.min(from, to); dotY <= Math.max(from, to); dotY++) {
      this.#set(dotX, dotY, role, letter);
    }
  }

  /** The cell row that holds a dot row. */
  rowOf(dotY: number): number {
    return Math.floor(dotY / DOTS[this.#symbols].down);
  }

  /** What stands in a cell; undefined when no dot is set there. */
  cell(col: number, row: number): { sign: string; role: Role } | undefined {
    const index = row * this.cols + col;
    const bits = this.#bits[index]!;
    if (bits === 0) return undefined;
    return { sign: this.#sign(bits, index), role: this.#roles[index] as Role };
  }

  #set(dotX: number, dotY: number, role: Role, letter: string): void {
    if (dotX < 0 || dotY < 0 || dotX >= this.dotsAcross || dotY >= this.dotsDown) return;
    const { across, down } = DOTS[this.#symbols];
    const index = Math.floor(dotY / down) * this.cols + Math.floor(dotX / across);
    if (this.#bits[index] === 0) {
      this.#roles[index] = role;
      this.#letters[index] = letter;
    }
    this.#bits[index]! |= this.#bit(dotX % across, dotY % down);
  }

  #bit(x: number, y: number): number {
    return this.#symbols === 'braille' ? BRAILLE_BITS[y]![x]! : 1 << y;
  }

  #sign(bits: number, index: number): string {
    if (this.#symbols === 'braille') return String.fromCharCode(BRAILLE_BASE + bits);
    return this.#symbols === 'block' ? BLOCK_SIGNS[bits]! : this.#letters[index]!;
  }
}
