// What is checked before anything is started: the machine against the file, the ports, and the store and
// bus that were named in the environment. A failure here is a sentence with a remedy, and nothing else.

import { createServer } from 'node:net';
import { connectBus } from '#core/bus/bus.ts';
import { WsarError } from '#core/errors.ts';
import type { LabEnvironment } from '#core/host/lab-environment.ts';
import { openStore } from '#core/store/store.ts';
import { type ExperimentFile, lineOf } from '#lab/experiment/experiment.ts';
import { readHostFacts } from '#lab/run/host-facts.ts';
import { hostError, type Sizing, sizeToHost } from '#lab/run/size-to-host.ts';

export interface Preflight {
  sizing: Sizing;
  /** Port for the server; 0 = any free one. */
  port: number;
}

/** @throws WsarError: exit 2 or 3 for the file and the host, 4 for a store or bus that does not answer. */
export async function preflight(
  source: ExperimentFile,
  environment: LabEnvironment,
  portOption: number | undefined,
): Promise<Preflight> {
  const { server } = source.experiment;
  const sizing = sizeToHost(source, factsFor(source));
  requireEffect(source, sizing);
  const port = portOption ?? (server.port === 'auto' ? 0 : server.port);
  const named =
    portOption === undefined ? `${source.file}:${lineOf(source, 'server.port')}` : '--port';
  if (port !== 0) await requireFreePort(port, named);
  if (environment.storeUrl !== undefined) await (await openStore(environment.storeUrl)).close();
  if (environment.busUrl !== undefined) {
    await (
      await connectBus(environment.busUrl, { clientId: `lab-preflight-${process.pid}` })
    ).close();
  }
  return { sizing, port };
}

/** The facts of this host; an engine that cannot run is told with the line that wants it. */
function factsFor(source: ExperimentFile): ReturnType<typeof readHostFacts> {
  try {
    return readHostFacts(source.experiment.server.engine);
  } catch (error) {
    if (!(error instanceof WsarError) || error.code !== 'WSAR_ERR_ENGINE') throw error;
    throw hostError(source, error.code, 'server.engine', error.message, error.hint);
  }
}

/** A knob that this engine ignores would measure nothing against nothing. */
function requireEffect(source: ExperimentFile, { workload }: Sizing): void {
  const { knob } = source.experiment;
  if (knob.name !== 'receive.arming' || workload.engine === 'ring') return;
  throw hostError(
    source,
    'WSAR_ERR_ENGINE',
    'knob.name',
    `receive.arming has no effect with engine ${workload.engine}`,
    'turn write.flush, or run where engine ring works (wsar doctor says why it does not)',
  );
}

async function requireFreePort(port: number, named: string): Promise<void> {
  const server = createServer();
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => resolve(undefined));
  });
  if (failure === undefined) {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return;
  }
  const isTaken = failure.code === 'EADDRINUSE';
  throw new WsarError(
    isTaken ? 'WSAR_ERR_PORT_IN_USE' : 'WSAR_ERR_LIMIT',
    isTaken
      ? `${named}: port ${port} on 127.0.0.1 is in use`
      : `${named}: port ${port} on 127.0.0.1 cannot be listened on: ${failure.message}`,
    'name another port, or auto for any free one',
    failure,
  );
}
