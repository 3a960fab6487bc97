// The turns of a ring reactor: enter lanes, take completions, call handlers, flush, sleep.
//
// A turn: every lane that has something to submit or to bring out is entered without waiting, and all its
// completions are taken before the next lane is entered (see receive-buffers.ts); receives that a poll asked
// for follow in the same turn, and what polls tell of meanwhile: what a connection is sent leaves in one piece at the
// end of a turn, so a busy server's long turns save sends, which are half of what a message costs.
//
// Then deadlines, the wake of another thread, `onTurn`, the flush. When no lane
// has work the loop sleeps in the first lane; the other lanes ring an eventfd that the first one reads, and
// are muted while the loop is awake.
//
// The sends of the first lane leave with the call that sleeps: a socket with room takes what it is given, so
// as many completions are there at once, and the call waits for one more. A socket that had no room or took a
// part breaks that count: such a sleep is never longer than SEND_SLEEP_US. Sends that somebody waits for do
// not leave so; nor do any on a quiet server, which that short sleep would wake for nothing (send-plan.ts). What
// the sends take counts as sleep (`sleepUs`). With `gatherUs` the call waits for more events
// than one, for that time at most since the last turn: fewer, longer turns cost less CPU a message. It rests where that
// is in vain (see gathering.ts).
//
// A thread of its own is blocked while it sleeps, but never longer than 200 ms, and it goes back to libuv
// ten times a second, so that messages of its worker are served and the worker can be terminated.

