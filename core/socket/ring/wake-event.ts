// The eventfd of a reactor: other threads write to it, and the kernel does for every lane but the first
// when that lane has work. The first lane keeps a read of it in flight, so one sleep watches everything.

import { TAG } from '#core/socket/ring/connection-table.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import type { Ring } from '#core/socket/ring/ring.ts';
import { ringError } from '#core/socket/ring/ring.ts';
import { OP, SQE_CQE_SKIP_SUCCESS } from '#core/socket/ring/uapi.ts';

const COUNTER_BYTES = 8;

export class WakeEvent {
  readonly fd: number;
  isArmed = false;
  readonly #libc: Libc;
  readonly #counter: Mapping;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.fd = libc.eventFd();
    if (this.fd < 0) throw ringError('eventfd', -this.fd);
    this.#counter = libc.mapMemory(COUNTER_BYTES);
  }

  /** Puts the read in flight, if it is not. */
  arm(ring: Ring): void {
    if (this.isArmed) return;
    this.isArmed = true;
    ring.push(OP.read, this.fd, 0, this.#counter.address, COUNTER_BYTES, 0, 0, TAG.wake, 0);
    ring.quietOthers++;
  }

  cancel(ring: Ring): void {
    const head = OP.asyncCancel | (SQE_CQE_SKIP_SUCCESS << 8);
    const entry = ring.push(head, 0, 0, 0, 0, 0, 0, TAG.silent, 0);
    ring.patch(entry, 5, TAG.wake);
  }

  close(): void {
    this.#libc.close(this.fd);
    this.#counter.unmap();
  }
}
