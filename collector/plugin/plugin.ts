// What a plug-in of `wsar collect` is: a module that exports `plugin`, an object of this shape. It runs in a thread of
// its own and can neither delay a tick nor end the collector, whatever it does. The protocol for programs in other
// languages says the same in lines: docs/tools/plugin-protocol.md.
//
//   import type { Plugin } from '.../collector/plugin/plugin.ts';
//   export const plugin: Plugin = {
//     metrics: [{ name: 'jobs.waiting', kind: 'gauge', unit: '{job}', help: 'jobs that wait' }],
//     sample(values) { values.set('jobs.waiting', countJobs()); },
//   };

export interface Plugin {
  /** Lower case letters, digits and hyphens; default: the file's name. Its metrics are `plugin.<id>.<name>`. */
  id?: string;
  metrics: readonly PluginMetric[];
  /** Called once before the first sample; may throw when there is nothing to see here. */
  open?(): void | Promise<void>;
  /**
   * Called shortly before each row. What it sets is taken as a whole when it returns (or resolves); a metric it does
   * not set has no value in this row. One that throws is called again after 1, 2, 4 ... 900 s.
   */
  sample(values: PluginValues): void | Promise<void>;
  close?(): void | Promise<void>;
  /** How long a sample may take; after five longer ones in a row it is called half as often. Default: half a period. */
  budgetMs?: number;
}

export interface PluginMetric {
  /** Letters, digits, dots, underscores, beginning with a letter; an instance behind it: `queue.length{queue=mail}`. */
  name: string;
  /** `counter` only rises, and rows show its rise per second; `gauge` is as it is now; `rate` is per second already. */
  kind: PluginKind;
  /** UCUM: By, s, us, 1, %, {job}. Of a counter, what it counts: {job} becomes {job}/s. */
  unit: string;
  help: string;
}

export type PluginKind = 'counter' | 'gauge' | 'rate';

export interface PluginValues {
  /** A finite number; a counter's may be a bigint, and is not negative. Others are refused and counted. */
  set(name: string, value: number | bigint): void;
}

export const KINDS: readonly PluginKind[] = ['counter', 'gauge', 'rate'];
/** Metrics of one plug-in; more are refused and counted. */
export const METRICS_MAX = 256;
/** Plug-ins of one collector: each is a thread of some 10 MB. */
export const PLUGINS_MAX = 16;
