// Writes many lines to stdout at the pace of who reads them; a reader that has seen enough (`| head`) ends it.

import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Characters that are written at once. */
const CHUNK_CHARS = 64 * 1024;

/** Resolves when all is written, `signal` is aborted, or nobody reads any more. */
export async function writeLines(
  lines: Iterable<string>,
  to: Writable,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pipeline(Readable.from(chunks(lines)), to, { end: false, signal });
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    if (code !== 'EPIPE' && name !== 'AbortError') throw error;
  }
}

function* chunks(lines: Iterable<string>): Generator<string> {
  let text = '';
  for (const line of lines) {
    text += `${line}\n`;
    if (text.length < CHUNK_CHARS) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}
