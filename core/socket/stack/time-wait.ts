// Connections that we closed first and that are over: for a while their last segments may come again, and
// want the last acknowledgement again (TIME_WAIT, RFC 9293, 3.6.1). One place for each hash of the
// addresses, so it costs a fixed 118 KB and no connection number; a later one takes the place of an
// earlier (counted), whose late segments then meet a reset, which harms nobody: both sides are finished.

const PLACES = 4096;
const PLACE_MASK = PLACES - 1;
const KEPT_MS = 60_000;

export class TimeWait {
  /** Connections that lost their place before their time. */
  evicted = 0;
  readonly #address = new Uint32Array(PLACES);
  readonly #port = new Uint16Array(PLACES);
  readonly #remote = new Uint16Array(PLACES);
  readonly #sequence = new Uint32Array(PLACES);
  readonly #expected = new Uint32Array(PLACES);
  /** Whether segments carry timestamps, and the peer's latest, which is echoed. */
  readonly #hasTimestamp = new Uint8Array(PLACES);
  readonly #timestamp = new Uint32Array(PLACES);
  readonly #untilMs = new Float64Array(PLACES);

  /** Remembers what to answer: `sequence` is ours, `expected` the peer's next, `timestamp` its latest if it has one. */
  add(
    hash: number,
    address: number,
    port: number,
    remote: number,
    answer: { sequence: number; expected: number; timestamp: number | undefined },
    nowMs: number,
  ): void {
    const place = hash & PLACE_MASK;
    if (this.#untilMs[place]! > nowMs) this.evicted++;
    this.#address[place] = address;
    this.#port[place] = port;
    this.#remote[place] = remote;
    this.#sequence[place] = answer.sequence;
    this.#expected[place] = answer.expected;
    this.#hasTimestamp[place] = answer.timestamp === undefined ? 0 : 1;
    this.#timestamp[place] = answer.timestamp ?? 0;
    this.#untilMs[place] = nowMs + KEPT_MS;
  }

  /** The place of these addresses, or -1. */
  find(hash: number, address: number, port: number, remote: number, nowMs: number): number {
    const place = hash & PLACE_MASK;
    const isIt =
      this.#untilMs[place]! > nowMs &&
      this.#address[place] === address &&
      this.#port[place] === port &&
      this.#remote[place] === remote;
    return isIt ? place : -1;
  }

  sequence(place: number): number {
    return this.#sequence[place]!;
  }

  expected(place: number): number {
    return this.#expected[place]!;
  }

  hasTimestamp(place: number): boolean {
    return this.#hasTimestamp[place] === 1;
  }

  timestamp(place: number): number {
    return this.#timestamp[place]!;
  }

  forget(place: number): void {
    this.#untilMs[place] = 0;
  }
}
