// What the collector and the thread of a plug-in say to each other. Values do not travel this way: they lie in
// shared memory (value-cell.ts), so that nothing a plug-in sends waits in the collector's queue of events.

import type { PluginMetric } from '#collector/plugin/plugin.ts';

/** What a thread is started with. */
export interface PluginBirth {
  memory: SharedArrayBuffer;
  periodMs: number;
  /** Metrics of an earlier life. */
  known: readonly PluginMetric[];
  /** A module's file, or a program's command with the mark of its processes. */
  work: { path: string } | { command: string; mark: string };
}

/** From the thread. */
export type PluginMessage =
  | { kind: 'ready'; id: string | undefined }
  /** It is no plug-in; the thread ends. */
  | { kind: 'invalid'; text: string }
  /** Never more in all than there may be metrics. */
  | { kind: 'metrics'; metrics: readonly PluginMetric[] }
  | { kind: 'says'; text: string }
  /** Everything it started is gone; the thread ends. */
  | { kind: 'closed' };

/** To the thread. */
export type PluginOrder = { kind: 'close' };
