// One epoll instance: descriptors in, events out. Connections are watched edge-triggered, from one call to the
// end of their life; listeners level-triggered, switched on and off. See epoll(7).

import { WsarError } from '#core/errors.ts';
import type { EpollCalls } from '#core/socket/epoll/epoll-calls.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import { EINTR } from '#core/socket/ring/uapi.ts';

export const EPOLL = {
  in: 0x001,
  out: 0x004,
  error: 0x008,
  hangUp: 0x010,
  /** The peer has ended its side. */
  readHangUp: 0x2000,
  edge: 1 << 31,
} as const;
const ADD = 1;
const MODIFY = 3;

/** Events that are taken in one call. */
const EVENTS_MAX = 1024;
/** The struct is packed on x86-64 alone (include/uapi/linux/eventpoll.h). */
const EVENT_WORDS = process.arch === 'x64' ? 3 : 4;
const DATA_WORD = EVENT_WORDS - 2;
const ENOSYS = 38;
const EPERM = 1;
const US_PER_MS = 1000;

/** What an event is about, in the high word of its data; connections have their generation there. */
export const OWNER = { listener: 0x10000, wake: 0x20000 } as const;

export class EpollSet {
  /** System calls so far. */
  calls = 0;
  readonly #calls: EpollCalls;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #memory: Mapping;
  readonly #words: Int32Array;
  /** Seconds are always 0. */
  readonly #timeout: BigInt64Array;
  /** The kernel can wait for microseconds. */
  #isFine = true;

  constructor(libc: Libc, calls: EpollCalls) {
    this.#calls = calls;
    this.#libc = libc;
    this.#fd = calls.create();
    if (this.#fd < 0) throw epollError('epoll_create1', -this.#fd);
    // The events, the one of a control call, a timespec.
    this.#memory = libc.mapMemory(EVENTS_MAX * EVENT_WORDS * 4 + 16 + 16);
    this.#words = new Int32Array(this.#memory.buffer, 0, EVENTS_MAX * EVENT_WORDS + 4);
    this.#timeout = new BigInt64Array(this.#memory.buffer, EVENTS_MAX * EVENT_WORDS * 4 + 16, 2);
  }

  /** Watches a descriptor; returns 0 or -errno. It ends with the descriptor. */
  add(fd: number, events: number, low: number, high: number): number {
    return this.#control(ADD, fd, events, low, high);
  }

  modify(fd: number, events: number, low: number, high: number): number {
    return this.#control(MODIFY, fd, events, low, high);
  }

  /** Waits up to `us` for events and hands each over; returns how many came. */
  wait(us: number): number {
    this.calls++;
    const count = this.#wait(us);
    if (count >= 0 || count === -EINTR) return Math.max(0, count);
    throw epollError('epoll_wait', -count);
  }

  /** Of the event at `index`: what happened, and the two words that it was added with. */
  eventsAt(index: number): number {
    return this.#words[index * EVENT_WORDS]!;
  }

  lowAt(index: number): number {
    return this.#words[index * EVENT_WORDS + DATA_WORD]!;
  }

  highAt(index: number): number {
    return this.#words[index * EVENT_WORDS + DATA_WORD + 1]!;
  }

  close(): void {
    this.#libc.close(this.#fd);
    this.#memory.unmap();
  }

  #wait(us: number): number {
    const { address } = this.#memory;
    if (us === 0) return this.#calls.wait(this.#fd, address, EVENTS_MAX, 0);
    if (this.#isFine) {
      this.#timeout[1] = BigInt(Math.ceil(us) * 1000);
      const timespec = address + EVENTS_MAX * EVENT_WORDS * 4 + 16;
      const count = this.#calls.waitFine(this.#fd, address, EVENTS_MAX, timespec);
      if (count !== -ENOSYS && count !== -EPERM) return count;
      // An old kernel, or a container whose profile does not know the call.
      this.#isFine = false;
    }
    return this.#calls.wait(this.#fd, address, EVENTS_MAX, Math.ceil(us / US_PER_MS));
  }

  #control(operation: number, fd: number, events: number, low: number, high: number): number {
    const at = EVENTS_MAX * EVENT_WORDS;
    this.#words[at] = events;
    this.#words[at + DATA_WORD] = low;
    this.#words[at + DATA_WORD + 1] = high;
    this.calls++;
    return this.#calls.control(this.#fd, operation, fd, this.#memory.address + at * 4);
  }
}

/** A call that only fails when the host is out of something. */
export function epollError(call: string, errno: number): WsarError {
  return new WsarError(
    'WSAR_ERR_SYSTEM',
    `${call} failed with errno ${errno}`,
    'The host is out of descriptors or memory: see ulimit -n and fs.epoll.max_user_watches (man 7 epoll).',
  );
}
