// The options of a reactor with their defaults filled in and checked: both engines start from these.

import { assert } from '#core/assert.ts';
import type { ReactorHandler, ReactorOptions, SourcePorts } from '#core/socket/reactor.ts';

/** `ReactorOptions` with nothing left open. `laneSlotsMax` 0 = what the host allows. */
export interface ReactorSettings {
  handler: ReactorHandler;
  capacity: number;
  outputBytesMax: number;
  outputBytesTotalMax: number;
  receiveBufferBytes: number;
  receiveBuffersPerLane: number;
  laneSlotsMax: number;
  ownsThread: boolean;
  arming: 'poll' | 'recv';
  flush: 'turn' | 'immediate';
  flushDelayUs: number;
  gatherUs: number;
  spinUs: number;
  socketSendBytes: number;
  socketReceiveBytes: number;
  /** Undefined = the kernel's own range. */
  sourcePorts: SourcePorts | undefined;
}

const KIB = 1024;
const MIB = 1024 * KIB;
/** Highest connection number that fits beside the generation in a completion's user data. */
export const CAPACITY_MAX = 0x7fffffff;

/** Longest that output waits for company. */
export const FLUSH_DELAY_US_MAX = 100_000;
/** Longest gathering of events. */
export const GATHER_US_MAX = 100_000;
/** Longest look for work before a sleep. */
export const SPIN_US_MAX = 100_000;

/** Fills defaults in; an impossible value is a programmer's error. */
export function settleOptions(options: ReactorOptions): ReactorSettings {
  const settings: ReactorSettings = {
    handler: options.handler,
    capacity: options.capacity,
    outputBytesMax: options.outputBytesMax ?? 64 * KIB,
    outputBytesTotalMax: options.outputBytesTotalMax ?? 64 * MIB,
    receiveBufferBytes: options.receiveBufferBytes ?? 4 * KIB,
    receiveBuffersPerLane: options.receiveBuffersPerLane ?? 256,
    laneSlotsMax: options.laneSlotsMax ?? 0,
    ownsThread: options.ownsThread ?? true,
    arming: options.arming ?? 'poll',
    flush: options.flush ?? 'turn',
    flushDelayUs: options.flushDelayUs ?? 0,
    gatherUs: options.gatherUs ?? 0,
    spinUs: options.spinUs ?? 0,
    socketSendBytes: options.socketSendBytes ?? 0,
    socketReceiveBytes: options.socketReceiveBytes ?? 0,
    sourcePorts: options.sourcePorts,
  };
  assertCount(settings.capacity, 1, CAPACITY_MAX, 'capacity');
  assertCount(settings.outputBytesMax, 1, 1024 * MIB, 'outputBytesMax');
  assertCount(
    settings.outputBytesTotalMax,
    settings.outputBytesMax,
    64 * 1024 * MIB,
    'outputBytesTotalMax',
  );
  assertCount(settings.receiveBufferBytes, 64, 16 * MIB, 'receiveBufferBytes');
  assertCount(settings.receiveBuffersPerLane, 1, 32768, 'receiveBuffersPerLane');
  assertCount(settings.flushDelayUs, 0, FLUSH_DELAY_US_MAX, 'flushDelayUs');
  assertCount(settings.gatherUs, 0, GATHER_US_MAX, 'gatherUs');
  assertCount(settings.spinUs, 0, SPIN_US_MAX, 'spinUs');
  assertCount(settings.socketSendBytes, 0, 1024 * MIB, 'socketSendBytes');
  assertCount(settings.socketReceiveBytes, 0, 1024 * MIB, 'socketReceiveBytes');
  if (settings.sourcePorts !== undefined) {
    const { min, max } = settings.sourcePorts;
    assertCount(max, 1, 0xffff, 'sourcePorts.max');
    assertCount(min, 1, max, 'sourcePorts.min');
  }
  assertCount(settings.laneSlotsMax, 0, 1 << 20, 'laneSlotsMax');
  return settings;
}

function assertCount(value: number, min: number, max: number, name: string): void {
  assert(
    Number.isInteger(value) && value >= min && value <= max,
    `${name} is a whole number from ${min} to ${max}, not ${value}`,
  );
}
