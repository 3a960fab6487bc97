// Turns `auto` into numbers that this host bears, and refuses numbers that it does not, before anything is
// started. Pure: the facts come in, the sentences about them go out with the result.
//
// Figures behind it (docs/internals/run.md): a loopback connection costs the kernel about 9 KiB for both
// ends; with engine net our two processes add their socket objects; the parts themselves need a base.

import { WsarError } from '#core/errors.ts';
import type { KernelEngineName } from '#core/socket/reactor.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';
import { type Experiment, type ExperimentFile, lineOf } from '#lab/experiment/experiment.ts';
import { messagesNeeded } from '#lab/experiment/read-experiment.ts';
import type { HostFacts } from '#lab/run/host-facts.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Memory of one connection, both ends, kernel and ours. */
const CONNECTION_BYTES: Record<KernelEngineName, number> = {
  ring: 10 * KIB,
  epoll: 11 * KIB,
  net: 36 * KIB,
};
/** Store, server, generator, collector and lab without connections, and a reserve for the host. */
const BASE_BYTES = 1.5 * GIB;
/** Connections and messages a core when the file says auto: half of what two cores were seen to bear. */
const CONNECTIONS_PER_CORE: Record<KernelEngineName, number> = {
  ring: 12_500,
  epoll: 9000,
  net: 4000,
};
const RATE_PER_CORE: Record<KernelEngineName, number> = { ring: 2000, epoll: 1500, net: 750 };
const CONNECTIONS_AUTO_MAX = 200_000;
const RATE_AUTO_MAX = 20_000;
const RAMP_PER_CORE: Record<KernelEngineName, number> = { ring: 2500, epoll: 2000, net: 1000 };
/** Of what the memory bears, `auto` takes a quarter: somebody else may live here. */
const MEMORY_SHARE = 0.25;
/** Descriptors that a process of ours needs beside its connections. */
const DESCRIPTORS_BASE = 512;

export interface Sizing {
  workload: RunRecord['workload'];
  /** How `auto` was filled in, one sentence each. */
  sentences: string[];
}

/** @throws WsarError WSAR_ERR_MEMORY, WSAR_ERR_LIMIT or WSAR_ERR_FILE with file, line and remedy. */
export function sizeToHost(source: ExperimentFile, facts: HostFacts): Sizing {
  const { experiment } = source;
  const { engine, reason } = facts.engine;
  const sentences = [`engine ${engine}: ${reason}`];
  const connections = sizeConnections(source, facts, sentences);
  const ratePerS = sizeRate(source, facts, connections, sentences);
  const { load, server } = experiment;
  const rampPerS = load.rampPerS === 'auto' ? RAMP_PER_CORE[engine] * facts.cores : load.rampPerS;
  const workers = server.workers === 'auto' ? facts.cores : server.workers;
  return {
    workload: { connections, ratePerS, rampPerS, workers, engine, payloadBytes: load.payloadBytes },
    sentences,
  };
}

function sizeConnections(source: ExperimentFile, facts: HostFacts, sentences: string[]): number {
  const { engine } = facts.engine;
  const wanted = source.experiment.load.connections;
  const memoryMax = connectionsInMemory(facts);
  const descriptorsMax = connectionsInDescriptors(facts);
  if (wanted === 'auto') {
    const perCore = CONNECTIONS_PER_CORE[engine];
    const bounds: [number, string][] = [
      [perCore * facts.cores, `${numberText(perCore)} a core on ${facts.cores} cores`],
      [CONNECTIONS_AUTO_MAX, 'the most that auto takes'],
      [Math.floor(memoryMax * MEMORY_SHARE), 'a quarter of what the free memory bears'],
      [descriptorsMax, `the descriptors of one process (${numberText(facts.descriptors ?? null)})`],
    ];
    const [connections, why] = bounds.reduce((least, bound) =>
      bound[0] < least[0] ? bound : least,
    );
    if (connections < 2) throw tooLittleMemory(source, facts, 2, memoryMax);
    sentences.push(`${numberText(connections)} connections: ${why}`);
    return connections;
  }
  if (wanted > memoryMax) throw tooLittleMemory(source, facts, wanted, memoryMax);
  if (wanted > descriptorsMax) {
    throw hostError(
      source,
      'WSAR_ERR_LIMIT',
      'load.connections',
      `${numberText(wanted)} connections with engine ${facts.engine.engine} need as many descriptors in one process, ` +
        `which may have ${numberText(facts.descriptors ?? null)}`,
      `give at most ${numberText(descriptorsMax)}, raise RLIMIT_NOFILE, or use engine ring where it runs`,
    );
  }
  return wanted;
}

