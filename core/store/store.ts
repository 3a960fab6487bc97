// The history store as every part of wsar sees it: tables, rows, queries, over ClickHouse's HTTP
// interface. Whether the embedded store (`wsar store`, chDB) or any ClickHouse server from 18.16 on
// answers, nobody outside this folder knows.

import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  createClient,
} from '@clickhouse/client';
import { WsarError } from '#core/errors.ts';
import { exceptionCodeIn, isOneOf, LOGIN_EXCEPTIONS } from '#core/store/exception.ts';
import { bindParams, type QueryParam } from '#core/store/query-params.ts';
import { identifier } from '#core/store/sql-text.ts';
import { parseStoreUrl, type StoreAddress } from '#core/store/store-url.ts';

export interface Store {
  /** Name of the database that holds the tables. */
  readonly database: string;
  /** Appends rows (objects with the table's columns). No rows, no request. */
  insert(table: string, rows: readonly object[]): Promise<void>;
  /** Runs a SELECT; `{name:Type}` in it takes `params`. Whole numbers come back as numbers. */
  query<T>(sql: string, params?: Record<string, QueryParam>): Promise<T[]>;
  /** Runs a statement without a result. */
  command(sql: string): Promise<void>;
  /** Makes the database of the tables if it is not there. */
  createDatabase(): Promise<void>;
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 4;

/**
 * Opens the store at `url` (http://user:token@host:port[/database]) and makes sure that it answers.
 * @throws WsarError WSAR_ERR_UNREACHABLE when it does not or refuses the login, WSAR_ERR_USAGE for a bad
 * url. The methods throw the same, and WSAR_ERR_SYSTEM when the store refuses a statement. When `signal`
 * is aborted the store is closed and what is under way fails at once.
 */
export async function openStore(url: string, signal?: AbortSignal): Promise<Store> {
  const store = new HttpStore(parseStoreUrl(url));
  signal?.addEventListener('abort', () => void store.close(), { once: true });
  try {
    await store.answer();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

function connect(address: StoreAddress, database: string): ClickHouseClient {
  return createClient({
    url: address.bare,
    username: address.username,
    password: address.password,
    database,
    application: 'wsar',
    request_timeout: REQUEST_TIMEOUT_MS,
    max_open_connections: CONNECTIONS_MAX,
    log: { level: ClickHouseLogLevel.OFF },
  });
}

class HttpStore implements Store {
  readonly database: string;
  readonly #address: StoreAddress;
  readonly #client: ClickHouseClient;

  constructor(address: StoreAddress) {
    this.database = address.database;
    this.#address = address;
    this.#client = connect(address, address.database);
  }

  /** Resolves when the store answers and takes the login. */
  async answer(): Promise<void> {
    await this.#ask(async () => {
      // Goes without a database, which may not be there yet.
      const answer = await this.#client.ping({ select: true });
      if (!answer.success) throw answer.error;
    });
  }

  async insert(table: string, rows: readonly object[]): Promise<void> {
    if (rows.length === 0) return;
    await this.#ask(() =>
      this.#client.insert({ table: identifier(table), values: rows, format: 'JSONEachRow' }),
    );
  }

  async query<T>(sql: string, params: Record<string, QueryParam> = {}): Promise<T[]> {
    const query = bindParams(sql, params);
    return await this.#ask(async () => {
      const result = await this.#client.query({
        query,
        format: 'JSONEachRow',
        // Old servers quote 64-bit numbers, new ones do not; our counts and times fit a double.
        clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
      });
      return await result.json<T>();
    });
  }

  async command(sql: string): Promise<void> {
    await this.#ask(() => this.#client.command({ query: sql }));
  }

  async createDatabase(): Promise<void> {
    // A request that names a database that is not there is refused, so this one names none.
    const client = connect(this.#address, 'default');
    try {
      const query = `CREATE DATABASE IF NOT EXISTS ${identifier(this.database)}`;
      await this.#ask(() => client.command({ query }));
    } finally {
      await client.close();
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw toWsarError(error, this.#address.bare);
    }
  }
}

function toWsarError(error: unknown, where: string): WsarError {
  const message = error instanceof Error ? error.message : String(error);
  const code = exceptionCode(error);
  if (code === undefined || isOneOf(code, LOGIN_EXCEPTIONS)) {
    return new WsarError(
      'WSAR_ERR_UNREACHABLE',
      `the store at ${where} cannot be used: ${firstLine(message)}`,
      'start one with `wsar store`, or check the address, user and token in WSAR_CLICKHOUSE_URL',
      error,
    );
  }
  return new WsarError(
    'WSAR_ERR_SYSTEM',
    `the store at ${where} refused a statement (code ${code}): ${firstLine(message)}`,
    'look the code up with `SELECT errorCodeToName(code)`, or in the documentation of ClickHouse',
    error,
  );
}

/** The code of ClickHouse's exception behind an error, or undefined when none stands in it. */
export function exceptionCode(error: unknown): number | undefined {
  if (error instanceof WsarError) return exceptionCode(error.cause);
  if (error instanceof ClickHouseError) return Number(error.code);
  // Servers before 20.x write it in a way that the client does not take apart.
  return error instanceof Error ? exceptionCodeIn(error.message) : undefined;
}

function firstLine(text: string): string {
  const line = text.trim().split('\n')[0] ?? '';
  return line.length > 300 ? `${line.slice(0, 297)}...` : line;
}
