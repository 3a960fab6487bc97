// Users whose programs read slowly: after each piece that came, nothing more is read until so many bytes
// take so long. What the server sends meanwhile waits in its own queues, as with a phone whose program is
// asleep: first the kernel's, then the server's. With engine stack the window is closed at once, since
// clients without sockets have no buffer; with the others the client's kernel takes some in first.
//
// Works with every engine. Memory: a timer wheel of 12 bytes a user, made when somebody is slow first.

import { parseRatio, parseSizeBytes } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';
import type { LiveSettings } from '#loadgen/live-settings.ts';
import { networkOf, READ_BYTES_PER_S_MIN, type UserNetwork } from '#loadgen/network-mix.ts';
import { draw, LANE } from '#loadgen/seeded-draw.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';
import { USER, type UserTable } from '#loadgen/user-table.ts';

/** Pauses are this exact, ms. */
const STEP_MS = 4;
/** A piece that takes longer than this is read in the end: it is no way to lose a connection. */
const PAUSE_MS_MAX = 600_000;
const TWO_32 = 2 ** 32;
export const READ_BYTES_PER_S_MAX = 2 ** 20;
/** Nobody reads slowly; who is told to by a knob reads so much a second. */
export const NO_SLOW_READERS = { ratio: 0, bytesPerS: 1024 };

/** '5%@1KiB'. Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY. */
export function parseSlowReaders(text: string): { ratio: number; bytesPerS: number } {
  const [share, size, ...rest] = text.split('@').map((word) => word.trim());
  if (share === undefined || size === undefined || rest.length > 0) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' does not say who reads how slowly`,
      "write it like '5%@1KiB': part of the users, and what they read a second",
    );
  }
  const ratio = parseRatio(share);
  const bytesPerS = parseSizeBytes(size);
  if (ratio > 1 || bytesPerS < READ_BYTES_PER_S_MIN || bytesPerS > READ_BYTES_PER_S_MAX) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `slow readers like '${text}' are not possible`,
      `take up to 100 % of the users and ${READ_BYTES_PER_S_MIN} B to 1 MiB a second`,
    );
  }
  return { ratio, bytesPerS };
}

export class SlowReaders {
  readonly #users: UserTable;
  readonly #reactor: ClientReactor;
  readonly #networks: readonly UserNetwork[];
  readonly #live: LiveSettings;
  readonly #seed: number;
  readonly #hasSlowNetwork: boolean;
  #pauses: TimerWheel | undefined;

  constructor(
    users: UserTable,
    reactor: ClientReactor,
    networks: readonly UserNetwork[],
    live: LiveSettings,
    seed: number,
  ) {
    this.#users = users;
    this.#reactor = reactor;
    this.#networks = networks;
    this.#live = live;
    this.#seed = seed;
    this.#hasSlowNetwork = networks.some(
      ({ readBytesPerS }) => readBytesPerS < Number.POSITIVE_INFINITY,
    );
  }

  /** `count` bytes came for a user: does he need a while for them? */
  received(user: number, count: number, nowUs: number): void {
    if (!this.#hasSlowNetwork && this.#live.slowPercent === 0) return;
    if (this.#users.state[user] === USER.leaving) return;
    const perS = this.#readBytesPerS(user);
    const conn = this.#users.conn[user]!;
    if (perS === Number.POSITIVE_INFINITY || conn < 0) return;
    this.#pauses ??= new TimerWheel(this.#users.count, this.#users.ms(nowUs), STEP_MS);
    const pauseMs = Math.min(PAUSE_MS_MAX, (count * 1000) / perS);
    this.#reactor.pauseReceive(conn);
    this.#pauses.set(user, this.#users.ms(nowUs), pauseMs);
  }

  /** His connection is over, or he reads everything now. */
  forget(user: number): void {
    this.#pauses?.clear(user);
  }

  /** Lets those read whose time has come; microseconds until the next. */
  turn(nowUs: number): number {
    const pauses = this.#pauses;
    if (pauses === undefined || pauses.armed === 0) return Number.POSITIVE_INFINITY;
    const nowMs = this.#users.ms(nowUs);
    pauses.advance(nowMs, (user) => {
      const conn = this.#users.conn[user]!;
      if (conn >= 0) this.#reactor.resumeReceive(conn);
    });
    return pauses.msUntilNext(nowMs) * 1000;
  }

  #readBytesPerS(user: number): number {
    const number = this.#users.first + user;
    const { slowPercent, slowBytesPerS } = this.#live;
    const isSlow = (draw(this.#seed, number, LANE.slow) / TWO_32) * 100 < slowPercent;
    const own = isSlow ? slowBytesPerS : Number.POSITIVE_INFINITY;
    if (!this.#hasSlowNetwork) return own;
    const network = this.#networks[networkOf(this.#networks, this.#seed, number)]!;
    return Math.min(own, network.readBytesPerS);
  }
}
