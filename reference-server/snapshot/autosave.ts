// When snapshots are written while the server runs: after so many seconds, or so many changes, since the last one;
// and when somebody asks for one with SIGUSR1. What became of it is told to a person.

import type { Clock } from '#core/clock/clock.ts';
import { startTicker } from '#core/clock/ticker.ts';
import { WsarError } from '#core/errors.ts';
import type { SavedSnapshot, SnapshotOptions } from '#reference-server/snapshot/snapshot-desk.ts';

const TICK_MS = 1000;

export interface AutosaveOptions extends Omit<SnapshotOptions, 'file'> {
  clock: Clock;
  save: () => Promise<SavedSnapshot>;
  /** Changes since the server began. */
  changes: () => number;
  talk: (text: string) => void;
}

/** Returns what ends it. */
export function startAutosave(options: AutosaveOptions): () => void {
  const { clock, intervalS, countsChanges } = options;
  const position = (): number => (countsChanges ? options.changes() : clock.monoUs() / 1e6);
  let last = position();
  const save = async (isAsked: boolean): Promise<void> => {
    last = position();
    try {
      const saved = await options.save();
      if (isAsked) options.talk(`wsar serve: ${savedText(saved)}\n`);
    } catch (error) {
      if (!(error instanceof WsarError)) throw error;
      options.talk(`wsar serve: ${error.message}\n`);
    }
  };
  const stopTicker = startTicker(clock, TICK_MS, () => {
    if (intervalS > 0 && position() - last >= intervalS) void save(false);
  });
  const asked = (): void => void save(true);
  process.on('SIGUSR1', asked);
  return () => {
    stopTicker();
    process.off('SIGUSR1', asked);
  };
}

/** One line for a person. */
export function savedText({ file, users, messages, bytes }: SavedSnapshot): string {
  return `snapshot ${file}: ${users} users, ${messages} messages, ${bytes} bytes`;
}
