// Departures: an operator wants users elsewhere (knobs drain, drain.rate, drain.reference). New logins are refused and
// those who are here are asked to go, so many a second and no faster, because each comes again somewhere.
//
//   off      nobody is
//   refuse   logins are refused: MQTT 5 with CONNACK 0x9C and Server Reference (5: 4.13), MQTT 3 with 0x03
//   move     that, and who is here gets DISCONNECT 0x9D with Server Reference; MQTT 3 has no word for it
//   spread   who is on a worker that gets no new connections (accept.workers) gets DISCONNECT 0x98 and comes again,
//            to one that does; logins go on
//
// A turn looks at so many connections at most. Sessions stay as after any lost connection.

import { REASON } from '#core/wire/mqtt/packet.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import { PropertyWriter } from '#core/wire/mqtt/property-writer.ts';
import { CLOSE_CAUSE } from '#reference-server/statistics/close-cause.ts';
import type { WorkerSettings } from '#reference-server/worker/worker-control.ts';

/** Longest Server Reference, characters of ASCII. */
export const REFERENCE_LENGTH_MAX = 255;
/** With the longest reference. */
export const DEPARTURE_BYTES_MAX = REFERENCE_LENGTH_MAX + 16;
/** Connections that a turn looks at, and ends. */
const LOOKS_PER_TURN = 4096;
const ENDS_PER_TURN = 64;
/** How often it looks again, us. */
const PERIOD_US = 10_000;
/** What was not ended in time is not made up for beyond this much of a second. */
const BURST_S = 0.1;

/** The edge's side: whether a connection is logged in, and its end. */
export interface Departing {
  readonly capacity: number;
  isOnline(conn: number): boolean;
  end(conn: number, cause: number): void;
}

export class Departures {
  /** Where users shall go; '' = it is not said. */
  #reference = '';
  #mode: WorkerSettings['drain'] = 'off';
  readonly #properties = new PropertyWriter(DEPARTURE_BYTES_MAX);
  #perUs = 0;
  #ends = false;
  #cause = 0;
  #cursor = 0;
  /** Connections that may go now: a fraction until it is a whole one. */
  readonly #credit = new Float64Array(1);
  #lastUs = 0;

  /** The settings of worker `self` of so many. */
  set({ drain, drainPerS, acceptWorkers }: WorkerSettings, self: number, workers: number): void {
    this.#mode = drain;
    const isOutside = acceptWorkers > 0 && self >= acceptWorkers;
    this.#ends = drain === 'move' || (drain === 'spread' && isOutside);
    this.#cause = drain === 'move' ? CLOSE_CAUSE.serverMoved : CLOSE_CAUSE.spread;
    const sharers = drain === 'move' ? workers : Math.max(1, workers - acceptWorkers);
    this.#perUs = drainPerS / 1e6 / sharers;
  }

  /** Where users shall go. */
  set reference(text: string) {
    this.#reference = text;
  }

  /** Whether a login is refused, with `useAnotherServer`. */
  get refusesLogins(): boolean {
    return this.#mode === 'refuse' || this.#mode === 'move';
  }

  /** Server Reference for a packet with this reason; undefined when there is none, or none to send. */
  properties(reason: number): PropertyWriter | undefined {
    const isOurs = reason === REASON.useAnotherServer || reason === REASON.serverMoved;
    if (!isOurs || this.#reference === '') return undefined;
    return this.#properties.clear().text(PROPERTY.serverReference, this.#reference);
  }

  /** Once a turn: ends those whose time it is. Returns whole us until the next look, 0 = none is wanted. */
  onTurn(nowUs: number, of: Departing): number {
    if (!this.#ends) {
      this.#lastUs = 0;
      return 0;
    }
    const credit = this.#credit;
    const burst = Math.max(1, this.#perUs * BURST_S * 1e6);
    const sinceUs = this.#lastUs === 0 ? 0 : nowUs - this.#lastUs;
    credit[0] = Math.min(burst, this.#lastUs === 0 ? 0 : credit[0]! + sinceUs * this.#perUs);
    this.#lastUs = nowUs;
    const { capacity } = of;
    const endsMax = Math.min(ENDS_PER_TURN, Math.floor(credit[0]!));
    let ends = 0;
    for (let looks = Math.min(LOOKS_PER_TURN, capacity); looks > 0 && ends < endsMax; looks--) {
      const conn = this.#cursor;
      this.#cursor = conn + 1 === capacity ? 0 : conn + 1;
      if (!of.isOnline(conn)) continue;
      of.end(conn, this.#cause);
      ends++;
    }
    credit[0]! -= ends;
    return PERIOD_US;
  }
}
