// Cuts a stream of bytes that somebody else's program writes into lines. A line has a limit: what is longer is
// thrown away up to its end and counted, so that a program that never ends a line costs no memory.

const NEWLINE = 10;
const RETURN = 13;

export class LineSplitter {
  /** Lines that were longer than the limit. */
  overlong = 0;
  readonly #bytesMax: number;
  readonly #onLine: (line: string) => void;
  readonly #held: Buffer;
  #heldBytes = 0;
  #isOverlong = false;

  constructor(bytesMax: number, onLine: (line: string) => void) {
    this.#bytesMax = bytesMax;
    this.#onLine = onLine;
    this.#held = Buffer.alloc(bytesMax);
  }

  /** Bytes of a line that is not over yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.#take(chunk, start, end);
      this.#endLine();
      start = end + 1;
    }
    this.#take(chunk, start, chunk.length);
  }

  #take(chunk: Buffer, start: number, end: number): void {
    if (this.#heldBytes + end - start > this.#bytesMax) this.#isOverlong = true;
    if (this.#isOverlong) return;
    this.#heldBytes += chunk.copy(this.#held, this.#heldBytes, start, end);
  }

  #endLine(): void {
    let bytes = this.#heldBytes;
    const isOverlong = this.#isOverlong;
    this.#heldBytes = 0;
    this.#isOverlong = false;
    if (isOverlong) {
      this.overlong++;
      return;
    }
    if (bytes > 0 && this.#held[bytes - 1] === RETURN) bytes--;
    this.#onLine(this.#held.toString('utf8', 0, bytes));
  }
}
