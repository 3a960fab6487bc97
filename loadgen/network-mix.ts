// What network each user is on, as people write it. A class is a list of words with values; a mix is classes
// with their shares. Who is on which is a draw of his number, so it is the same in every run of a seed.
//
//   --network phone
//   --network '10%: rtt 80ms jitter 20ms loss 1% down 2Mbit; rest: none'
//   --network '5%: 3g read 1KiB; 25%: slow-4g loss 2%; rest: none'
//
//   rtt, jitter   round trip beside the host's own, and how far it varies
//   loss          share of the packets, each way
//   down, up      what the link of one client carries
//   window        receive window of one client
//   read          what his program reads a second (slow-readers.ts)
//
// Pure. Memory: one byte a user, in the stack.

import { parseDurationMs, parseRatio, parseSizeBytes } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { LINK_BYTES_PER_S_MIN, ROUND_TRIP_MS_MAX } from '#core/socket/stack/delay-line.ts';
import {
  type NetworkClass,
  NO_NETWORK,
  WINDOW_BYTES_MAX,
} from '#core/socket/stack/network-classes.ts';
import { draw, LANE } from '#loadgen/seeded-draw.ts';

export interface UserNetwork extends NetworkClass {
  /** As it was written. */
  text: string;
  /** Part of the users. */
  share: number;
  /** Infinity = as fast as it comes. */
  readBytesPerS: number;
}

/**
 * `3g` is the profile "Mobile 3G" of WebPageTest, `slow-4g` the one that Lighthouse throttles to (the slowest
 * quarter of 4G links); neither loses anything. `phone`, with loss and jitter, is an assumption.
 */
const NAMED: Record<string, string> = {
  none: '',
  phone: 'rtt 80ms jitter 20ms loss 1% down 8Mbit up 2Mbit',
  '3g': 'rtt 300ms down 1.6Mbit up 768kbit',
  'slow-4g': 'rtt 150ms down 1.6Mbit up 750kbit',
};
const CLASSES_IN_A_MIX_MAX = 32;
const BITS_PER_BYTE = 8;
/** Shares are written in tenths of a percent; a third is 33.3 %. */
const SHARE_ERROR_MAX = 0.0015;
/** Less than a segment of the smallest kind, and a peer may wait for more room for ever. */
const WINDOW_BYTES_MIN = 536;
/** Less, and a login would take longer than users wait for it. */
export const READ_BYTES_PER_S_MIN = 16;
const TWO_32 = 2 ** 32;

/** Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY for what is no mix. */
export function parseNetworkMix(text: string): UserNetwork[] {
  const parts = text.split(';').map((part) => part.trim());
  if (parts.length > CLASSES_IN_A_MIX_MAX) {
    throw usage(`${parts.length} networks are too many`, `at most ${CLASSES_IN_A_MIX_MAX}`);
  }
  const classes = parts.map((part) => {
    const match = /^([^:]*):(.*)$/.exec(part);
    if (match === null && parts.length > 1) {
      throw usage(`'${part}' has no share`, "write it like '10%: phone; rest: none'");
    }
    const share = match === null ? '100%' : match[1]!.trim();
    const what = match === null ? part : match[2]!.trim();
    return { share: share === 'rest' ? Number.NaN : parseRatio(share), text: what };
  });
  return settleShares(classes, text).map(({ share, text: what }) => ({
    ...parseClass(what),
    text: what,
    share,
  }));
}

/** Which of the networks a user is on. */
export function networkOf(mix: readonly UserNetwork[], seed: number, user: number): number {
  let left = draw(seed, user, LANE.network) / TWO_32;
  for (let index = 0; index < mix.length - 1; index++) {
    left -= mix[index]!.share;
    if (left < 0) return index;
  }
  return mix.length - 1;
}

/** How many of the users are on each. */
export function usersByNetwork(
  mix: readonly UserNetwork[],
  seed: number,
  users: { first: number; count: number },
): { network: string; users: number }[] {
  const counts = new Float64Array(mix.length);
  for (let user = 0; user < users.count; user++) {
    counts[networkOf(mix, seed, users.first + user)]!++;
  }
  return mix.map(({ text }, index) => ({ network: text, users: counts[index]! }));
}

/** One network for all, from --rtt, --jitter and --loss. Throws WSAR_ERR_USAGE. */
export function plainNetwork(rttMs: number, jitterMs: number, lossRatio: number): UserNetwork {
  const one = { ...NO_NETWORK, roundTripMs: rttMs, jitterMs, lossRatio };
  const text = `rtt ${rttMs}ms jitter ${jitterMs}ms loss ${lossRatio * 100}%`;
  return checked({ ...one, text, share: 1, readBytesPerS: Number.POSITIVE_INFINITY });
}

