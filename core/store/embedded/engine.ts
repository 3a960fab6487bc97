// The embedded engine: chDB, which is ClickHouse as a library, on a folder of its own. The only file that
// knows chDB.
//
// Each statement runs on a connection of its own (0.3 ms), so settings, parameters and the current
// database of one request never reach another. chDB works on the threads of libuv's pool: the event
// loop stays free. A statement cannot be interrupted from here, so each has limits of time, memory and
// result that the engine itself keeps; a request may set its own.

import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Session } from 'chdb';
import { WsarError } from '#core/errors.ts';
import { makeFolder } from '#core/host/make-folder.ts';
import { DbException, dbException, toDbException } from '#core/store/exception.ts';
import { identifier, quote } from '#core/store/sql-text.ts';
import { DEFAULT_DATABASE } from '#core/store/store-url.ts';

/** Data of an insert, as it came: of any format, also binary ones. */
export interface InsertData {
  bytes: Buffer;
  format: string;
  /** SETTINGS of the statement, '' when it has none. */
  settings: string;
}

export interface Statement {
  /** The statement; with `data`, what stands before SETTINGS and FORMAT: 'INSERT INTO t (a, b)'. */
  sql: string;
  data?: InsertData;
  /** Format of a result whose statement names none. */
  format: string;
  database?: string;
  /** Settings of the request; unknown ones are refused by the engine. */
  settings?: Record<string, string>;
  /** Values of `{name:Type}` in the statement, escaped as in TabSeparated. */
  params?: Record<string, string>;
  /** Refuse to change anything. */
  isReadOnly?: boolean;
}

export interface StatementResult {
  bytes: Uint8Array;
  readRows: number;
  readBytes: number;
  /** Rows of `data`. */
  writtenRows: number;
  elapsedS: number;
}

export interface Engine {
  readonly version: string;
  /** @throws DbException when the statement fails. */
  run(statement: Statement): Promise<StatementResult>;
  /** Waits for what is running and closes the folder. */
  close(): Promise<void>;
}

const LIMITS: Record<string, string> = {
  max_execution_time: '60',
  max_memory_usage: '2000000000',
  max_result_bytes: '256000000',
  result_overflow_mode: 'throw',
};

/**
 * Opens the engine on a folder, made if need be. Only one process may (core/host/folder-lock.ts).
 * @throws WsarError WSAR_ERR_PART_MISSING where chDB is not installed or does not run.
 */
export async function openEngine(folder: string): Promise<Engine> {
  const chdb = await loadChdb();
  makeFolder(folder);
  const connect = (): Session => {
    try {
      return new chdb.Session(folder);
    } catch (error) {
      throw new WsarError(
        'WSAR_ERR_SYSTEM',
        `the embedded store cannot open ${folder}: ${(error as Error).message}`,
        'check that the folder can be written and has room',
        error,
      );
    }
  };
  const inserts = makeInsertFolder(folder);
  // The data stays open as long as one connection does.
  const keeper = connect();
  await keeper.queryAsync(`CREATE DATABASE IF NOT EXISTS ${identifier(DEFAULT_DATABASE)}`);
  const version = (await keeper.queryAsync('SELECT version()', { format: 'TSV' })).text().trim();
  return {
    version,
    run: (statement) => withDataFile(inserts, statement, (sql) => runOn(connect(), sql, statement)),
    async close() {
      await chdb.drainPending();
      keeper.close();
      await chdb.drainPending();
    },
  };
}

/**
 * Data goes to the engine in a file. Behind the statement, as clients send it, chDB would take it only up
 * to an empty line and run the rest as statements.
 */
async function withDataFile<T>(
  folder: string,
  { sql, data }: Statement,
  run: (sql: string) => Promise<T>,
): Promise<T> {
  if (data === undefined) return await run(sql);
  const file = join(folder, randomUUID());
  try {
    await writeFile(file, data.bytes, { mode: 0o600 });
    const { settings, format } = data;
    return await run(
      `${sql} FROM INFILE ${quote(file)} COMPRESSION 'none' ${settings} FORMAT ${format}`,
    );
  } catch (error) {
    const exception = toDbException(error);
    const message = exception.message.replaceAll(file, 'the body');
    throw new DbException(exception.exceptionCode, message);
  } finally {
    await rm(file, { force: true });
  }
}

/** Where data waits for the engine; empty at the start, whatever a killed process left. */
function makeInsertFolder(folder: string): string {
  const inserts = join(folder, 'inserts');
  rmSync(inserts, { recursive: true, force: true });
  makeFolder(inserts);
  return inserts;
}

async function runOn(
  session: Session,
  sql: string,
  statement: Statement,
): Promise<StatementResult> {
  try {
    await session.queryAsync(`USE ${identifier(statement.database ?? DEFAULT_DATABASE)}`);
    await session.queryAsync(setStatement({ ...LIMITS, ...statement.settings }));
    const params = Object.entries(statement.params ?? {});
    if (params.length > 0) {
      const named = Object.fromEntries(params.map(([name, value]) => [`param_${name}`, value]));
      await session.queryAsync(setStatement(named));
    }
    if (statement.isReadOnly) await session.queryAsync('SET readonly = 2');
    const result = await session.queryAsync(sql, { format: statement.format });
    return {
      bytes: result.bytes(),
      readRows: result.rowsRead,
      readBytes: result.bytesRead,
      writtenRows: statement.data === undefined ? 0 : result.rowsRead,
      elapsedS: result.elapsed,
    };
  } catch (error) {
    throw toDbException(error);
  } finally {
    session.close();
  }
}

function setStatement(settings: Record<string, string>): string {
  const parts = Object.entries(settings).map(([name, value]) => {
    if (!/^\w+$/.test(name)) throw dbException('UNKNOWN_SETTING', `Unknown setting ${quote(name)}`);
    return `${name} = ${quote(value)}`;
  });
  return `SET ${parts.join(', ')}`;
}

async function loadChdb(): Promise<typeof import('chdb')> {
  try {
    return await import('chdb');
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_PART_MISSING',
      `the engine of the embedded store (chdb) is not usable here: ${firstLine(error)}`,
      'run `npm install chdb` (Linux with glibc, macOS), or let WSAR_CLICKHOUSE_URL name any ' +
        'ClickHouse server; until then rows stay in spool files',
      error,
    );
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n')[0] ?? '';
}
