// Reconnect storms: at a time of the steady phase a share of the users is cut off at once (reset, no
// goodbye), and comes back as its clients would. How they come back decides what the server sees:
//
//   fixed:500ms   everybody tries again after the same time, and again: the bad client
//   backoff:1s    exponential backoff with full jitter: uniform in [0, 1 s x 2^failures), at most 60 s
//   beta:60s      spread over a time like 3GPP TR 37.868 does, Beta(3,4) x 60 s; then like fixed:500ms
//
// Pure: draws are functions of seed, user and attempt, so the same seed drops the same users.

import { parseCount, parseDurationMs, parseRatio } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { draw, drawBelow, LANE } from '#loadgen/seeded-draw.ts';
import { BLOCKS } from '#loadgen/user-blocks.ts';

export interface Storm {
  /** Part of the users, up to 0.99. */
  share: number;
  /** All users of this block (user-blocks.ts) instead of a share of all. */
  block?: number;
  /** All users of this country (ISO 3166) instead. */
  country?: string;
  /** After the start of the steady phase. */
  atMs: number;
}

export interface ReturnPolicy {
  kind: 'fixed' | 'backoff' | 'beta';
  ms: number;
}

/** How users of all loads come back unless said otherwise. */
export const USUAL_RETURN: ReturnPolicy = { kind: 'fixed', ms: 500 };
const BACKOFF_MS_MAX = 60_000;
/** Storms of one run. */
export const STORMS_MAX = 64;
/** Everybody gone is a target that is gone. */
const SHARE_MAX = 0.99;
const TWO_32 = 2 ** 32;

/** '50%@10s', 'block 3@10s', 'country BR@10s'. Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY. */
export function parseStorm(text: string): Storm {
  const [share, at, ...rest] = text.split('@').map((word) => word.trim());
  if (share === undefined || at === undefined || rest.length > 0) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no storm`,
      "write it like '50%@10s', 'block 3@10s' or 'country BR@10s'",
    );
  }
  const country = /^country ([A-Za-z]{2})$/.exec(share)?.[1];
  if (country !== undefined) {
    return { share: 0, country: country.toUpperCase(), atMs: parseDurationMs(at) };
  }
  const block = /^block (.+)$/.exec(share)?.[1];
  if (block !== undefined) {
    return { share: 1 / BLOCKS, block: parseCount(1, BLOCKS)(block), atMs: parseDurationMs(at) };
  }
  const ratio = parseRatio(share);
  if (ratio <= 0 || ratio > SHARE_MAX) {
    throw new WsarError('WSAR_ERR_USAGE', `'${text}' cuts off nobody or everybody`, 'at most 99 %');
  }
  return { share: ratio, atMs: parseDurationMs(at) };
}

/** 'fixed:500ms', 'backoff:1s', 'beta:60s'. Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY. */
export function parseReturn(text: string): ReturnPolicy {
  const match = /^(fixed|backoff|beta):(.+)$/.exec(text.trim());
  const ms = match === null ? 0 : parseDurationMs(match[2]!);
  if (match === null || ms < 1) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no way to come back`,
      'take fixed:500ms, backoff:1s or beta:60s',
    );
  }
  return { kind: match[1] as ReturnPolicy['kind'], ms };
}

/** Whether storm number `storm` (below 64) cuts `user` off. */
export function isCutOff(seed: number, storm: number, user: number, share: number): boolean {
  return draw(seed, user * 64 + storm, LANE.storm) / TWO_32 < share;
}

/** How long a user waits before he tries again, ms; `failures` in a row so far. */
export function returnDelayMs(
  policy: ReturnPolicy,
  seed: number,
  user: number,
  failures: number,
): number {
  const { kind, ms } = policy;
  if (kind === 'fixed') return ms;
  if (kind === 'backoff') {
    const most = Math.min(BACKOFF_MS_MAX, ms * 2 ** failures);
    return 1 + drawBelow(seed, user * 64 + (failures % 64), LANE.back, Math.ceil(most));
  }
  // Beta(3,4) is the third smallest of six uniform draws.
  if (failures > 0) return USUAL_RETURN.ms;
  const draws = Array.from({ length: 6 }, (_, i) => draw(seed, user * 64 + i, LANE.back) / TWO_32);
  return 1 + draws.sort((a, b) => a - b)[2]! * ms;
}