function sizeRate(
  source: ExperimentFile,
  facts: HostFacts,
  connections: number,
  sentences: string[],
): number {
  const { experiment } = source;
  if (experiment.load.ratePerS !== 'auto') return experiment.load.ratePerS;
  const { engine } = facts.engine;
  const needed = messagesNeededPerS(experiment);
  const borne = Math.min(RATE_AUTO_MAX, RATE_PER_CORE[engine] * facts.cores);
  if (needed > borne) {
    throw hostError(
      source,
      'WSAR_ERR_LIMIT',
      'design.block.measure',
      `the metrics need ${numberText(needed)} messages/s in blocks of ` +
        `${experiment.design.measureMs / 1000} s, and auto takes at most ${numberText(borne)}/s here`,
      'measure longer, judge a lower percentile, or give load.rate yourself',
    );
  }
  sentences.push(
    `${numberText(borne)} messages/s: ${numberText(RATE_PER_CORE[engine])} a core, ` +
      `each of ${numberText(connections)} users one every ${numberText(connections / borne)} s`,
  );
  return borne;
}

/** Messages a second that the percentiles of the experiment need in a block. */
function messagesNeededPerS({ metrics, design }: Experiment): number {
  const needed = [metrics.primary, ...metrics.guardrail].map(messagesNeeded);
  return Math.ceil((Math.max(...needed) / design.measureMs) * 1000);
}

/** Connections that the free memory bears; no bound where the host does not tell. */
export function connectionsInMemory({
  freeBytes,
  engine,
}: Pick<HostFacts, 'freeBytes' | 'engine'>): number {
  if (freeBytes === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, Math.floor((freeBytes - BASE_BYTES) / CONNECTION_BYTES[engine.engine]));
}

/** Ring keeps its sockets outside the descriptor table; the others need one each in one process. */
export function connectionsInDescriptors({
  descriptors,
  engine,
}: Pick<HostFacts, 'descriptors' | 'engine'>): number {
  if (engine.engine === 'ring' || descriptors === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, descriptors - DESCRIPTORS_BASE);
}

function tooLittleMemory(
  source: ExperimentFile,
  facts: HostFacts,
  wanted: number,
  most: number,
): WsarError {
  const needed = BASE_BYTES + wanted * CONNECTION_BYTES[facts.engine.engine];
  const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;
  return hostError(
    source,
    'WSAR_ERR_MEMORY',
    'load.connections',
    `${numberText(wanted)} connections need about ${gib(needed)} with engine ${facts.engine.engine}, ` +
      `and ${gib(facts.freeBytes ?? 0)} are free`,
    most >= 2 ? `give at most ${numberText(most)}, or free memory` : 'free memory',
  );
}

/** An error about this host, at the line of the file that asks too much of it. */
export function hostError(
  source: ExperimentFile,
  code: 'WSAR_ERR_MEMORY' | 'WSAR_ERR_LIMIT' | 'WSAR_ERR_ENGINE' | 'WSAR_ERR_PORT_IN_USE',
  path: string,
  message: string,
  hint: string,
): WsarError {
  return new WsarError(code, `${source.file}:${lineOf(source, path)}: ${message}`, hint);
}
