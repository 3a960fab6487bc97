// Serves the values of the last tick at http://HOST:PORT/metrics. A scrape reads nothing of the host: it gets what the
// last tick left, and the text is made once a tick however many ask. Connections are few and short, so
// that readers that hang or flood cost a bounded amount.

import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OPENMETRICS_TYPE, openMetricsText } from '#collector/report/openmetrics.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import { listenError } from '#core/socket/listen-error.ts';

const CONNECTIONS_MAX = 16;
const REQUEST_TIMEOUT_MS = 5000;

export interface OpenMetricsServer {
  port: number;
  /** A tick is over; its values stand in the table until the next one. */
  tick(wallMs: number): void;
  close(): Promise<void>;
}

/** Listens; throws WSAR_ERR_PORT_IN_USE or WSAR_ERR_SYSTEM when the address cannot be had. */
export async function serveOpenMetrics(
  table: SampleTable,
  { host, port }: { host: string; port: number },
): Promise<OpenMetricsServer> {
  let wallMs = Number.NaN;
  let text: Buffer | undefined;
  const answer = (
    method: string | undefined,
    path: string | undefined,
    response: ServerResponse,
  ) => {
    if (path !== '/metrics') return end(response, 404, 'only /metrics is here\n');
    if (method !== 'GET' && method !== 'HEAD') return end(response, 405, 'only GET\n');
    if (Number.isNaN(wallMs)) return end(response, 503, 'no tick is over yet\n');
    text ??= Buffer.from(openMetricsText(table, wallMs));
    response.writeHead(200, { 'content-type': OPENMETRICS_TYPE, 'content-length': text.length });
    response.end(method === 'HEAD' ? undefined : text);
  };
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: REQUEST_TIMEOUT_MS,
    },
    ({ method, url }, response) => answer(method, url, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    tick(nowMs) {
      wallMs = nowMs;
      text = undefined;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(listenError({ host, port }, Math.abs(error.errno ?? 0)));
    });
    server.listen(port, host, resolve);
  });
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': text.length });
  response.end(text);
}
