// Sleeps until the device has a packet, another thread has rung the eventfd, or the time is over: ppoll
// with a time in nanoseconds, over two descriptors.
//
// Memory: two pollfd { fd i32, events i16, revents i16 }, a timespec { s i64, ns i64 }, the eventfd's counter.

import { loadLibc, type Mapping } from '#core/socket/ring/libc.ts';
import { loadTunCalls, type TunCalls } from '#core/socket/stack/tun-calls.ts';

const POLLIN = 1;
const POLLFD_BYTES = 8;
const TIMESPEC_OFFSET = 16;
const COUNTER_OFFSET = 32;
const COUNTER_BYTES = 8;
const MEMORY_BYTES = 40;
const US_PER_S = 1_000_000;

export class DeviceWait {
  readonly #calls: TunCalls = loadTunCalls();
  readonly #eventFd: number;
  readonly #memory: Mapping = loadLibc().mapMemory(MEMORY_BYTES);
  readonly #words: Int32Array;
  readonly #events: Int16Array;

  constructor(deviceFd: number, eventFd: number) {
    this.#eventFd = eventFd;
    this.#words = new Int32Array(this.#memory.buffer, 0, MEMORY_BYTES / 4);
    this.#events = new Int16Array(this.#memory.buffer, 0, TIMESPEC_OFFSET / 2);
    this.#words[0] = deviceFd;
    this.#words[POLLFD_BYTES / 4] = eventFd;
    this.#events[2] = POLLIN;
    this.#events[6] = POLLIN;
  }

  /** Sleeps at most so long, us. */
  sleep(us: number): void {
    const words = this.#words;
    const seconds = Math.floor(us / US_PER_S);
    words[TIMESPEC_OFFSET / 4] = seconds;
    words[TIMESPEC_OFFSET / 4 + 2] = Math.floor(us - seconds * US_PER_S) * 1000;
    const { address } = this.#memory;
    const ready = this.#calls.poll(address, 2, address + TIMESPEC_OFFSET);
    if (ready > 0 && this.#events[7] !== 0) {
      this.#calls.read(this.#eventFd, address + COUNTER_OFFSET, COUNTER_BYTES);
    }
  }

  close(): void {
    this.#memory.unmap();
  }
}
