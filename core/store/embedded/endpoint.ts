// ClickHouse's HTTP interface over the embedded engine, on loopback, behind a user and a token: as much
// of it as @clickhouse/client, curl and Grafana need. What stands here is the wire; the statements run
// in core/store/embedded/engine.ts.
//
// Bounds: connections, bytes of one body and of all, statements that run and wait. Results are made
// whole before they are sent, so an exception is always the whole answer and never the tail of one.

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { WsarError } from '#core/errors.ts';
import { createLane, type Lane } from '#core/store/embedded/admission.ts';
import type { Engine, Statement, StatementResult } from '#core/store/embedded/engine.ts';
import { type BodyBudget, readBody } from '#core/store/embedded/http-body.ts';
import { type Credentials, readHead } from '#core/store/embedded/http-request.ts';
import { readStatement } from '#core/store/embedded/insert-statement.ts';
import { contentType, formatOf } from '#core/store/embedded/statement-format.ts';
import { dbException, httpStatusOf, toDbException } from '#core/store/exception.ts';
import { firstWord } from '#core/store/sql-text.ts';

export interface StoreEndpoint {
  port: number;
  /** Until then every request is told that the store is starting. */
  attach(engine: Engine): void;
  /** Takes no new request, answers what runs, frees the port. */
  close(): Promise<void>;
}

export interface EndpointLimits {
  /** Bytes of one body, packed and unpacked. */
  bodyBytesMax: number;
  /** Bytes of all bodies that are being read or worked on. */
  allBodiesBytesMax: number;
  /** Statements of a lane that wait. */
  waitingMax: number;
}

const LIMITS: EndpointLimits = {
  bodyBytesMax: 64 * 1024 * 1024,
  allBodiesBytesMax: 256 * 1024 * 1024,
  waitingMax: 64,
};

const CONNECTIONS_MAX = 256;
/** Statements stand in the url too; ClickHouse allows 1 MiB. */
const HEAD_BYTES_MAX = 1024 * 1024;
/** Libuv's pool has four threads: two for questions, one for inserts, one left for files and gzip. */
const QUESTIONS_RUNNING_MAX = 2;
const INSERTS_RUNNING_MAX = 1;
/** As long as ClickHouse keeps an idle connection. */
const KEEP_ALIVE_MS = 10_000;
const CLOSE_TIMEOUT_MS = 5000;

/**
 * Listens on 127.0.0.1 for requests with these credentials.
 * @throws WsarError WSAR_ERR_PORT_IN_USE
 */
export async function startEndpoint(
  port: number,
  credentials: Credentials,
  limits: EndpointLimits = LIMITS,
): Promise<StoreEndpoint> {
  const endpoint = new Endpoint(credentials, limits);
  return await endpoint.listen(port);
}

const gzipAsync = promisify(gzip);
const NEWLINE = Buffer.from('\n');

class Endpoint {
  readonly #credentials: Credentials;
  readonly #server: Server;
  readonly #inserts: Lane;
  readonly #questions: Lane;
  readonly #budget: BodyBudget;
  #engine: Engine | undefined;
  /** Answers that are not sent yet. */
  readonly #answering = new Set<ServerResponse>();
  #isClosing = false;

