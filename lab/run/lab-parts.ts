// The command lines of the parts, and how one knows that each is ready. They are the commands that a
// person would type; the lab has no other way to start them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment, type LabEnvironment } from '#core/host/lab-environment.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';
import type { Experiment } from '#lab/experiment/experiment.ts';
import type { Part, PartName, PartOptions } from '#lab/run/part.ts';
import { DEFAULT_LIMITS } from '#reference-server/limits.ts';

/** A part loads Node, its engine and, for the store, chDB; on a busy small machine that takes a while. */
export const READY_TIMEOUT_MS = 30_000;
/** The generator is stopped by us; its own end must not come first. */
const LOAD_SPARE_MS = 3_600_000;

/** Where a part is started, logs, and belongs to. */
export interface PartPlace {
  root: string;
  folder: string;
  environment: LabEnvironment;
}

export interface PartsContext extends PartPlace {
  experiment: Experiment;
  workload: RunRecord['workload'];
}

export function storePart(context: PartPlace): PartOptions {
  // The store of the state folder, which keeps the history of all runs.
  return part(context, 'store', ['store', '--port', '0']);
}

export function serverPart(context: PartsContext, port: number): PartOptions {
  const { workers, engine, connections } = context.workload;
  // The kernel spreads connections over the workers unevenly, and a closing one may still be counted.
  const room = Math.max(DEFAULT_LIMITS.connectionsMax, Math.ceil(connections * 1.2));
  const size = ['--workers', String(workers), '--engine', engine, '--connections', String(room)];
  return part(context, 'server', ['serve', '--port', String(port), ...size, '--lab']);
}

export function collectorPart(context: PartPlace): PartOptions {
  return part(context, 'collector', [
    'collect',
    '1',
    '--spool-folder',
    join(context.folder, 'spool'),
  ]);
}

export function loadPart(context: PartsContext, target: string): PartOptions {
  const { workload, experiment } = context;
  const { connections, ratePerS, rampPerS, payloadBytes, engine } = workload;
  const duration = `${Math.ceil((experiment.maxDurationMs + LOAD_SPARE_MS) / 1000)}s`;
  const what = ['--target', target, '--connections', String(connections), '--duration', duration];
  const how = [
    '--rate',
    `${ratePerS}/s`,
    '--ramp',
    `${rampPerS}/s`,
    '--payload',
    `${payloadBytes} B`,
  ];
  // One message costs what another does: what is compared is the knob.
  const plain = ['--scenario', 'one-to-one'];
  const late = ['--lateness-max', `${experiment.validity.latenessP99MsMax}ms`];
  const seed = ['--seed', String(experiment.seed), '--engine', engine, '--json'];
  return part(context, 'load', ['load', ...plain, ...what, ...how, ...late, ...seed]);
}

/** Waits for `ready http://...` and reads the url with its token from the file it names. */
export async function storeUrl(store: Part): Promise<string> {
  const [, file] = await store.line(/^url-file (.+)$/m, READY_TIMEOUT_MS);
  return readFileSync(file!, 'utf8').trim();
}

/** Waits for `ready mqtt://127.0.0.1:P`. */
export async function serverUrl(server: Part): Promise<string> {
  const [, url] = await server.line(/^ready (mqtt:\/\/\S+)$/m, READY_TIMEOUT_MS);
  return url!;
}

/** Waits for as many of these lines as there are ports, and joins them as the generator's target has it. */
export async function serverUrls(server: Part, ports: number): Promise<string> {
  const one = 'ready (mqtt:\\/\\/[^:]+):(\\d+)\\n';
  const all = await server.line(new RegExp(`^(?:${one}){${ports}}`), READY_TIMEOUT_MS);
  const found = [...all[0].matchAll(new RegExp(one, 'g'))];
  return `${found[0]![1]}:${found.map((match) => match[2]).join(',')}`;
}

/** A part with the command line `wsar ARGS...`. */
export function part(context: PartPlace, name: PartName, args: string[]): PartOptions {
  const { root, folder, environment } = context;
  return {
    name,
    command: [join(root, 'bin', 'wsar'), ...args],
    env: childEnvironment({ ...environment, hasLifeline: true }),
    logFile: join(folder, `${name}.log`),
  };
}
