// A running `wsar serve`: the server, its rows on the bus and on stdout, its knobs, and its end.

import { join } from 'node:path';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { type PublishedSource, publishSource } from '#core/bus/publish-source.ts';
import type { CommandContext } from '#core/cli/command.ts';
import { systemClock } from '#core/clock/clock.ts';
import { startTicker } from '#core/clock/ticker.ts';
import { WsarError } from '#core/errors.ts';
import { hostName } from '#core/host/host-name.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { watchLifeline } from '#core/host/lifeline.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import { offerKnobs } from '#core/knob/offer-knobs.ts';
import type { Row } from '#core/metric/row.ts';
import { type AclRules, readAclFile } from '#reference-server/access/acl.ts';
import { listenMetrics } from '#reference-server/report/open-metrics.ts';
import { SERVER_METRIC_DEFS } from '#reference-server/report/server-metrics.ts';
import { ServerRows } from '#reference-server/report/server-rows.ts';
import { SysPublisher } from '#reference-server/report/sys-publisher.ts';
import { Server, type ServerOptions } from '#reference-server/server.ts';
import { serverKnobs } from '#reference-server/server-knobs.ts';
import { savedText, startAutosave } from '#reference-server/snapshot/autosave.ts';
import { ServerAlerts } from '#reference-server/statistics/server-alerts.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { listenerUrl } from '#reference-server/transport/listener.ts';

const SOURCE = 'server';
const TICK_MS = 1000;

/** What is open beside the server and is closed at the end, last opened first. */
type Closer = () => Promise<void> | void;