import { systemClock } from '#core/clock/clock.ts';
import { CLOSE_REASON, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { TAG, tagOf } from '#core/socket/ring/connection-table.ts';
import { Gathering } from '#core/socket/ring/gathering.ts';
import type { Lane } from '#core/socket/ring/lane.ts';
import type { RingParts } from '#core/socket/ring/parts.ts';
import { Reception } from '#core/socket/ring/reception.ts';
import type { Ring } from '#core/socket/ring/ring.ts';
import { SendPlan } from '#core/socket/ring/send-plan.ts';
import {
  DEADLINES_PER_TURN,
  POLL_INTERVAL_US,
  runTurns,
  SLEEP_US_MAX,
  STOPS_PER_TURN,
  TurnCounter,
} from '#core/socket/turns.ts';

/** Completions after which the kernel is told that their entries are free again. */
const HEAD_STORE_INTERVAL = 64;
/** Longest sleep that sends leave with. */
const SEND_SLEEP_US = 2000;
/** Events that end the gathering early: a turn's worth. */
const GATHER_EVENTS = 64;
/** So few that their buffers are still in the core's cache when they are served. */
const RECEIVES_AT_ONCE = 64;
/** Ends a turn: 1,024 receives, as many as engine epoll serves events in one. */
const RECEIVE_ROUNDS_MAX = 16;
/** The kernel runs 20 pieces of work in an enter and says nothing of the rest (see ring.ts). */
const WARM_COMPLETIONS = 16;

export class Loop {
  readonly reception: Reception;
  readonly #turns: TurnCounter;
  #isStopping = false;
  #stopCursor = 0;
  readonly #parts: RingParts;
  readonly #gathering = new Gathering();
  /** Events that had been served when the last sleep began. */
  #served = 0;
  readonly #sendPlan = new SendPlan(SEND_SLEEP_US);
  /** Sends have left before the sleep that comes. */
  #hasSent = false;
  /** How long the next turn may sleep. */
  #sleepUs = 0;
  #turnEndUs = 0;
  /** Of this turn. */
  #spunUs = 0;
  /** The last turn took completions. */
  #wasBusy = true;
  // Made once: a turn makes no closure.
  readonly #settle = (conn: number): void => this.#parts.connections.settle(conn);
  readonly #onDeadline = (conn: number): void => this.#parts.connections.onDeadline(conn);
  readonly #onStarvedFed = (conn: number): void => this.#parts.connections.onStarvedFed(conn);

  constructor(parts: RingParts) {
    this.#parts = parts;
    this.#turns = new TurnCounter(parts.stats);
    this.reception = new Reception(parts);
  }

  /** Serves until `stop()`; nothing of the reactor is in flight when it resolves. */
  async run(): Promise<void> {
    const { ownsThread } = this.#parts.settings;
    this.#turnEndUs = systemClock.monoUs();
    for (const lane of this.#parts.lanes.slice(1)) {
      lane.ring.muteEvents();
      lane.ring.registerEventFd(this.#parts.wakeEvent.fd);
    }
    const turning = {
      isEnded: () => this.#isEnded(),
      isIdle: () => !this.#wasBusy && this.#sleepUs >= POLL_INTERVAL_US,
      turn: (maySleep: boolean) => this.#turn(maySleep),
    };
    await runTurns(turning, ownsThread);
  }

  stop(): void {
    this.#isStopping = true;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  #isEnded(): boolean {
    const { table, wakeEvent } = this.#parts;
    return this.#isStopping && table.used === 0 && this.reception.isClosed && !wakeEvent.isArmed;
  }

  /** Returns when it was, us. */
  #turn(maySleep: boolean): number {
    const { output, settings } = this.#parts;
    const sleptUs = this.#serve(maySleep && !this.#isStopping ? this.#sleepUs : 0);
    const nowUs = systemClock.monoUs();
    if (this.#isStopping) {
      this.#continueStop();
      this.#sleepUs = 0;
    } else {
      this.#sleepUs = Math.min(this.#fireHandlers(nowUs), SLEEP_US_MAX);
    }
    output.releaseStarved(this.#settle);
    const flushUs = output.flush(nowUs, this.#isStopping, this.#settle);
    if (flushUs < this.#sleepUs) this.#sleepUs = flushUs;
    const workUs = nowUs - this.#turnEndUs - sleptUs - this.#spunUs;
    this.#spunUs = 0;
    this.#turnEndUs = nowUs;
    this.#turns.count(nowUs, workUs, sleptUs);
    if (settings.flush !== 'turn') {
      for (const lane of this.#parts.lanes) lane.ring.submit();
    }
    return nowUs;
  }

  /** Deadlines, wakes, freed senders, `onTurn`, accepting. Returns how long the next turn may sleep, us. */
  #fireHandlers(nowUs: number): number {
    const { stats, wheel, wakerEnd, output } = this.#parts;
    const { handler } = this.#parts.settings;
    const nowMs = nowUs / 1000;
    wheel.advance(nowMs, this.#onDeadline, DEADLINES_PER_TURN);
    if (wakerEnd.take()) {
      stats[STAT.wakes]!++;
      handler.onWake();
    }
    output.feedStarved(this.#onStarvedFed);
    this.reception.admit();
    const wishUs = handler.onTurn(nowUs);
    this.reception.regulate(nowMs);
    return Math.max(0, Math.min(wishUs, wheel.msUntilNext(nowMs) * 1000));
  }

  /** Enters what has work, else sleeps up to `sleepUs`. Returns how long it slept, us. */
  #serve(sleepUs: number): number {
    const { lanes, wakeEvent } = this.#parts;
    const first = lanes[0]!;
    if (!this.#isStopping) wakeEvent.arm(first.ring);
    this.#wasBusy = false;
    if (this.#sendPlan.isFirst && first.ring.quietSends > 0) this.#hasSent = true;
    for (const lane of lanes) {
      if (this.#hasWork(lane)) this.#enter(lane);
    }
    if (this.#wasBusy) return 0;
    if (sleepUs > 0 && !this.#spin(sleepUs)) return this.#sleep(first, sleepUs);
    if (first.ring.unsubmitted > 0) this.#enter(first);
    return 0;
  }

  #hasWork(lane: Lane): boolean {
    const { ring } = lane;
    // The sends of the first lane may leave with the sleep.
    const sends = this.#sendPlan.isFirst ? 0 : ring.quietSends;
    const mayWait = lane.index === 0 ? sends + ring.quietOthers : 0;
    if (lane.isWarm || lane.hasToReceive || ring.unsubmitted > mayWait) return true;
    return ring.hasTaskWork || ring.hasCompletions;
  }

  #enter(lane: Lane): void {
    this.#enterOnce(lane);
    this.#receive(lane);
  }

  /** What polls told of is read in the same turn; while they tell of much more, that too. */
  #receive(lane: Lane): void {
    for (let round = 0; round < RECEIVE_ROUNDS_MAX && lane.hasToReceive; round++) {
      this.#enterOnce(lane);
      if (!lane.isWarm) return;
    }
  }

  #enterOnce(lane: Lane): void {
    const received = this.#parts.connections.pushReceives(lane, RECEIVES_AT_ONCE);
    lane.ring.enter(received + lane.ring.quietSends);
    this.#take(lane);
  }

  /** Looks for work in the rings' memory, without a system call; true when there is some. */
  #spin(sleepUs: number): boolean {
    const spinUs = Math.min(this.#parts.settings.spinUs, sleepUs);
    if (spinUs === 0) return false;
    const { lanes, wakerEnd, stats } = this.#parts;
    if (lanes[0]!.ring.unsubmitted > 0) this.#enter(lanes[0]!);
    const startUs = systemClock.monoUs();
    let nowUs = startUs;
    let hasFound = false;
    while (!hasFound && nowUs - startUs < spinUs) {
      hasFound = wakerEnd.isPending || lanes.some((lane) => this.#hasWork(lane));
      nowUs = systemClock.monoUs();
    }
    stats[STAT.spinUs]! += nowUs - startUs;
    this.#spunUs += nowUs - startUs;
    return hasFound;
  }

  #sleep(first: Lane, sleepUs: number): number {
    const { lanes, wakerEnd } = this.#parts;
    const beforeUs = systemClock.monoUs();
    wakerEnd.fallAsleep();
    let isQuiet = !wakerEnd.isPending;
    const followsSends = this.#hasSent || first.ring.quietSends > 0;
    this.#hasSent = false;
    for (let index = 1; index < lanes.length; index++) lanes[index]!.ring.unmuteEvents();
    for (let index = 1; index < lanes.length; index++) {
      if (lanes[index]!.ring.hasTaskWork) isQuiet = false;
    }
    if (isQuiet) this.#wait(first.ring, sleepUs);
    else first.ring.enter();
    for (let index = 1; index < lanes.length; index++) lanes[index]!.ring.muteEvents();
    wakerEnd.awake();
    const sleptUs = systemClock.monoUs() - beforeUs;
    if (followsSends) this.#sendPlan.slept(sleptUs);
    this.#take(first);
    this.#receive(first);
    return sleptUs;
  }

  #wait(ring: Ring, sleepUs: number): void {
    const gatherUs = this.#gatherUs(ring, sleepUs);
    const sends = ring.quietSends;
    const timeoutUs = sends === 0 ? sleepUs : Math.min(sleepUs, gatherUs + SEND_SLEEP_US);
    ring.wait(timeoutUs, sends + (gatherUs === 0 ? 1 : GATHER_EVENTS), gatherUs);
  }

  /** How long the sleep that begins goes on although something came. */
  #gatherUs(ring: Ring, sleepUs: number): number {
    const { settings, stats } = this.#parts;
    if (settings.gatherUs === 0 || !ring.canGather) return 0;
    const served = stats[STAT.receives]! + stats[STAT.wakes]!;
    this.#gathering.served(served - this.#served);
    this.#served = served;
    return this.#gathering.isOn ? Math.min(settings.gatherUs, sleepUs) : 0;
  }

  /** Takes all completions of a lane, also those that did not fit into its queue. */
  #take(lane: Lane): void {
    const { ring } = lane;
    const { words, cqMask, cqesIndex, cqHeadIndex, cqTailIndex } = ring;
    let taken = 0;
    for (;;) {
      let head = words[cqHeadIndex]!;
      const tail = Atomics.load(words, cqTailIndex);
      if (head === tail) {
        if (!ring.hasOverflow) break;
        this.#parts.stats[STAT.cqOverflows]!++;
        lane.buffers.publish();
        ring.enter();
        continue;
      }
      while (head !== tail) {
        const at = cqesIndex + (head & cqMask) * 4;
        this.#complete(lane, words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
        head = (head + 1) | 0;
        if ((++taken & (HEAD_STORE_INTERVAL - 1)) === 0) Atomics.store(words, cqHeadIndex, head);
      }
      Atomics.store(words, cqHeadIndex, head);
    }
    lane.buffers.publish();
    // The sleep in the first lane begins with what is left there.
    const sleepsHere = lane.index === 0 && this.#parts.settings.ownsThread;
    lane.isWarm = taken >= (sleepsHere ? WARM_COMPLETIONS : 1);
    if (taken > 0) this.#wasBusy = true;
  }

  #complete(lane: Lane, low: number, high: number, result: number, flags: number): void {
    const { connections, connector, table, wakeEvent, stats } = this.#parts;
    const tag = tagOf(high);
    if (tag >= TAG.accept) {
      if (tag === TAG.accept) this.reception.onAccept(lane, low, result, flags);
      else if (tag === TAG.wake) wakeEvent.isArmed = false;
      else if (tag > TAG.cancelOf && table.isCurrent(low, high)) {
        connections.onCancelFailed(low, tag - TAG.cancelOf);
      }
      return;
    }
    if (!table.isCurrent(low, high)) {
      stats[STAT.staleCompletions]!++;
      return;
    }
    if (tag === TAG.poll) connections.onPoll(low, result, flags);
    else if (tag === TAG.receive) connections.onReceive(lane, low, result, flags);
    else if (tag === TAG.send) connections.onSend(low, result);
    else if (tag === TAG.stream) connections.onStream(lane, low, result, flags);
    else if (tag === TAG.closeSlot) connections.onCloseSlot(low);
    else if (tag === TAG.socket) connector.onSocket(low, result);
    else if (tag === TAG.shutdown) connections.onShutdown(low, result);
    else if (connector.onConnect(low, result)) this.#announceConnect(low);
  }

  #announceConnect(conn: number): void {
    this.#parts.stats[STAT.connected]!++;
    this.#parts.connections.opened(conn);
    this.#parts.settings.handler.onConnect(conn, 0);
  }

  #continueStop(): void {
    const { table, connections, wakeEvent, lanes } = this.#parts;
    this.reception.close();
    const until = Math.min(this.#stopCursor + STOPS_PER_TURN, table.end);
    for (; this.#stopCursor < until; this.#stopCursor++) {
      const isUsed = table.flags[this.#stopCursor] !== 0;
      if (isUsed) connections.release(this.#stopCursor, CLOSE_REASON.stopped, 0);
    }
    if (wakeEvent.isArmed) wakeEvent.cancel(lanes[0]!.ring);
  }
}
