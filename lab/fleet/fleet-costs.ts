// What one connection, login and message cost, from the record of a ladder: the largest step that was held, was not
// disturbed on purpose, and has all figures. A figure that a run cannot have is not made up: without it there is no
// plan. Pure.

import { WsarError } from '#core/errors.ts';
import type { LadderRecord, LadderStep } from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import type { Stated } from '#lab/fleet/assumption.ts';
import type { Ladder, PlannedStep } from '#lab/ladder/ladder.ts';

export interface FleetCosts {
  /** Users of the step: what one host has really held. */
  provenConnections: number;
  serverBytes: number;
  kernelBytes: number;
  loginUs: number;
  messageUs: number;
  /** TCP segments of one delivered message, both ways, with receipts and pings. */
  messagePackets: number;
  payloadBytes: number;
  keepAliveMs: number;
}

/** Values that a person gives instead of measured ones. */
export interface GivenCosts {
  connectionsMax?: number | undefined;
  serverBytes?: number | undefined;
  kernelBytes?: number | undefined;
  loginUs?: number | undefined;
  messageUs?: number | undefined;
  messagePackets?: number | undefined;
}

export interface CostsOfRun {
  costs: FleetCosts;
  stated: Stated[];
  notes: string[];
}

/** Below it, bytes of a user are mostly those of the processes. */
const USERS_TELLING = 200_000;
/** Of a run whose plan does not tell. */
const PAYLOAD_BYTES = 64;
const KEEP_ALIVE_MS = 1_200_000;
/** Where a ladder could not count: 2,000 users, 1,000 messages/s with receipts, in a network namespace. */
const MESSAGE_PACKETS = 7.8;

/** @throws WsarError WSAR_ERR_FILE when the record has no step to compute from. */
export function costsOf(record: LadderRecord, given: GivenCosts = {}): CostsOfRun {
  const step = largest(record.steps.filter(isTelling));
  if (step === undefined) {
    const held = record.steps.filter(({ outcome }) => outcome === 'held').length;
    throw new WsarError(
      'WSAR_ERR_FILE',
      held === 0
        ? `the ladder ${record.runId} has no step that was held: there is nothing to compute from`
        : `the ladder ${record.runId} has no undisturbed step with the figures of memory and CPU`,
      'name a ladder that held a step: run `npm run ladder`, or a smaller one (docs/tools/run.md)',
    );
  }
  // A step may have had fewer users than planned; what they do is the same in a phase.
  const steps: unknown = (record.plan as Partial<Ladder>).steps;
  const planned = Array.isArray(steps)
    ? (steps as (PlannedStep | null)[]).find((one) => one?.phase === step.phase)?.clients
    : undefined;
  const isOneEnd = step.engine === 'stack';
  const where = [step.phase, 'step', numberText(step.connections)].join(' ').trim();
  const kernel = step.kernelBytesPerUser! / (isOneEnd ? 1 : 2);
  const packets = isFigure(step.packetsPerS)
    ? step.packetsPerS / step.deliveredPerS!
    : MESSAGE_PACKETS;
  const costs: FleetCosts = {
    provenConnections: given.connectionsMax ?? step.connections,
    serverBytes: given.serverBytes ?? step.serverBytesPerUser!,
    kernelBytes: given.kernelBytes ?? kernel,
    loginUs: given.loginUs ?? step.serverCpuUsPerLogin!,
    messageUs: given.messageUs ?? step.serverCpuUsPerMessage!,
    messagePackets: given.messagePackets ?? packets,
    payloadBytes: planned?.payloadBytes ?? PAYLOAD_BYTES,
    keepAliveMs: planned?.keepAliveMs ?? KEEP_ALIVE_MS,
  };
  const stated = statedCosts(costs, given, step, `measured, ${where}`);
  return { costs, stated, notes: notesOf(step) };
}

/** What is to be said of each cost. */
function statedCosts(
  costs: FleetCosts,
  given: GivenCosts,
  step: LadderStep,
  measured: string,
): Stated[] {
  const line = (
    [name, what, unit]: [string, string, string],
    value: number,
    isGiven: boolean,
    source = measured,
  ): Stated => ({
    name,
    what,
    value,
    text: `${numberText(value)} ${unit}`.trimEnd(),
    source: isGiven ? 'given' : source,
  });
  const ends = step.engine === 'stack' ? 'clients have no kernel sockets' : 'half of both ends';
  const is = (key: keyof GivenCosts): boolean => given[key] !== undefined;
  const planned = 'plan of the run';
  return [
    line(
      ['--connections-max', 'connections of one host at most', ''],
      costs.provenConnections,
      is('connectionsMax'),
      'held by the run',
    ),
    line(
      ['--server-bytes', "server's memory of a connection", 'B'],
      costs.serverBytes,
      is('serverBytes'),
    ),
    line(
      ['--kernel-bytes', `kernel's memory of its end (${ends})`, 'B'],
      costs.kernelBytes,
      is('kernelBytes'),
    ),
    line(['--login-us', "server's CPU of a login", 'us'], costs.loginUs, is('loginUs')),
    line(['--message-us', "server's CPU of a delivery", 'us'], costs.messageUs, is('messageUs')),
    line(
      ['--message-packets', 'TCP segments of a delivery, both ways', ''],
      costs.messagePackets,
      is('messagePackets'),
      isFigure(step.packetsPerS) ? measured : 'counted elsewhere: docs/internet-scale.md',
    ),
    line(['payload', 'of a message', 'B'], costs.payloadBytes, false, planned),
    line(['keep-alive', 'between two pings', 's'], costs.keepAliveMs / 1000, false, planned),
  ];
}

/** Undefined of none. */
function largest(steps: LadderStep[]): LadderStep | undefined {
  return steps.toSorted((a, b) => a.connections - b.connections).at(-1);
}

function isTelling(step: LadderStep): boolean {
  const { outcome, disturbance, engine, connections, serverBytesPerUser, kernelBytesPerUser } =
    step;
  const { serverCpuUsPerLogin, serverCpuUsPerMessage, deliveredPerS } = step;
  return (
    outcome === 'held' &&
    // Records of before there were any lack it.
    (disturbance ?? null) === null &&
    typeof engine === 'string' &&
    [
      ...[connections, serverBytesPerUser, kernelBytesPerUser, deliveredPerS],
      ...[serverCpuUsPerLogin, serverCpuUsPerMessage],
    ].every(isFigure)
  );
}

/** A record is a file: what it says may be anything. */
function isFigure(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function notesOf({ connections, deliveredPerS, serverCpuUsPerMessage }: LadderStep): string[] {
  const notes = [
    `a message cost ${numberText(serverCpuUsPerMessage)} us at ${numberText(Math.round(deliveredPerS ?? 0))} ` +
      'messages/s; a busier server needs less, its turns serve more of them',
  ];
  if (connections >= USERS_TELLING) return notes;
  const users = numberText(connections);
  return [...notes, `with ${users} users, bytes of a user are mostly those of the processes`];
}
