// The stream the screen library writes to: the terminal, with each write wrapped as one synchronized
// update (terminals that know it show a frame whole, the others ignore it), and counted.

import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';

const UPDATE_BEGIN = '\x1b[?2026h';
const UPDATE_END = '\x1b[?2026l';
/** What a terminal is taken for that does not tell its size. */
const COLS_DEFAULT = 80;
const ROWS_DEFAULT = 24;

export class TerminalOutput extends Writable {
  readonly isTTY = true;
  readonly #terminal: WriteStream;
  readonly #onResize = (): void => void this.emit('resize');
  /** Bytes written so far. */
  bytes = 0;

  constructor(terminal: WriteStream) {
    super({ decodeStrings: false });
    this.#terminal = terminal;
    terminal.on('resize', this.#onResize);
  }

  get columns(): number {
    return this.#terminal.columns || COLS_DEFAULT;
  }

  get rows(): number {
    return this.#terminal.rows || ROWS_DEFAULT;
  }

  /** Terminals are written to synchronously, so nothing is ever kept back here. */
  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    const text = UPDATE_BEGIN + chunk.toString() + UPDATE_END;
    this.bytes += Buffer.byteLength(text);
    this.#terminal.write(text);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#terminal.off('resize', this.#onResize);
    done(error);
  }
}
