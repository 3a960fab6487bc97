// Streams that say they are a terminal: for tests of the screen inside the test's own process.

import { PassThrough, Writable } from 'node:stream';

/** A stream that says it is a terminal and keeps what was written. */
export class FakeTerminal extends Writable {
  readonly isTTY = true;
  columns: number;
  rows: number;
  written = '';

  constructor(columns: number, rows: number) {
    super({ decodeStrings: false });
    this.columns = columns;
    this.rows = rows;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString();
    done();
  }

  take(): string {
    const { written } = this;
    this.written = '';
    return written;
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    this.emit('resize');
  }
}

/** Keys are written into it. */
export function fakeKeyboard(): PassThrough {
  return Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} });
}