/** 'rest' is what the others leave; together they are everybody. */
function settleShares(
  classes: { share: number; text: string }[],
  text: string,
): { share: number; text: string }[] {
  const rests = classes.filter(({ share }) => Number.isNaN(share)).length;
  const given = classes.reduce((sum, { share }) => sum + (Number.isNaN(share) ? 0 : share), 0);
  const isWhole = rests === 1 ? given <= 1 : Math.abs(given - 1) < SHARE_ERROR_MAX;
  if (rests > 1 || !isWhole || classes.some(({ share }) => share <= 0)) {
    throw usage(
      `the shares of '${text}' are ${Math.round(given * 1000) / 10} % together`,
      "let them make 100 %, or write 'rest: none' as the last one",
    );
  }
  return classes.map(({ share, text: what }) => ({
    share: Number.isNaN(share) ? 1 - given : share,
    text: what,
  }));
}

function parseClass(text: string): UserNetwork {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) throw usage('a network that says nothing', "write 'none', or 'phone'");
  const name = words.length % 2 === 1 ? words.shift()! : 'none';
  if (!Object.hasOwn(NAMED, name)) {
    const names = Object.keys(NAMED).join(', ');
    throw usage(`there is no network '${name}'`, `take ${names}, or words like 'rtt 80ms loss 1%'`);
  }
  const all = `${NAMED[name]} ${words.join(' ')}`.trim().split(/\s+/);
  const network: UserNetwork = {
    ...NO_NETWORK,
    text,
    share: 1,
    readBytesPerS: Number.POSITIVE_INFINITY,
  };
  for (let at = 0; at + 1 < all.length; at += 2) setWord(network, all[at]!, all[at + 1]!);
  return checked(network);
}

function setWord(network: UserNetwork, word: string, value: string): void {
  switch (word) {
    case 'rtt':
      network.roundTripMs = parseDurationMs(value);
      break;
    case 'jitter':
      network.jitterMs = parseDurationMs(value);
      break;
    case 'loss':
      network.lossRatio = parseRatio(value);
      break;
    case 'down':
      network.downBytesPerS = parseBandwidth(value);
      break;
    case 'up':
      network.upBytesPerS = parseBandwidth(value);
      break;
    case 'window':
      network.windowBytes = Math.round(parseSizeBytes(value));
      break;
    case 'read':
      network.readBytesPerS = parseSizeBytes(value);
      break;
    default:
      throw usage(
        `'${word}' is nothing that a network has`,
        'take rtt, jitter, loss, down, up, window or read, each with its value',
      );
  }
}

/** '2Mbit', '256kbit' a second, in bytes a second. */
function parseBandwidth(text: string): number {
  const match = /^([0-9.]+)\s*([kMG]?)bit(?:\/s)?$/.exec(text);
  const value = Number(match?.[1] ?? Number.NaN);
  if (match === null || !(value > 0)) {
    throw usage(`'${text}' is no bandwidth`, 'write it like 2Mbit or 256kbit (a second)');
  }
  return (value * { '': 1, k: 1e3, M: 1e6, G: 1e9 }[match[2] as 'k']) / BITS_PER_BYTE;
}

function checked(network: UserNetwork): UserNetwork {
  const { roundTripMs, jitterMs, lossRatio, windowBytes, readBytesPerS } = network;
  if (roundTripMs + jitterMs > ROUND_TRIP_MS_MAX) {
    const most = `rtt and jitter together are at most ${ROUND_TRIP_MS_MAX} ms`;
    throw usage('the round trip is too long', most);
  }
  if (jitterMs > roundTripMs) {
    throw usage('the jitter is larger than the round trip', 'take a larger rtt');
  }
  if (lossRatio >= 1) {
    throw usage('a network that loses everything is none', 'take for example loss 1%');
  }
  if (Math.min(network.downBytesPerS, network.upBytesPerS) < LINK_BYTES_PER_S_MIN) {
    const least = `take ${(LINK_BYTES_PER_S_MIN * BITS_PER_BYTE) / 1e3}kbit or more`;
    throw usage('a link that slow holds each packet for seconds', least);
  }
  if (windowBytes < WINDOW_BYTES_MIN || windowBytes > WINDOW_BYTES_MAX) {
    const bounds = `take ${WINDOW_BYTES_MIN} B to ${WINDOW_BYTES_MAX / 1024 ** 2} MiB`;
    throw usage(`a receive window of ${windowBytes} B is not possible`, bounds);
  }
  if (readBytesPerS < READ_BYTES_PER_S_MIN) {
    const least = `take read ${READ_BYTES_PER_S_MIN} B or more`;
    throw usage('a user who reads so little never gets in', least);
  }
  return network;
}

function usage(message: string, hint: string): WsarError {
  return new WsarError('WSAR_ERR_USAGE', message, hint);
}
