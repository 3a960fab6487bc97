// The server's figures as OpenMetrics text (openmetrics.io, 1.0), and a listener that serves them: GET /metrics on
// loopback, for Prometheus and anything that reads its format. Names are those of the rows with '_' for '.',
// counters end in _total. Beside them the loop of each worker, and the longest mailboxes, by worker and row.
//
// The text is made when it is asked for, on the main thread: about 0.2 ms.

import { createServer } from 'node:http';
import type { Row } from '#core/metric/row.ts';
import { listenError } from '#core/socket/listen-error.ts';
import { REACTOR_STAT } from '#core/socket/reactor.ts';
import { SERVER_METRICS } from '#reference-server/report/server-metrics.ts';
import type { SweepResult } from '#reference-server/statistics/mailbox-sweep.ts';
import type { SlowReport } from '#reference-server/statistics/slow-receivers.ts';

const HOST = '127.0.0.1';
const CONTENT_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
/** Requests that are served at a time; others wait in the kernel or are refused. */
const CONNECTIONS_MAX = 16;

const LOOP_COUNTERS = [
  ['working_us', 'workUs', 'time that the worker worked'],
  ['spinning_us', 'spinUs', 'time that it looked for work in vain'],
  ['sleeping_us', 'sleepUs', 'time that it slept'],
  ['wakes', 'wakes', 'times that another thread woke it'],
  ['turns', 'turns', 'rounds of its loop'],
] as const;

const CLOCKS = {
  whole: 'from storing a message to its PUBACK, of slow receivers',
  internal: 'from storing it to sending it',
  response: 'from sending it to its PUBACK',
};

export interface Figures {
  values: Row['values'];
  sweep: SweepResult;
  slow: SlowReport;
  /** Of each worker's reactor; see REACTOR_STAT. */
  loops: readonly Float64Array[];
}

export interface MetricsListener {
  port: number;
  close(): Promise<void>;
}

/** Serves /metrics on 127.0.0.1; port 0 takes a free one. Throws WSAR_ERR_PORT_IN_USE. */
export async function listenMetrics(
  port: number,
  figures: () => Figures,
): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(openMetrics(figures()));
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(listenError({ host: HOST, port }, Math.abs(error.errno ?? 0))),
    );
    server.listen(port, HOST, resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The text, ended by `# EOF`. */
export function openMetrics({ values, sweep, slow, loops }: Figures): string {
  const lines: string[] = [];
  for (const { name, kind, help } of SERVER_METRICS) {
    const value = values[name];
    if (typeof value !== 'number') continue;
    const family = name.replaceAll('.', '_');
    lines.push(`# TYPE ${family} ${kind}`, `# HELP ${family} ${escapeHelp(help)}`);
    lines.push(`${family}${kind === 'counter' ? '_total' : ''} ${value}`);
  }
  for (const [name, stat, help] of LOOP_COUNTERS) {
    const family = `wsar_server_worker_${name}`;
    lines.push(`# TYPE ${family} counter`, `# HELP ${family} ${help}`);
    loops.forEach((stats, worker) => {
      lines.push(`${family}_total{worker="${worker}"} ${stats[REACTOR_STAT[stat]]}`);
    });
  }
  const top = (name: string, help: string, of: (at: number) => number): void => {
    const family = `wsar_server_mailbox_${name}`;
    lines.push(`# TYPE ${family} gauge`, `# HELP ${family} ${help}`);
    sweep.top.forEach(({ worker, row }, at) => {
      const value = of(at);
      if (!Number.isNaN(value))
        lines.push(`${family}{worker="${worker}",row="${row}"} ${text(value)}`);
    });
  };
  const report = (at: number) => sweep.top[at]!.report;
  top('length', 'messages of the longest mailboxes', (at) => report(at).length);
  top('oldest_seconds', 'age of their oldest message', (at) => report(at).oldestAgeS);
  top('delay_seconds', 'what a message that comes now waits', (at) => report(at).delayS);
  top('drain_seconds', 'when it is empty', (at) => report(at).drainS);
  for (const clock of ['whole', 'internal', 'response'] as const) {
    const family = `wsar_server_slow_receiver_${clock}_ms`;
    lines.push(`# TYPE ${family} gauge`, `# HELP ${family} ${CLOCKS[clock]}`);
    for (const receiver of slow.top) {
      const labels = `{worker="${receiver.worker}",row="${receiver.row}"}`;
      lines.push(`${family}${labels} ${receiver[`${clock}Ms`].toFixed(0)}`);
    }
  }
  lines.push('# EOF', '');
  return lines.join('\n');
}

function text(value: number): string {
  return value === Number.POSITIVE_INFINITY ? '+Inf' : String(value);
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
