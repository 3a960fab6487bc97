// Takes connections in: listeners are watched only while there is room, so that what does not fit waits in the
// kernel's backlog. When the process is out of descriptors a listener rests for a while.

import type { EpollCalls } from '#core/socket/epoll/epoll-calls.ts';
import type { EpollConnections } from '#core/socket/epoll/epoll-connections.ts';
import { EPOLL, type EpollSet, OWNER } from '#core/socket/epoll/epoll-set.ts';
import type { EpollTable } from '#core/socket/epoll/epoll-table.ts';
import { listenError } from '#core/socket/listen-error.ts';
import { type ListenOptions, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { spreadAccepts } from '#core/socket/ring/accept-spread.ts';
import type { Libc } from '#core/socket/ring/libc.ts';
import { openListeningSocket, type SocketBuffers } from '#core/socket/ring/listening-socket.ts';
import { EAGAIN, ECONNABORTED, EINTR } from '#core/socket/ring/uapi.ts';

/** Connections of one listener that are taken in a turn. */
const ACCEPTS_MAX = 256;
/** How long accepting rests when the host has no descriptor or memory for another, ms. */
const REST_MS = 100;

interface Listener {
  fd: number;
  isWatched: boolean;
}

export class EpollReception {
  isAccepting = true;
  /** See `acceptBatch` of a reactor. */
  acceptBatch = 0;
  readonly #libc: Libc;
  readonly #calls: EpollCalls;
  readonly #set: EpollSet;
  readonly #table: EpollTable;
  readonly #connections: EpollConnections;
  readonly #buffers: SocketBuffers;
  readonly #stats: Float64Array;
  readonly #listeners: Listener[] = [];
  #isFull = false;
  #restsUntilMs = 0;

  constructor(
    libc: Libc,
    calls: EpollCalls,
    set: EpollSet,
    table: EpollTable,
    connections: EpollConnections,
    buffers: SocketBuffers,
    stats: Float64Array,
  ) {
    this.#buffers = buffers;
    this.#libc = libc;
    this.#calls = calls;
    this.#set = set;
    this.#table = table;
    this.#connections = connections;
    this.#stats = stats;
  }

  listen(options: ListenOptions): { listener: number; port: number } {
    const { fd, port } = openListeningSocket(this.#libc, options, this.#buffers);
    const listener = this.#listeners.length;
    const errno = -this.#set.add(fd, 0, listener, OWNER.listener);
    if (errno > 0) {
      this.#libc.close(fd);
      throw listenError(options, errno);
    }
    this.#listeners.push({ fd, isWatched: false });
    return { listener, port };
  }

  /** See `acceptAmong` of a reactor. */
  spread(threads: number): void {
    for (const { fd } of this.#listeners) spreadAccepts(this.#libc, fd, threads);
  }

  onEvent(index: number, nowMs: number): void {
    const listener = this.#listeners[index]!;
    const most = this.acceptBatch === 0 ? ACCEPTS_MAX : this.acceptBatch;
    for (let accepts = 0; accepts < most && this.#hasRoom(); accepts++) {
      this.#stats[STAT.enters]!++;
      const fd = this.#calls.accept(listener.fd);
      if (fd === -EAGAIN) return;
      if (fd >= 0) {
        const conn = this.#table.take();
        this.#stats[STAT.connections]!++;
        this.#connections.accepted(conn, fd, index);
      } else if (fd !== -EINTR) {
        this.#stats[STAT.acceptRefused]!++;
        if (fd === -ECONNABORTED) continue;
        this.#restsUntilMs = nowMs + REST_MS;
        return;
      }
    }
  }

  /** Watches the listeners or stops it: once a turn. Returns how long it may sleep, us. */
  regulate(nowMs: number): number {
    if (this.#listeners.length === 0) return Infinity;
    const isFull = this.isAccepting && this.#table.used === this.#table.capacity;
    if (isFull && !this.#isFull) this.#stats[STAT.acceptRefused]!++;
    this.#isFull = isFull;
    const restMs = this.#restsUntilMs - nowMs;
    const wanted = this.#hasRoom() && restMs <= 0;
    this.#listeners.forEach((listener, index) => {
      if (listener.isWatched === wanted) return;
      listener.isWatched = wanted;
      this.#set.modify(listener.fd, wanted ? EPOLL.in : 0, index, OWNER.listener);
    });
    return restMs > 0 ? restMs * 1000 : Infinity;
  }

  /** Closes the listening sockets. */
  close(): void {
    this.isAccepting = false;
    for (const { fd } of this.#listeners.splice(0)) this.#libc.close(fd);
  }

  #hasRoom(): boolean {
    return this.isAccepting && this.#table.used < this.#table.capacity;
  }
}
