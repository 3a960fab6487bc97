// Columns of numbers against their own last value: what makes a row of some hundred numbers some hundred
// bytes. Every double comes back bit for bit, and so does that there was none.
//
// A number is kept as a whole number n of units of its column (4096, 1024, 1, 1/1000, 1/1000000); the unit
// starts coarse and gets finer as the values of the column ask for it, never coarser. A number that no unit
// gives back exactly is written as its eight bytes.
//
//   token      varint      followed by        meaning
//   Run        0           varint count - 2   so many values are what they were (two at least)
//   Null       1                              not measured
//   Absent     2                              there is no such value in this row
//   Unit       3           byte, varint       the column's unit from now on (0..4), then n, zigzag
//                          byte 15, 8 bytes   a double as it is
//   Same       4                              one value is what it was
//   5 ...                                     n rises by unzigzag(token - 4)
//
// A run goes on over the borders of rows (or, in a block, of columns); both sides agree on the order.

import { type ByteReader, DamagedBytes } from '#core/spool/byte-reader.ts';
import type { ByteWriter } from '#core/spool/byte-writer.ts';

/** What stands in a column beside a number. */
export const CellState = { number: 0, null: 1, absent: 2 } as const;

/** Numbers per unit: a value v is kept as v * PER_UNIT. */
const PER_UNIT = [1 / 4096, 1 / 1024, 1, 1e3, 1e6] as const;
const RAW = 15;
/** Differences of two such numbers, doubled for their sign, still count exactly in a double. */
const WHOLE_MAX = 2 ** 50;

const Token = { run: 0, null: 1, absent: 2, unit: 3, same: 4 } as const;
const STEP_BASE = 4;
const RUN_MIN = 2;

/** What both sides know of each column. */
export class NumberColumns {
  readonly values: Float64Array;
  readonly states: Uint8Array;
  readonly wholes: Float64Array;
  readonly units: Uint8Array;

  constructor(columns: number) {
    this.values = new Float64Array(columns);
    this.states = new Uint8Array(columns);
    this.wholes = new Float64Array(columns);
    this.units = new Uint8Array(columns);
  }

  /** The same with more columns. */
  grown(columns: number): NumberColumns {
    const grown = new NumberColumns(columns);
    grown.values.set(this.values);
    grown.states.set(this.states);
    grown.wholes.set(this.wholes);
    grown.units.set(this.units);
    return grown;
  }
}

export class TokenEncoder {
  readonly #out: ByteWriter;
  #unchanged = 0;

  constructor(out: ByteWriter) {
    this.#out = out;
  }

  /** The next value of a column. */
  put(columns: NumberColumns, column: number, state: number, value: number): void {
    const { values, states, wholes, units } = columns;
    const isSameState = states[column] === state;
    if (isSameState && (state !== CellState.number || Object.is(values[column], value))) {
      this.#unchanged++;
      return;
    }
    this.end();
    states[column] = state;
    if (state !== CellState.number) {
      this.#out.varint(state === CellState.null ? Token.null : Token.absent);
      return;
    }
    values[column] = value;
    const unit = unitOf(value, units[column]!);
    if (unit === RAW) this.#putRaw(value);
    else {
      const whole = Math.round(value * PER_UNIT[unit]!);
      const step = whole - wholes[column]!;
      wholes[column] = whole;
      if (unit !== units[column] || step === 0) this.#putUnit(unit, whole);
      else this.#out.varint(zigzag(step) + STEP_BASE);
      units[column] = unit;
    }
  }

  /** Writes the run that is open; call it at the end of what is decoded at once. */
  end(): void {
    if (this.#unchanged === 1) this.#out.varint(Token.same);
    else if (this.#unchanged > 1) {
      this.#out.varint(Token.run);
      this.#out.varint(this.#unchanged - RUN_MIN);
    }
    this.#unchanged = 0;
  }

  #putRaw(value: number): void {
    this.#out.varint(Token.unit);
    this.#out.byte(RAW);
    this.#out.double(value);
  }

  /** Also when n is what it was, after a double or a value that was not there. */
  #putUnit(unit: number, whole: number): void {
    this.#out.varint(Token.unit);
    this.#out.byte(unit);
    this.#out.varint(zigzag(whole));
  }
}

export class TokenDecoder {
  readonly #from: ByteReader;
  #unchanged = 0;

  constructor(from: ByteReader) {
    this.#from = from;
  }

  /** Makes `columns` hold the next value of a column. */
  next(columns: NumberColumns, column: number): void {
    if (this.#unchanged > 0) {
      this.#unchanged--;
      return;
    }
    const { values, states, wholes, units } = columns;
    const token = this.#from.varint();
    if (token === Token.run) this.#unchanged = this.#from.varint() + RUN_MIN - 1;
    else if (token === Token.null) states[column] = CellState.null;
    else if (token === Token.absent) states[column] = CellState.absent;
    else if (token === Token.unit) this.#readUnit(columns, column);
    else if (token !== Token.same) {
      states[column] = CellState.number;
      wholes[column] = wholes[column]! + unzigzag(token - STEP_BASE);
      values[column] = wholes[column]! / PER_UNIT[units[column]!]!;
    }
  }

  #readUnit({ values, states, wholes, units }: NumberColumns, column: number): void {
    const unit = this.#from.byte();
    states[column] = CellState.number;
    if (unit === RAW) {
      values[column] = this.#from.double();
      return;
    }
    const per = PER_UNIT[unit];
    if (per === undefined) throw new DamagedBytes(`there is no unit ${unit}`);
    units[column] = unit;
    wholes[column] = unzigzag(this.#from.varint());
    values[column] = wholes[column]! / per;
  }
}

/** The coarsest unit from `from` on that gives the value back bit for bit. */
function unitOf(value: number, from: number): number {
  for (let unit = from; unit < PER_UNIT.length; unit++) {
    const per = PER_UNIT[unit]!;
    const whole = Math.round(value * per);
    // Not a number, too large, or minus zero, whose sign a whole number would lose.
    if (!(Math.abs(whole) <= WHOLE_MAX) || Object.is(whole, -0)) return RAW;
    if (Object.is(whole / per, value)) return unit;
  }
  return RAW;
}

const zigzag = (step: number): number => (step >= 0 ? 2 * step : -2 * step - 1);

const unzigzag = (code: number): number => (code % 2 === 0 ? code / 2 : -(code + 1) / 2);
