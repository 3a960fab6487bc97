// One run of `wsar tee`, from its first line to its summary: starts the tee, writes a row a second (stdout
// with --json, the bus in a lab), offers the share as a knob, and ends on a signal, after --duration, with
// the lab that started it, or when production cannot go on.

import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { type PublishedSource, publishSource } from '#core/bus/publish-source.ts';
import type { CommandContext } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { systemClock } from '#core/clock/clock.ts';
import { startTicker, type Tick } from '#core/clock/ticker.ts';
import { WsarError } from '#core/errors.ts';
import { hostName } from '#core/host/host-name.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { watchLifeline } from '#core/host/lifeline.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import type { KnobDef } from '#core/knob/knob.ts';
import { offerKnobs } from '#core/knob/offer-knobs.ts';
import type { Row } from '#core/metric/row.ts';
import { listenError } from '#core/socket/listen-error.ts';
import { startTee, type Tee, type TeeOptions } from '#tee-proxy/tee.ts';
import {
  type ProcessFigures,
  readFigures,
  readShadow,
  TEE_METRICS,
} from '#tee-proxy/tee-figures.ts';
import { summaryTable, type TeeSummary } from '#tee-proxy/tee-summary.ts';
import type { HostPort } from '#tee-proxy/tee-targets.ts';

export interface TeeSettings extends Omit<TeeOptions, 'clock' | 'onTrouble'> {
  /** Ends by itself after this time. */
  durationMs: number | undefined;
  isJson: boolean;
}

const SHARE_KNOB: KnobDef = {
  name: 'tee.share',
  type: { kind: 'float', min: 0, max: 1 },
  unit: '1',
  default: 1,
  help: 'share of connections that is copied; lowering it gives running copies up',
};

/**
 * Runs a tee until something ends it; returns after the summary.
 * @throws WsarError when it cannot start, and WSAR_ERR_PARENT_LOST when its lab is gone.
 */
export async function runTee(context: CommandContext, settings: TeeSettings): Promise<ExitCode> {
  const lab = readLabEnvironment();
  if (settings.workers > 1) await checkPortIsFree(settings.listen);
  const bus = lab.busUrl === undefined ? undefined : await openBus(lab.busUrl, context);
  try {
    const tee = await startTee({
      ...settings,
      clock: systemClock,
      onTrouble: (text) => context.talk(`wsar tee: ${text}\n`),
    });
    return await serve(context, settings, tee, bus);
  } finally {
    await bus?.close();
  }
}

async function serve(
  context: CommandContext,
  settings: TeeSettings,
  tee: Tee,
  bus: Bus | undefined,
): Promise<ExitCode> {
  const startUs = systemClock.monoUs();
  const lab = { lab: readLabEnvironment().lab, host: hostName() };
  const ended = untilEnded(context.signal, settings.durationMs, tee);
  const closers: (() => void | Promise<void>)[] = [];
  let error: Error | undefined;
  try {
    closers.push(() => tee.stop());
    const source =
      bus &&
      publishSource(bus, {
        ...lab,
        source: 'tee',
        metrics: TEE_METRICS.map(({ read: _, ...def }) => def),
      });
    if (bus !== undefined) {
      const knobs = await offerShare(bus, lab, tee);
      closers.push(() => knobs.close());
    }
    context.out(`ready tcp://${urlHost(settings.listen.host)}:${tee.port}\n`);
    closers.push(startRows(context, settings.isJson, tee, source));
    error = await ended;
  } finally {
    for (const close of closers.reverse()) await close();
  }
  const summary = summarize(settings, tee, startUs);
  context.out(settings.isJson ? `${JSON.stringify(summary)}\n` : summaryTable(summary));
  if (error !== undefined) throw error;
  return EXIT.ok;
}

/** What ends the run; resolves with the error to end with, if it is one. */
function untilEnded(
  signal: AbortSignal,
  durationMs: number | undefined,
  tee: Tee,
): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const stop = (): void => resolve(undefined);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    if (durationMs !== undefined) systemClock.after(durationMs, stop);
    void tee.failed.then(resolve);
    watchLifeline(() =>
      resolve(
        new WsarError(
          'WSAR_ERR_PARENT_LOST',
          'the lab that started this tee is gone',
          'start the lab again; the summary above is complete',
        ),
      ),
    );
  });
}

function startRows(
  context: CommandContext,
  isJson: boolean,
  tee: Tee,
  source: PublishedSource | undefined,
): () => void {
  let lastUs = systemClock.monoUs();
  return startTicker(systemClock, 1000, (tick: Tick) => {
    const row: Row = {
      wallMs: tick.wallMs,
      tick: tick.index,
      missedTicks: tick.missedTicks,
      intervalUs: Math.round(tick.monoUs - lastUs),
      values: readFigures(tee.memory, processFigures()),
    };
    lastUs = tick.monoUs;
    source?.row(row);
    if (isJson) context.out(`${JSON.stringify(row)}\n`);
  });
}

async function offerShare(
  bus: Bus,
  { lab, host }: { lab: string; host: string },
  tee: Tee,
): Promise<{ close(): Promise<void> }> {
  return await offerKnobs({
    bus,
    lab,
    host,
    owner: 'tee',
    journalFile: join(stateSubfolder('knobs'), `tee-${hostName(lab)}.journal`),
    clock: systemClock,
    knobs: [
      {
        def: SHARE_KNOB,
        read: () => tee.share,
        apply: async (value) => await tee.setShare(Number(value)),
      },
    ],
  });
}

/** The bus may go; production stays. */
async function openBus(url: string, context: CommandContext): Promise<Bus> {
  const bus = await connectBus(url, { clientId: 'tee' });
  bus.onLost(() => context.talk('wsar tee: the bus is lost; production goes on without rows\n'));
  return bus;
}

/** Several workers share the port, so a stranger's socket that shares it too would go unnoticed. */
async function checkPortIsFree({ host, port }: HostPort): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(listenError({ host, port }, -(error.errno ?? 0))),
    );
    server.listen({ host, port, exclusive: true }, resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}

function summarize(settings: TeeSettings, tee: Tee, startUs: number): TeeSummary {
  return {
    summary: 'tee',
    durationS: (systemClock.monoUs() - startUs) / 1e6,
    listen: `${urlHost(settings.listen.host)}:${tee.port}`,
    upstream: settings.upstream.name,
    engine: tee.engine,
    workers: settings.workers,
    values: readFigures(tee.memory, processFigures()),
    shadows: settings.shadows.map(({ name }, index) => ({
      name,
      ...readShadow(tee.memory, index),
    })),
  };
}

function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system, rssBytes: process.memoryUsage.rss() };
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
