// The books of the shadows: which may be tried, what they were given, what was lost. One place writes the
// counters SHADOW, so that these hold for each shadow at any time:
//   taken from the rings = handed + dropped      handed = sent + queued + lost

import type { Clock } from '#core/clock/clock.ts';
import { REACTOR_STAT, type Reactor } from '#core/socket/reactor.ts';
import { Breaker } from '#tee-proxy/breaker.ts';
import { SHED } from '#tee-proxy/shed-reason.ts';
import { add, PLANE, SHADOW, type SharedFloats, type TeeMemory } from '#tee-proxy/tee-memory.ts';

export class ShadowLedger {
  readonly #counters: SharedFloats[];
  readonly #plane: SharedFloats;
  readonly #breakers: Breaker[];
  readonly #clock: Clock;
  #reactor!: Reactor;
  /** Of all shadows, since this plane started (a predecessor's are in the counters too). */
  #handedBytes = 0;
  #lostBytes = 0;

  constructor(memory: TeeMemory, clock: Clock) {
    this.#counters = memory.shadow;
    this.#plane = memory.plane;
    this.#breakers = memory.shadow.map(() => new Breaker());
    this.#clock = clock;
  }

  attach(reactor: Reactor): void {
    this.#reactor = reactor;
  }

  /** Whether the breaker lets a connection be tried; counts the copy as shed when not. */
  mayConnect(shadow: number): boolean {
    const isAllowed = this.#breakers[shadow]!.allows(this.#nowMs());
    this.#showBreaker(shadow);
    if (!isAllowed) this.#count(shadow, SHADOW.shed + SHED.breaker, 1);
    return isAllowed;
  }

  tried(shadow: number): void {
    this.#count(shadow, SHADOW.attempts, 1);
    this.#count(shadow, SHADOW.connections, 1);
  }

  connected(shadow: number): void {
    this.#breakers[shadow]!.succeeded();
    this.#showBreaker(shadow);
    this.#count(shadow, SHADOW.established, 1);
  }

  notConnected(shadow: number): void {
    this.#breakers[shadow]!.failed(this.#nowMs());
    this.#showBreaker(shadow);
  }

  handed(shadow: number, bytes: number): void {
    this.#handedBytes += bytes;
    this.#count(shadow, SHADOW.handedBytes, bytes);
  }

  dropped(shadow: number, bytes: number): void {
    this.#count(shadow, SHADOW.droppedBytes, bytes);
  }

  discarded(shadow: number, bytes: number): void {
    this.#count(shadow, SHADOW.discardedBytes, bytes);
  }

  /** A copy was given up for this reason (index). */
  shed(shadow: number, reason: number): void {
    this.#count(shadow, SHADOW.shed + reason, 1);
  }

  completed(shadow: number): void {
    this.#count(shadow, SHADOW.completed, 1);
  }

  closed(shadow: number): void {
    this.#count(shadow, SHADOW.connections, -1);
  }

  /**
   * A connection to this shadow was just aborted, or has just ended: returns the bytes that were lost with
   * it. They follow from the books of the reactor: what was handed to it and neither left nor waits is
   * gone. Called at every such moment, so that each loss is booked to its own shadow, whether an engine
   * drops output at once or when the connection has ended.
   */
  settle(shadow: number): number {
    const { stats } = this.#reactor;
    const queuedBytes = stats[REACTOR_STAT.outputBytes]!;
    const lost = this.#handedBytes - this.#lostBytes - stats[REACTOR_STAT.txBytes]! - queuedBytes;
    this.#lostBytes += lost;
    this.#count(shadow, SHADOW.lostBytes, lost);
    this.#plane[PLANE.queuedBytes] = queuedBytes;
    return lost;
  }

  #showBreaker(shadow: number): void {
    const { isOpen, tripped, probes } = this.#breakers[shadow]!;
    const counters = this.#counters[shadow]!;
    counters[SHADOW.breakerOpen] = isOpen ? 1 : 0;
    counters[SHADOW.breakerTripped] = tripped;
    counters[SHADOW.probes] = probes;
  }

  #count(shadow: number, counter: number, amount: number): void {
    add(this.#counters[shadow]!, counter, amount);
  }

  #nowMs(): number {
    return this.#clock.monoUs() / 1000;
  }
}
