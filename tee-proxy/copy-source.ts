// The production side of copying: decides at the start of a connection whether it is copied, puts its
// client's bytes into the ring, and gives a copy up when there is no room. It costs one copy of the
// bytes in memory; no call here waits, allocates, fails, or tells production anything.
//
// Fairness: when a ring is half full, a copy that has put more than a quarter of it there since it was last
// empty outruns its shadow and is given up, so that one bulk transfer does not cost the others theirs.
//
// A lowered share gives running copies up that now lie above it (so a share of 0 takes all load off the
// shadow at once); a raised one copies further connections from their start on, never from their middle.

import { COPY, CopyRingWriter, VALUE_MASK } from '#tee-proxy/copy-ring.ts';
import { connectionPoint, shareThreshold } from '#tee-proxy/share.ts';
import { SHED } from '#tee-proxy/shed-reason.ts';
import {
  add,
  CONTROL,
  PLANE,
  PRODUCTION,
  type SharedFloats,
  type SharedWords,
  type TeeMemory,
} from '#tee-proxy/tee-memory.ts';

/** Not chosen, or nothing to copy to. */
const NONE = 0;
const OPEN = 1;
/** The client has finished sending. */
const ENDED = 2;
/** Chosen, but the copy is over before the connection. */
const GIVEN_UP = 3;

export class CopySource {
  readonly #worker: number;
  readonly #memory: TeeMemory;
  readonly #seed: number;
  readonly #shadows: number;
  readonly #counters: SharedFloats;
  readonly #released: SharedWords;
  readonly #ring: CopyRingWriter;
  readonly #state: Uint8Array;
  readonly #points: Uint32Array;
  readonly #generations: Uint32Array;
  /** Bytes of a flow in the burst of this number; a burst begins when the ring is empty. */
  readonly #burstBytes: Float64Array;
  readonly #burstOf: Uint32Array;
  #burst = 0;
  #threshold = 0;
  #shareVersion = -1;
  #epoch = 0;

  constructor(worker: number, memory: TeeMemory, flowsMax: number, seed: number) {
    this.#worker = worker;
    this.#memory = memory;
    this.#seed = seed;
    this.#shadows = memory.shadow.length;
    this.#counters = memory.production[worker]!;
    this.#released = memory.released[worker]!;
    this.#ring = new CopyRingWriter(memory.rings[worker]!);
    this.#state = new Uint8Array(flowsMax);
    this.#points = new Uint32Array(flowsMax);
    this.#generations = new Uint32Array(flowsMax);
    this.#burstBytes = new Float64Array(flowsMax);
    this.#burstOf = new Uint32Array(flowsMax);
  }

  /** Connection `number` has reached the upstream as `flow`. */
  begin(flow: number, number: number): void {
    this.#state[flow] = NONE;
    if (this.#shadows === 0) return;
    const point = connectionPoint(number, this.#seed);
    this.#points[flow] = point;
    if (point >= this.#threshold) return;
    add(this.#counters, PRODUCTION.sampled, 1);
    const generation = (this.#generations[flow]! % VALUE_MASK) + 1;
    this.#generations[flow] = generation;
    this.#burstBytes[flow] = 0;
    if (this.#ring.open(flow, generation)) this.#state[flow] = OPEN;
    else {
      this.#state[flow] = GIVEN_UP;
      add(this.#counters, PRODUCTION.shed + SHED.overrun, this.#shadows);
    }
  }

  /** Bytes [start, end) of the client went to the upstream. */
  bytes(flow: number, source: Uint8Array, start: number, end: number): void {
    const state = this.#state[flow]!;
    if (state === NONE) return;
    add(this.#counters, PRODUCTION.offeredBytes, end - start);
    if (state !== GIVEN_UP && !this.#isReleased(flow)) {
      if (this.#mayGoOn(flow, end - start) && this.#ring.data(flow, source, start, end)) return;
      this.#giveUp(flow, SHED.overrun, GIVEN_UP);
    }
    add(this.#counters, PRODUCTION.skippedBytes, end - start);
  }

  /** The client finished sending. */
  end(flow: number): void {
    if (this.#state[flow] !== OPEN) return;
    this.#ring.end(flow);
    this.#state[flow] = ENDED;
  }

  /** The connection is over: orderly, or by a reset or failure on either end. */
  finish(flow: number, kind: typeof COPY.done | typeof COPY.reset): void {
    const state = this.#state[flow]!;
    if (state === OPEN || state === ENDED) this.#ring.finish(flow, kind, 0, state === ENDED);
    this.#state[flow] = NONE;
  }

  /** Takes over what the main thread has turned since the last call; cheap, called every turn. */
  obey(): void {
    if (this.#ring.usedBytes === 0) this.#burst = (this.#burst + 1) >>> 0;
    const { control, share, obeyed, clearedEpoch } = this.#memory;
    const version = Atomics.load(control, CONTROL.shareVersion);
    if (version !== this.#shareVersion) {
      this.#shareVersion = version;
      this.#threshold = shareThreshold(share[0]!);
      this.#cutAbove(this.#threshold);
      Atomics.store(obeyed, this.#worker, version);
      Atomics.notify(obeyed, this.#worker);
    }
    const epoch = Atomics.load(control, CONTROL.epoch);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#forgetPlane();
      Atomics.store(clearedEpoch, this.#worker, epoch);
    }
  }

  #mayGoOn(flow: number, bytes: number): boolean {
    const isSameBurst = this.#burstOf[flow] === this.#burst;
    const total = bytes + (isSameBurst ? this.#burstBytes[flow]! : 0);
    this.#burstOf[flow] = this.#burst;
    this.#burstBytes[flow] = total;
    return total <= this.#ring.size / 4 || this.#ring.isHalfFree;
  }

  #isReleased(flow: number): boolean {
    return Atomics.load(this.#released, flow) === this.#generations[flow];
  }

  #giveUp(flow: number, reason: number, next: number): void {
    this.#ring.finish(flow, COPY.cut, reason, this.#state[flow] === ENDED);
    this.#state[flow] = next;
  }

  #cutAbove(threshold: number): void {
    for (let flow = 0; flow < this.#state.length; flow++) {
      const state = this.#state[flow]!;
      if (state === NONE || this.#points[flow]! < threshold) continue;
      if (state === GIVEN_UP) this.#state[flow] = NONE;
      else this.#giveUp(flow, SHED.share, NONE);
    }
  }

  /** The shadow plane is gone with all its connections: every copy is over, what waits is lost. */
  #forgetPlane(): void {
    const counters = this.#counters;
    for (let flow = 0; flow < this.#state.length; flow++) {
      const state = this.#state[flow]!;
      if (state !== OPEN && state !== ENDED) continue;
      if (!this.#isReleased(flow)) add(counters, PRODUCTION.shed + SHED.lost, this.#shadows);
      this.#state[flow] = GIVEN_UP;
    }
    this.#ring.clear();
    const taken = this.#memory.plane[PLANE.takenBytes + this.#worker]!;
    counters[PRODUCTION.skippedBytes] = counters[PRODUCTION.offeredBytes]! - taken;
  }
}
