// How large the files behind messages with media are: kinds with their shares, each log-normal, as one table in
// which every size is as likely. Pure.

import { logNormalTable } from '#loadgen/log-normal.ts';

export interface MediaKind {
  kind: string;
  /** How many of these there are, in any unit: shares follow from all weights. */
  weight: number;
  medianBytes: number;
  sigma: number;
}

/** Sizes in the table: few enough to be held as bodies, many enough for a kind of 5 %. */
export const MEDIA_SIZES = 32;
/** Larger ones are cut: 16 MiB was the largest that could be sent. */
const FILE_BYTES_MAX = 16 * 2 ** 20;
/** Steps through the table that mix the kinds; without a common factor with MEDIA_SIZES. */
const STEP = 13;

export interface MediaFile {
  kind: string;
  bytes: number;
}

/** MEDIA_SIZES files, kinds mixed: each kind has its share of them, at least one. */
export function mediaFiles(kinds: readonly MediaKind[]): MediaFile[] {
  const counts = countsOf(kinds);
  const files = kinds.flatMap(({ kind, medianBytes, sigma }, i) =>
    logNormalTable(medianBytes, sigma, counts[i]!).map((bytes) => ({
      kind,
      bytes: Math.min(FILE_BYTES_MAX, Math.max(1, Math.round(bytes))),
    })),
  );
  return files.map((_, i) => files[(i * STEP) % files.length]!);
}

/** Whole numbers by the largest remainders; nobody gets none. */
function countsOf(kinds: readonly MediaKind[]): number[] {
  const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
  const shares = kinds.map(({ weight }) => (weight / total) * MEDIA_SIZES);
  const counts = shares.map((share) => Math.max(1, Math.floor(share)));
  const order = shares
    .map((share, i) => ({ i, rest: share - Math.floor(share) }))
    .sort((a, b) => b.rest - a.rest);
  let left = MEDIA_SIZES - counts.reduce((sum, count) => sum + count, 0);
  for (let next = 0; left > 0; next++, left--) counts[order[next % order.length]!.i]!++;
  for (; left < 0; left++) counts[counts.indexOf(Math.max(...counts))]!--;
  return counts;
}
