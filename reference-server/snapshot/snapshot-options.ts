// The options of `wsar serve` that say where sessions and messages outlive it.

import { resolve } from 'node:path';
import type { OptionSpec } from '#core/cli/command.ts';
import { parseCount } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import {
  SNAPSHOT_INTERVAL_S,
  type SnapshotOptions,
} from '#reference-server/snapshot/snapshot-desk.ts';

const SNAPSHOT_INTERVAL_S_MAX = 7 * 24 * 3600;

export const SNAPSHOT_OPTIONS: OptionSpec[] = [
  {
    flags: '--snapshot <file>',
    help: 'sessions and messages outlive the server in this file: read at the start, written at the end',
  },
  {
    flags: '--snapshot-interval <seconds>',
    help: 'how often that file is also written while the server runs (default 1800; 0 = never)',
    parse: parseCount(0, SNAPSHOT_INTERVAL_S_MAX),
  },
];

/** What they ask for, if anything. Throws WSAR_ERR_USAGE. */
export function readSnapshotOptions(given: Record<string, unknown>): SnapshotOptions | undefined {
  const file = given['snapshot'] as string | undefined;
  const intervalS = given['snapshotInterval'] as number | undefined;
  if (file === undefined && intervalS !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      '--snapshot-interval needs a file to write',
      'add --snapshot FILE',
    );
  }
  if (file === undefined) return undefined;
  return {
    file: resolve(file),
    intervalS: intervalS ?? SNAPSHOT_INTERVAL_S,
    countsChanges: false,
  };
}
