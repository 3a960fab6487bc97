// Takes a request of ClickHouse's HTTP interface apart: who asks, the statement, where it runs, with what
// settings and parameters. The meaning of each name is ClickHouse's (its documentation, "HTTP
// Interface"); what the embedded store cannot do is refused with a sentence and not overlooked.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Statement } from '#core/store/embedded/engine.ts';
import { type DbException, dbException } from '#core/store/exception.ts';

export interface Credentials {
  user: string;
  password: string;
}

/** What of a request stands before its body. */
export interface RequestHead {
  credentials: Credentials | undefined;
  /** From the url; the body follows it. */
  sqlStart: string;
  statement: Omit<Statement, 'sql'>;
  queryId: string | undefined;
  /** The client wants a compressed answer and can read this one. */
  responseEncoding: 'gzip' | undefined;
}

/** Settings of the HTTP interface itself that change nothing here: the result is always whole before it is sent. */
const WITHOUT_EFFECT = new Set([
  'wait_end_of_query',
  'buffer_size',
  'quota_key',
  'stacktrace',
  'client_protocol_version',
]);

const NOT_OFFERED: Record<string, string> = {
  session_id: 'sessions (each request stands alone)',
  role: 'roles (there is one user)',
  compress: "ClickHouse's native compression (use gzip)",
  decompress: "ClickHouse's native compression (use gzip)",
};

/** @throws DbException for what is not offered. */
export function readHead(request: IncomingMessage): RequestHead {
  const { searchParams } = new URL(request.url ?? '/', 'http://store');
  const { headers } = request;
  if (/^multipart\//i.test(headers['content-type'] ?? '')) throw notOffered('external tables');
  const settings: Record<string, string> = {};
  const params: Record<string, string> = {};
  let isCompressionEnabled = false;
  for (const [name, value] of searchParams) {
    if (RESERVED.has(name) || WITHOUT_EFFECT.has(name)) continue;
    if (name === 'enable_http_compression') isCompressionEnabled = value === '1';
    else if (name.startsWith('param_')) params[name.slice('param_'.length)] = value;
    else if (NOT_OFFERED[name] === undefined) settings[name] = value;
    else if (!isSwitchedOff(value)) throw notOffered(NOT_OFFERED[name]);
  }
  const database = searchParams.get('database') ?? header(headers, 'x-clickhouse-database');
  const format = searchParams.get('default_format') ?? header(headers, 'x-clickhouse-format');
  return {
    credentials: readCredentials(headers, searchParams),
    sqlStart: searchParams.get('query') ?? '',
    statement: {
      format: format || 'TabSeparated',
      settings,
      params,
      isReadOnly: request.method !== 'POST',
      ...(database ? { database } : {}),
    },
    queryId: searchParams.get('query_id') || undefined,
    responseEncoding:
      isCompressionEnabled && /\bgzip\b/.test(headers['accept-encoding'] ?? '')
        ? 'gzip'
        : undefined,
  };
}

const RESERVED = new Set(['query', 'database', 'default_format', 'user', 'password', 'query_id']);

function readCredentials(
  headers: IncomingHttpHeaders,
  searchParams: URLSearchParams,
): Credentials | undefined {
  const user = header(headers, 'x-clickhouse-user') ?? searchParams.get('user');
  const password = header(headers, 'x-clickhouse-key') ?? searchParams.get('password');
  if (user !== null || password !== null) {
    return { user: user ?? 'default', password: password ?? '' };
  }
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? '');
  if (basic === null) return undefined;
  const text = Buffer.from(basic[1]!, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0
    ? { user: text, password: '' }
    : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function header(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' ? value : null;
}

function isSwitchedOff(value: string): boolean {
  return value === '' || value === '0';
}

function notOffered(what: string): DbException {
  return dbException('NOT_IMPLEMENTED', `The embedded store does not offer ${what}`);
}