/** Serves until `context.signal`, the loss of the parent or of the bus, or the death of a worker. */
export async function serve(
  context: CommandContext,
  options: ServerOptions,
  asJson: boolean,
): Promise<void> {
  const closers: Closer[] = [];
  let failure: unknown;
  try {
    const bus = await openBus(closers);
    const server = await startServer(context, options, closers);
    const startUs = systemClock.monoUs();
    const rows = new ServerRows(server, startUs);
    const source = bus === undefined ? undefined : await joinLab(bus, server, closers);
    for (const [index, plan] of options.listeners.entries()) {
      context.out(`ready ${listenerUrl(plan, server.ports[index]!)}\n`);
    }
    if (asJson) {
      const schema = { source: SOURCE, host: hostName(), metrics: SERVER_METRIC_DEFS };
      context.out(`${JSON.stringify({ schema })}\n`);
    }
    let values: Row['values'] = rows.values();
    const { metricsPort } = options;
    if (metricsPort !== undefined) {
      const loops = server.figures.map(({ reactorStats }) => reactorStats);
      const listener = await listenMetrics(metricsPort, () => ({
        values,
        sweep: rows.sweep,
        slow: rows.slow,
        loops,
      }));
      closers.push(() => listener.close());
      context.out(`metrics http://127.0.0.1:${listener.port}/metrics\n`);
    }
    const system = readsSystem(options) ? new SysPublisher(server, rows, startUs) : undefined;
    closers.push(watchAclFile(context, options, server), autosave(context, options, server));
    const alerts = new ServerAlerts();
    const stopTicker = startTicker(systemClock, TICK_MS, (tick) => {
      const row = rows.row(tick);
      values = row.values;
      for (const { name, isRaised, text } of alerts.observe(rows.alertFigures)) {
        context.talk(`wsar serve: alert ${name} ${isRaised ? 'raised' : 'cleared'}: ${text}\n`);
      }
      rows.alertsRaised = alerts.raised.size;
      if (system !== undefined) {
        const isLate = tick.missedTicks > 0;
        system.tick(row.values as Record<string, number>, alerts, tick.monoUs, isLate);
        rows.sysShed = system.shed;
      }
      source?.row(row);
      if (asJson) context.out(`${JSON.stringify(row)}\n`);
    });
    closers.push(stopTicker);
    await Promise.race([ended(context.signal), parentLost(), busLost(bus), server.failed]);
  } catch (error) {
    failure = error;
  }
  for (const close of closers.reverse()) {
    try {
      await close();
    } catch (error) {
      // Whatever else is open is closed all the same; what went wrong first is told last, with its exit code.
      if (failure !== undefined) context.talk(`wsar serve: ${(error as Error).message}\n`);
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

/** Whether anybody may read $SYS. */
function readsSystem({ access }: ServerOptions): boolean {
  const { system } = access.rules;
  return system === 'all' || system.length > 0;
}

/** SIGHUP reads the file of topics again; one that is wrong changes nothing and is told. */
function watchAclFile(context: CommandContext, { access }: ServerOptions, server: Server): Closer {
  const { aclFile, listenerAclFiles } = access;
  const files = new Set([aclFile, ...listenerAclFiles].filter((file) => file !== undefined));
  if (files.size === 0) return () => {};
  const reread = (): void => {
    try {
      const acls = new Map([...files].map((file) => [file, readAclFile(file)]));
      const of = (file: string | undefined): AclRules | undefined =>
        file === undefined ? undefined : acls.get(file);
      server.tellAcl(of(aclFile), listenerAclFiles.map(of));
      context.talk(`wsar serve: ${[...files].join(', ')} was read again\n`);
    } catch (error) {
      if (!(error instanceof WsarError)) throw error;
      context.talk(`wsar serve: ${error.message}; what was read before stays in force\n`);
    }
  };
  process.on('SIGHUP', reread);
  return () => void process.off('SIGHUP', reread);
}

/** Writes snapshots while the server runs, if it has a file for them. */
function autosave({ talk }: CommandContext, { snapshot }: ServerOptions, server: Server): Closer {
  if (snapshot === undefined) return () => {};
  const count = (stat: number): number =>
    server.figures.reduce((sum, { stats }) => sum + stats[stat]!, 0);
  return startAutosave({
    ...snapshot,
    clock: systemClock,
    save: () => server.save(),
    changes: () => count(STAT.received) + count(STAT.logins),
    talk,
  });
}

/** Starts the server and says what it runs on; its closer stops it and says what it did. */
async function startServer(
  context: CommandContext,
  options: ServerOptions,
  closers: Closer[],
): Promise<Server> {
  const startUs = systemClock.monoUs();
  const server = await Server.start(options);
  closers.push(async () => {
    try {
      const saved = await server.stop();
      if (saved !== undefined) context.talk(`wsar serve: ${savedText(saved)}\n`);
    } finally {
      const values = new ServerRows(server, startUs).values();
      context.talk(totals(values, (systemClock.monoUs() - startUs) / 1e6));
    }
  });
  const why = server.fallback === undefined ? '' : ` (${server.fallback})`;
  const threads = `${server.workers} worker${server.workers === 1 ? '' : 's'}`;
  context.talk(`wsar serve: engine ${server.engine}${why}, ${threads}\n`);
  const { users, messages, dropped } = server.saves.restored;
  if (users + messages + dropped > 0) {
    const what = `${users} users, ${messages} messages`;
    const lost = dropped === 0 ? '' : `; ${dropped} messages or subscriptions found no room`;
    context.talk(`wsar serve: ${what} taken from ${options.snapshot!.file}${lost}\n`);
  }
  return server;
}

/** Connects to the bus that the environment names; undefined outside a lab. */
async function openBus(closers: Closer[]): Promise<Bus | undefined> {
  const { busUrl } = readLabEnvironment();
  if (busUrl === undefined) return undefined;
  const bus = await connectBus(busUrl, { clientId: `serve-${hostName()}` });
  closers.push(() => bus.close());
  return bus;
}

/** Publishes the schema and offers the knobs. */
async function joinLab(bus: Bus, server: Server, closers: Closer[]): Promise<PublishedSource> {
  const { lab, runId } = readLabEnvironment();
  const host = hostName();
  const source = publishSource(bus, { lab, host, source: SOURCE, metrics: SERVER_METRIC_DEFS });
  const knobs = await offerKnobs({
    bus,
    lab,
    host,
    owner: SOURCE,
    // Settings die with the process, so the next server has nothing of this one's to put back.
    journalFile: join(stateSubfolder('knobs'), `server-${runId}-${process.pid}.json`),
    clock: systemClock,
    knobs: serverKnobs(server),
  });
  closers.push(() => knobs.close());
  return source;
}

/** Rejects when the bus is lost for good: nobody could read or turn this server any more. */
function busLost(bus: Bus | undefined): Promise<never> {
  return new Promise((_, reject) => {
    bus?.onLost(() =>
      reject(
        new WsarError(
          'WSAR_ERR_UNREACHABLE',
          'the bus of the lab was lost and did not come back',
          'see why its broker ended; the server has closed its connections',
        ),
      ),
    );
  });
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function parentLost(): Promise<never> {
  return new Promise((_, reject) => {
    watchLifeline(() =>
      reject(
        new WsarError(
          'WSAR_ERR_PARENT_LOST',
          'the process that started this server is gone',
          'see its log; the server has closed its connections',
        ),
      ),
    );
  });
}

/** One line for a person, at the end. */
function totals(values: Record<string, number>, seconds: number): string {
  const count = (name: string): number => values[`wsar.server.${name}`]!;
  return (
    `wsar serve: ${seconds.toFixed(1)} s, ${count('logins')} logins, ` +
    `${count('messages.received')} messages received, ${count('messages.delivered')} delivered, ` +
    `${count('queue.length')} still queued, ${count('receipts')} receipts, ` +
    `${count('malformed')} malformed, ${count('refused')} refused\n`
  );
}
