// An area: a part of the collector that looks after one subject (processes, a runtime, counters of the hardware,
// plug-ins, alerts). It brings its own options, and for a collector that was asked for it its sources, its
// columns and its events. An area is a folder of its own and a line in area-list.ts; the command line, the
// collector and the report know none of them by name.
//
// What an area needs at run time it loads in `prepare` (dynamic import), so that a collector without it pays nothing.

import type { Group } from '#collector/report/layout.ts';
import type { Source } from '#collector/source/source.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { OptionSpec } from '#core/cli/command.ts';
import type { Clock } from '#core/clock/clock.ts';
import type { MetricRegistry } from '#core/metric/registry.ts';

export interface CollectArea {
  readonly options: readonly OptionSpec[];
  /** Names of tables and groups of columns, for `--show`. */
  readonly tables?: readonly string[];
  /**
   * Its part of one collector; undefined when nothing was asked of it. `options` by camelCase name, as parsed.
   * Throws WSAR_ERR_USAGE for options that contradict each other.
   */
  prepare(options: Readonly<Record<string, unknown>>): Promise<AreaPart | undefined>;
}

export interface AreaPart {
  /** Starts; gives its sources to `host.add`. Nothing is sampled before it is done. Throws when it cannot. */
  open(host: AreaHost): Promise<void> | void;
  /** A tick is over and its values stand in the table; what it says happened is printed, published and recorded. */
  onTick?(view: TickView): readonly LabEvent[];
  /** The columns of one of the area's tables, or of one of ours that it replaces; asked again before each header. */
  groups?(name: string, isWide: boolean): Group[];
  /** Tables shown when neither --show nor --layout was given, behind wsar's own. */
  readonly shown?: readonly string[];
  /** It fills the metrics of the runtime table (mailbox.*, wsar.runtime.*), which are else those of `wsar serve`. */
  readonly feedsRuntime?: boolean;
  /** The last tick is over. Bounded in time; called once, also when `open` failed. */
  close?(): Promise<void> | void;
}

/** What a collector offers its areas. */
export interface AreaHost {
  readonly clock: Clock;
  /** The folder that stands for /proc. */
  readonly root: string;
  readonly host: string;
  readonly periodMs: number;
  readonly registry: MetricRegistry;
  /** Takes a source in, before the first tick; it is sampled in the order of adding. */
  add(source: Source): void;
  /** Says something on stderr. */
  talk(text: string): void;
  /** Ends the collector with the error that is the reason. */
  fail(error: Error): void;
}
