// The command lines of the two parts that each step of a ladder has for itself.

import type { Ladder } from '#lab/ladder/ladder.ts';
import { type PartPlace, part } from '#lab/run/lab-parts.ts';
import type { PartOptions } from '#lab/run/part.ts';
import { DEFAULT_LIMITS } from '#reference-server/limits.ts';

/** The generator is stopped by us; its own end must not come first. */
const LOAD_DURATION_S = 86_400;
/** The kernel spreads connections over workers unevenly. */
const ROOM_RATIO = 1.25;

export interface Engines {
  server: string;
  load: string;
  workers: number;
}

export function ladderServer(place: PartPlace, engines: Engines, connections: number): PartOptions {
  const room = Math.max(DEFAULT_LIMITS.connectionsMax, Math.ceil(connections * ROOM_RATIO));
  const users = Math.max(DEFAULT_LIMITS.usersMax, Math.ceil(connections * ROOM_RATIO));
  const size = ['--connections', String(room), '--users', String(users)];
  const how = ['--workers', String(engines.workers), '--engine', engines.server];
  return part(place, 'server', ['serve', '--port', '0', '--lab', ...how, ...size]);
}

export function ladderLoad(
  place: PartPlace,
  ladder: Ladder,
  engines: Engines,
  connections: number,
  target: string,
): PartOptions {
  const { load, seed, stop } = ladder;
  const args = [
    ['--target', target, '--connections', String(connections), '--duration', `${LOAD_DURATION_S}s`],
    ['--rate', `${load.ratePerS}/s`, '--payload', `${load.payloadBytes} B`],
    ['--keepalive', `${load.keepAliveMs / 1000}s`, '--seed', String(seed)],
    ['--engine', engines.load, '--workers', String(load.workers)],
    ['--lateness-max', `${stop.latenessP99MsMax}ms`, '--json'],
    load.rampPerS === 'auto' ? [] : ['--ramp', `${load.rampPerS}/s`],
    load.rttMs === 0 ? [] : ['--rtt', `${load.rttMs}ms`],
    load.jitterMs === 0 ? [] : ['--jitter', `${load.jitterMs}ms`],
    load.lossRatio === 0 ? [] : ['--loss', `${load.lossRatio * 100}%`],
  ];
  return part(place, 'load', ['load', ...args.flat()]);
}
