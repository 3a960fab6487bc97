// Takes connections in: keeps the listeners' accepts in step with the room there is, and lets the few that
// came although the reactor was full (a connect took the last place, or accepting was just switched off)
// wait in their slots, unread, until there is room.

import { systemClock } from '#core/clock/clock.ts';
import { type ListenOptions, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { spreadAccepts } from '#core/socket/ring/accept-spread.ts';
import { FLAG, TAG } from '#core/socket/ring/connection-table.ts';
import type { Lane } from '#core/socket/ring/lane.ts';
import { Listener } from '#core/socket/ring/listener.ts';
import { openListeningSocket } from '#core/socket/ring/listening-socket.ts';
import type { RingParts } from '#core/socket/ring/parts.ts';
import { ECANCELED, OP } from '#core/socket/ring/uapi.ts';

interface Waiting {
  lane: Lane;
  slot: number;
  listener: number;
}

export class Reception {
  isAccepting = true;
  /** See `acceptBatch` of a reactor. */
  acceptBatch = 0;
  readonly #parts: RingParts;
  readonly #listeners: Listener[] = [];
  /** Bounded by the accepts that were armed when the room went: a few, or one completion queue. */
  #waiting: Waiting[] = [];
  #isFull = false;

  constructor(parts: RingParts) {
    this.#parts = parts;
  }

  listen(options: ListenOptions): { listener: number; port: number } {
    const { fd, port } = openListeningSocket(this.#parts.libc, options, this.#parts.settings);
    const index = this.#listeners.length;
    this.#listeners.push(new Listener(index, fd, port));
    return { listener: index, port };
  }

  /** Listening again changes the backlog of a socket that listens. */
  setBacklog(backlog: number): void {
    for (const { fd } of this.#listeners) this.#parts.libc.listen(fd, backlog);
  }

  /** See `acceptAmong` of a reactor. */
  spread(threads: number): void {
    for (const { fd } of this.#listeners) spreadAccepts(this.#parts.libc, fd, threads);
  }

  onAccept(lane: Lane, index: number, result: number, cqeFlags: number): void {
    const listener = this.#listeners[index]!;
    if (listener.onAccept(lane, result, cqeFlags, systemClock.monoUs() / 1000)) {
      if (this.#waiting.length === 0 && this.#hasRoom()) this.#announce(lane, result, index);
      else this.#waiting.push({ lane, slot: result, listener: index });
    } else if (result !== -ECANCELED) {
      this.#parts.stats[STAT.acceptRefused]!++;
    }
  }

  /** Announces those who wait, as far as there is room. */
  admit(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) {
      const { lane, slot, listener } = this.#waiting.shift()!;
      this.#announce(lane, slot, listener);
    }
  }

  /** Arms accepts or takes them back: once a turn. */
  regulate(nowMs: number): void {
    if (this.#listeners.length === 0) return;
    const { table, lanes, stats } = this.#parts;
    const isOpen = this.isAccepting && this.#waiting.length === 0;
    const room = isOpen ? table.capacity - table.used : 0;
    const isFull = this.isAccepting && room === 0;
    if (isFull && !this.#isFull) stats[STAT.acceptRefused]!++;
    this.#isFull = isFull;
    for (const listener of this.#listeners) {
      listener.regulate(lanes, room, nowMs, this.acceptBatch);
    }
  }

  /** Takes all accepts back and resets who waits; repeated until `isClosed`. */
  close(): void {
    this.isAccepting = false;
    for (const listener of this.#listeners) listener.cancel();
    for (const { lane, slot } of this.#waiting) {
      this.#parts.connections.pushReset(lane, slot);
      lane.ring.push(OP.close, 0, 0, 0, 0, 0, 0, TAG.silent, slot + 1);
      lane.used--;
    }
    this.#waiting = [];
  }

  /** True when no accept is with the kernel. */
  get isClosed(): boolean {
    return this.#listeners.every(({ outstanding }) => outstanding === 0);
  }

  /** Closes the listening sockets. */
  closeSockets(): void {
    for (const { fd } of this.#listeners) this.#parts.libc.close(fd);
  }

  #hasRoom(): boolean {
    const { table } = this.#parts;
    return this.isAccepting && table.used < table.capacity;
  }

  #announce(lane: Lane, slot: number, listener: number): void {
    const { table, stats, connections, settings } = this.#parts;
    const conn = table.take();
    table.lane[conn] = lane.index;
    table.slot[conn] = slot;
    table.flags[conn] = FLAG.hasSlot;
    stats[STAT.connections]!++;
    stats[STAT.accepted]!++;
    connections.opened(conn);
    settings.handler.onAccept(conn, listener);
  }
}
