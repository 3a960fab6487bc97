// Finds where the data of an insert begins. Clients send statement and data in one piece
// ('INSERT INTO t FORMAT CSV' and then the rows), the data may be anything and is not to be read as SQL.

import { isUtf8 } from 'node:buffer';
import type { Statement } from '#core/store/embedded/engine.ts';
import { dbException } from '#core/store/exception.ts';
import { firstWord } from '#core/store/sql-text.ts';

/** A statement is looked for in so many bytes; ClickHouse's own limit is the same (max_query_size). */
const HEAD_BYTES_MAX = 256 * 1024;

/**
 * Takes a statement apart from its data, if it has any.
 * @throws DbException when the statement itself is not text.
 */
export function readStatement(content: Buffer): Pick<Statement, 'sql' | 'data'> {
  // One character a byte, so that places in the text are places in the bytes.
  const head = content.toString('latin1', 0, HEAD_BYTES_MAX);
  const found = firstWord(head) === 'INSERT' ? findFormat(head) : undefined;
  if (found === undefined) return { sql: text(content) };
  const { targetEnd, settingsEnd, format, dataStart } = found;
  return {
    sql: text(content.subarray(0, targetEnd)),
    data: {
      bytes: content.subarray(dataStart),
      format,
      settings: text(content.subarray(targetEnd, settingsEnd)),
    },
  };
}

interface FoundFormat {
  /** End of 'INSERT INTO t (a, b)'. */
  targetEnd: number;
  /** End of SETTINGS; the same as `targetEnd` when there are none. */
  settingsEnd: number;
  format: string;
  dataStart: number;
}

/** Space and comments, quoted text and names, words; anything else is one character. */
const TOKEN = new RegExp(
  [
    String.raw`(?<space>\s+|--[^\n]*|#![^\n]*|/\*[\s\S]*?\*/)`,
    String.raw`'(?:[^'\\]|\\[\s\S]|'')*'`,
    String.raw`"(?:[^"\\]|\\[\s\S])*"`,
    '`(?:[^`\\\\]|\\\\[\\s\\S])*`',
    String.raw`[A-Za-z_]\w*`,
    String.raw`[\s\S]`,
  ].join('|'),
  'g',
);

/** Behind one of these the rows stand in the statement or come from elsewhere: no data follows. */
const WITHOUT_DATA = new Set(['VALUES', 'SELECT', 'WITH', 'FROM', 'WATCH']);

/** What follows one of these is a name, whatever word it is. */
const BEFORE_NAME = new Set(['INTO', 'TABLE', 'FUNCTION', '.']);

function findFormat(head: string): FoundFormat | undefined {
  let depth = 0;
  let before = '';
  let settingsStart: number | undefined;
  for (const match of head.matchAll(TOKEN)) {
    if (match.groups?.['space'] !== undefined) continue;
    const word = match[0].toUpperCase();
    const isName = BEFORE_NAME.has(before) && word !== 'TABLE' && word !== 'FUNCTION';
    before = word;
    if (word === '(') depth++;
    else if (word === ')') depth--;
    if (depth > 0 || isName) continue;
    if (WITHOUT_DATA.has(word)) return undefined;
    if (word === 'SETTINGS') settingsStart ??= match.index;
    if (word !== 'FORMAT') continue;
    const rest = /^FORMAT\s+(\w+)[ \t\f]*;?[ \t\f]*\r?\n?/i.exec(head.slice(match.index));
    if (rest === null) return undefined;
    return {
      targetEnd: settingsStart ?? match.index,
      settingsEnd: match.index,
      format: rest[1]!,
      dataStart: match.index + rest[0].length,
    };
  }
  return undefined;
}

function text(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw dbException('SYNTAX_ERROR', 'The statement is not UTF-8 text');
  return bytes.toString('utf8');
}
