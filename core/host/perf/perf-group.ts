// Counters of one group on one target: a processor, or a thread with what it starts. The first descriptor is the
// leader: switching it switches all, and one read of it gives all of them.

import { readSync } from 'node:fs';
import { assert } from '#core/assert.ts';
import {
  encodeAttr,
  groupReadBytes,
  PERF_IOC_DISABLE,
  PERF_IOC_ENABLE,
  PERF_IOC_FLAG_GROUP,
  rise64,
  scaledCount,
} from '#core/host/perf/perf-abi.ts';
import type { PerfCalls } from '#core/host/perf/perf-calls.ts';

const OFFSET_ENABLED = 8;
const OFFSET_RUNNING = 16;
const OFFSET_VALUES = 24;

/** An event with the number that this kernel knows it by. */
export interface KnownEvent {
  name: string;
  type: number;
  config: number;
  isUserOnly: boolean;
}

/** A processor (`pid` -1) or a thread (`cpu` -1). */
export interface PerfTarget {
  pid: number;
  cpu: number;
}

export class PerfGroup {
  /** Of the interval that the last `read` ended, ns: how long it was on, and how long on the hardware. */
  enabledNs = Number.NaN;
  runningNs = Number.NaN;
  readonly #calls: PerfCalls;
  readonly #fds: number[];
  #before: Buffer;
  #after: Buffer;

  private constructor(calls: PerfCalls, fds: number[]) {
    this.#calls = calls;
    this.#fds = fds;
    this.#before = Buffer.alloc(groupReadBytes(fds.length));
    this.#after = Buffer.alloc(groupReadBytes(fds.length));
  }

  /** Opens a group, switched off; -errno of the event that was refused when it cannot be. */
  static open(
    calls: PerfCalls,
    { pid, cpu }: PerfTarget,
    events: readonly KnownEvent[],
  ): PerfGroup | { errno: number; event: string } {
    assert(events.length > 0, 'a group has an event');
    const fds: number[] = [];
    for (const event of events) {
      const { type, config, isUserOnly } = event;
      const isDisabled = fds.length === 0;
      const attr = encodeAttr({ type, config, isUserOnly, isDisabled, isInherited: pid !== -1 });
      const fd = calls.open(attr, pid, cpu, fds[0] ?? -1);
      if (fd < 0) {
        for (const opened of fds) calls.close(opened);
        return { errno: -fd, event: event.name };
      }
      fds.push(fd);
    }
    return new PerfGroup(calls, fds);
  }

  get events(): number {
    return this.#fds.length;
  }

  enable(): void {
    this.#calls.ioctl(this.#fds[0]!, PERF_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
  }

  disable(): void {
    this.#calls.ioctl(this.#fds[0]!, PERF_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
  }

  /**
   * Ends the interval since the read before (the first: since it was opened) and begins the next. False when the
   * counters cannot be read: their processor was switched off.
   */
  read(): boolean {
    [this.#before, this.#after] = [this.#after, this.#before];
    const bytes = readSync(this.#fds[0]!, this.#after, 0, this.#after.length, null);
    if (bytes < this.#after.length) {
      [this.#before, this.#after] = [this.#after, this.#before];
      return false;
    }
    this.enabledNs = rise64(this.#before, this.#after, OFFSET_ENABLED);
    this.runningNs = rise64(this.#before, this.#after, OFFSET_RUNNING);
    return true;
  }

  /** How often an event happened in that interval, scaled; 0 when the group was off, NaN when it is not known. */
  count(index: number): number {
    if (this.enabledNs === 0) return 0;
    const rise = rise64(this.#before, this.#after, OFFSET_VALUES + 8 * index);
    return rise < 0 ? Number.NaN : scaledCount(rise, this.enabledNs, this.runningNs);
  }

  close(): void {
    // Members first: a leader that goes leaves its members counting alone.
    for (const fd of this.#fds.toReversed()) this.#calls.close(fd);
    this.#fds.length = 0;
  }
}
