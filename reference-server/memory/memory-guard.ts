// Refuses before the machine does: looks five times a second at what this process may still take of the host's memory
// (core/host/free-memory.ts) and at what it has, and says when new messages and logins are to be refused. What is
// there already goes on: reading, delivering, draining.
//
//   knob memory.reserve   free memory below it is too little; enough again at a quarter more of it
//   knob memory.resident  resident memory above it is too much; little enough again at nine tenths of it
//
// The budget `--memory` bounds what queues and buffers are known to take (home/home.ts); this bounds the rest too:
// tables that are touched for the first time, sockets in the kernel, other programs.

import type { Clock } from '#core/clock/clock.ts';
import { startTicker } from '#core/clock/ticker.ts';
import { readFreeBytes } from '#core/host/free-memory.ts';

const LOOK_INTERVAL_MS = 200;
const RESERVE_CLEAR = 1.25;
const RESIDENT_CLEAR = 0.9;

/** Settings in bytes, 0 = no bound. */
export interface MemoryBounds {
  reserveBytes: number;
  residentBytes: number;
}

export interface MemoryReadings {
  /** Bytes that can still be taken; undefined = not known, which refuses nothing. */
  freeBytes: number | undefined;
  residentBytes: number;
}

/** Whether memory is short now, given whether it was. */
export function isShort(
  was: boolean,
  { reserveBytes, residentBytes }: MemoryBounds,
  now: MemoryReadings,
): boolean {
  const reserve = reserveBytes * (was ? RESERVE_CLEAR : 1);
  const resident = residentBytes * (was ? RESIDENT_CLEAR : 1);
  if (residentBytes > 0 && now.residentBytes > resident) return true;
  return reserveBytes > 0 && now.freeBytes !== undefined && now.freeBytes < reserve;
}

export function readMemory(): MemoryReadings {
  return {
    freeBytes: readFreeBytes('/proc', '/sys/fs/cgroup'),
    residentBytes: process.memoryUsage.rss(),
  };
}

export interface MemoryGuardOptions {
  clock: Clock;
  bounds: () => MemoryBounds;
  /** Called when it begins and ends. */
  tell: (isShort: boolean) => void;
  read?: () => MemoryReadings;
}

export class MemoryGuard {
  /** The last readings. */
  readings: MemoryReadings;
  isShort = false;
  readonly #options: MemoryGuardOptions;
  readonly #read: () => MemoryReadings;
  readonly #stopTicker: () => void;

  constructor(options: MemoryGuardOptions) {
    this.#options = options;
    this.#read = options.read ?? readMemory;
    this.readings = this.#read();
    this.#stopTicker = startTicker(options.clock, LOOK_INTERVAL_MS, () => void this.look());
  }

  /** Reads and tells; also at once when a bound was turned. True when it has told something. */
  look(): boolean {
    this.readings = this.#read();
    const isNow = isShort(this.isShort, this.#options.bounds(), this.readings);
    if (isNow === this.isShort) return false;
    this.isShort = isNow;
    this.#options.tell(isNow);
    return true;
  }

  close(): void {
    this.#stopTicker();
  }
}
