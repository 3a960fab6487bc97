// Accepting on one listening socket, armed on one lane at a time: whichever has room.
//
// A multishot accept takes whatever comes and lets the kernel pick the slots; a connection that finds the
// table full is accepted and dropped. So it is armed only while the lane and the reactor have more room
// than one enter can fill (it stops when the completion queue is full); nearer to the end a few single
// accepts are armed, never more than there is room. When there is none, connections wait in the backlog
// of the listening socket, and nothing is lost.

import { TAG } from '#core/socket/ring/connection-table.ts';
import type { Lane } from '#core/socket/ring/lane.ts';
import {
  ACCEPT_MULTISHOT,
  CANCEL_ALL,
  CQE_MORE,
  ECANCELED,
  ECONNABORTED,
  FILE_INDEX_ALLOC,
  OP,
  SQE_CQE_SKIP_SUCCESS,
} from '#core/socket/ring/uapi.ts';

const HEAD_ACCEPT = OP.accept;
const HEAD_ACCEPT_MULTI = OP.accept | (ACCEPT_MULTISHOT << 16);
const HEAD_CANCEL = OP.asyncCancel | (SQE_CQE_SKIP_SUCCESS << 8);
/** Single accepts armed at a time; the kernel wakes one per connection (its accept poll is exclusive). */
const SINGLES_MAX = 16;
/** After a failure that will last (no descriptors, no memory) accepting waits this long, ms. */
const FAILURE_PAUSE_MS = 100;

export class Listener {
  readonly index: number;
  readonly fd: number;
  readonly port: number;
  /** Accepts with the kernel. */
  outstanding = 0;
  /** When a pause after a failure ends, ms; 0 = none. */
  pausedUntilMs = 0;
  #lane: Lane | undefined;
  #isMulti = false;

  constructor(index: number, fd: number, port: number) {
    this.index = index;
    this.fd = fd;
    this.port = port;
  }

  /**
   * Arms accepts, or takes them back, by the room there is: once a turn. `room` is that of the reactor, 0
   * when it does not accept; `batch` see `acceptBatch` of a reactor.
   */
  regulate(lanes: Lane[], room: number, nowMs: number, batch = 0): void {
    if (this.outstanding > 0) {
      const laneRoom = this.#isMulti ? Math.min(room, this.#lane!.freeSlots) : room;
      const isTooMany = this.#isMulti ? batch > 0 : batch > 0 && this.outstanding > batch;
      const hasRoom = laneRoom >= (this.#isMulti ? multishotRoom(this.#lane!) : 1);
      if (isTooMany || !hasRoom) this.cancel();
      return;
    }
    if (room <= 0 || nowMs < this.pausedUntilMs) return;
    const lane = laneForAccept(lanes);
    if (lane === undefined) return;
    this.#lane = lane;
    this.#isMulti = batch === 0 && Math.min(room, lane.freeSlots) >= multishotRoom(lane);
    if (this.#isMulti) {
      this.#push(HEAD_ACCEPT_MULTI);
      return;
    }
    const singles = Math.min(room, lane.tableRoom, batch === 0 ? SINGLES_MAX : batch);
    lane.promised += singles;
    for (let armed = 0; armed < singles; armed++) this.#push(HEAD_ACCEPT);
  }

  /** A completion: true when it brings a connection, whose slot counts as used on its lane from here on. */
  onAccept(lane: Lane, result: number, cqeFlags: number, nowMs: number): boolean {
    if (!this.#isMulti) lane.promised--;
    if ((cqeFlags & CQE_MORE) === 0) this.outstanding--;
    if (result >= 0) {
      lane.used++;
      return true;
    }
    const isPassing = result === -ECANCELED || result === -ECONNABORTED;
    if (!isPassing) this.pausedUntilMs = nowMs + FAILURE_PAUSE_MS;
    return false;
  }

  /** Takes the accepts back; their completions tell when they are gone. */
  cancel(): void {
    if (this.outstanding === 0) return;
    const { ring } = this.#lane!;
    const entry = ring.push(HEAD_CANCEL, 0, 0, this.index, 0, CANCEL_ALL, 0, TAG.silent, 0);
    ring.patch(entry, 5, TAG.accept);
  }

  #push(head: number): void {
    this.outstanding++;
    const { ring } = this.#lane!;
    ring.push(head, this.fd, 0, 0, 0, 0, this.index, TAG.accept, FILE_INDEX_ALLOC);
  }
}

/** The fullest lane that can take a burst, so that few lanes are busy; else the one with most room. */
function laneForAccept(lanes: Lane[]): Lane | undefined {
  let roomiest: Lane | undefined;
  let fullest: Lane | undefined;
  for (const lane of lanes) {
    const room = lane.freeSlots;
    if (lane.tableRoom > 0 && (roomiest === undefined || room > roomiest.freeSlots)) {
      roomiest = lane;
    }
    const takesBurst = room >= multishotRoom(lane);
    if (takesBurst && (fullest === undefined || room < fullest.freeSlots)) fullest = lane;
  }
  return fullest ?? roomiest;
}

/** One enter fills at most the completion queue, and one more enter may run before the next look. */
function multishotRoom(lane: Lane): number {
  return 2 * lane.ring.cqEntries + 2;
}