  constructor(credentials: Credentials, limits: EndpointLimits) {
    this.#credentials = credentials;
    this.#inserts = createLane(INSERTS_RUNNING_MAX, limits.waitingMax);
    this.#questions = createLane(QUESTIONS_RUNNING_MAX, limits.waitingMax);
    this.#budget = {
      bodyBytesMax: limits.bodyBytesMax,
      allBytesMax: limits.allBodiesBytesMax,
      usedBytes: 0,
    };
    this.#server = createServer(
      { maxHeaderSize: HEAD_BYTES_MAX, keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  async listen(port: number): Promise<StoreEndpoint> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new WsarError(
            error.code === 'EADDRINUSE' ? 'WSAR_ERR_PORT_IN_USE' : 'WSAR_ERR_SYSTEM',
            `the store cannot listen on 127.0.0.1:${port}: ${error.message}`,
            'choose another port with --port, or --port 0 for any free one',
            error,
          ),
        );
      });
      this.#server.listen(port, '127.0.0.1', resolve);
    });
    return {
      port: (this.#server.address() as { port: number }).port,
      attach: (engine) => {
        this.#engine = engine;
      },
      close: () => this.#close(),
    };
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    for (const response of this.#answering) response.setHeader('Connection', 'close');
    const freed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_TIMEOUT_MS);
    await freed;
    clearTimeout(timer);
    await Promise.all([this.#inserts.idle(), this.#questions.idle()]);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#isClosing) response.setHeader('Connection', 'close');
    this.#answering.add(response);
    try {
      const path = (request.url ?? '/').split('?')[0];
      if (path === '/ping' || path === '/replicas_status') {
        this.#openEngine();
        plain(response, 200, 'Ok.\n');
      } else if (path === '/') await this.#answer(request, response);
      else plain(response, 404, `There is no ${path}. Statements go to /, /ping answers Ok.\n`);
    } catch (error) {
      // Nothing of a failed request may stay on the connection for the next one.
      if (!request.complete) response.setHeader('Connection', 'close');
      refuse(response, error);
    } finally {
      this.#answering.delete(response);
      request.resume();
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const head = readHead(request);
    if (!this.#isKnown(head.credentials)) {
      if (head.credentials === undefined && request.method === 'GET' && head.sqlStart === '') {
        plain(response, 200, 'Ok.\n');
        return;
      }
      response.setHeader('WWW-Authenticate', 'Basic realm="ClickHouse server HTTP API"');
      throw head.credentials === undefined
        ? dbException('REQUIRED_PASSWORD', 'The store needs its user and token')
        : dbException('AUTHENTICATION_FAILED', 'Wrong user or token');
    }
    const body = await readBody(request, this.#budget);
    try {
      const parts = [Buffer.from(head.sqlStart), body.bytes].filter((part) => part.length > 0);
      if (parts.length === 0) {
        plain(response, 200, 'Ok.\n');
        return;
      }
      const text = Buffer.concat(parts.length === 1 ? parts : [parts[0]!, NEWLINE, parts[1]!]);
      const statement = { ...head.statement, ...readStatement(text) };
      const result = await this.#run(statement);
      response.setHeader('X-ClickHouse-Query-Id', head.queryId ?? randomUUID());
      await sendResult(response, result, {
        format: formatOf(statement.sql) ?? statement.format,
        isPacked: head.responseEncoding === 'gzip',
      });
    } finally {
      body.done();
    }
  }

  async #run(statement: Statement): Promise<StatementResult> {
    const engine = this.#openEngine();
    const isInsert = firstWord(statement.sql) === 'INSERT';
    const lane = isInsert ? this.#inserts : this.#questions;
    const result = lane.enter(() => engine.run(statement));
    if (result === undefined) {
      throw dbException('TOO_MANY_SIMULTANEOUS_QUERIES', 'Too many statements wait; try again');
    }
    return await result;
  }

  #openEngine(): Engine {
    if (this.#isClosing) throw dbException('ABORTED', 'The store is being shut down');
    if (this.#engine === undefined) throw dbException('ABORTED', 'The store is starting');
    return this.#engine;
  }

  #isKnown(given: Credentials | undefined): boolean {
    if (given === undefined) return false;
    const { user, password } = this.#credentials;
    // Both are always compared, in a time that tells nothing.
    const isUser = isSame(given.user, user);
    return isSame(given.password, password) && isUser;
  }
}

function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

interface ResultForm {
  format: string;
  isPacked: boolean;
}

async function sendResult(
  response: ServerResponse,
  result: StatementResult,
  form: ResultForm,
): Promise<void> {
  const bytes = Buffer.from(result.bytes.buffer, result.bytes.byteOffset, result.bytes.byteLength);
  const content = form.isPacked ? await gzipAsync(bytes) : bytes;
  const headers: OutgoingHttpHeaders = {
    'Content-Type': contentType(form.format),
    'Content-Length': content.length,
    'X-ClickHouse-Format': form.format,
    'X-ClickHouse-Summary': summary(result),
  };
  if (form.isPacked) headers['Content-Encoding'] = 'gzip';
  response.writeHead(200, headers).end(content);
}

/** ClickHouse writes these numbers as strings. */
function summary(result: StatementResult): string {
  return JSON.stringify({
    read_rows: String(result.readRows),
    read_bytes: String(result.readBytes),
    written_rows: String(result.writtenRows),
    written_bytes: '0',
    total_rows_to_read: '0',
    result_rows: String(result.writtenRows),
    result_bytes: String(result.bytes.byteLength),
    elapsed_ns: String(Math.round(result.elapsedS * 1e9)),
  });
}

function refuse(response: ServerResponse, error: unknown): void {
  const exception = toDbException(error);
  response.setHeader('X-ClickHouse-Exception-Code', exception.exceptionCode);
  plain(response, httpStatusOf(exception.exceptionCode), `${exception.message}\n`);
}

function plain(response: ServerResponse, status: number, text: string): void {
  if (response.destroyed || response.headersSent) return;
  response
    .writeHead(status, {
      'Content-Type': 'text/plain; charset=UTF-8',
      'Content-Length': Buffer.byteLength(text),
    })
    .end(text);
}
