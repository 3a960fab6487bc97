// A module that exports a plug-in: loaded, checked, and asked before each row. Runs in the plug-in's thread, so that a
// sample that takes for ever holds up nobody but itself. One that throws pauses for 1, 2, 4 ... 900 s, one that takes
// longer than its budget five times in a row is asked half as often, as the collector's own sources are.

import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { METRICS_MAX, type Plugin } from '#collector/plugin/plugin.ts';
import { PLUGIN_ID, quoted } from '#collector/plugin/plugin-metric.ts';
import { Note, type ValueCell } from '#collector/plugin/value-cell.ts';
import type { ValueCollector } from '#collector/plugin/value-collector.ts';
import type { Clock } from '#core/clock/clock.ts';

const BACKOFF_S_START = 1;
const BACKOFF_S_MAX = 900;
const OVER_BUDGET_IN_A_ROW = 5;
const WITHIN_BUDGET_IN_A_ROW = 20;
const PERIOD_TICKS_MAX = 64;
const US_PER_S = 1e6;

export interface ModuleRunnerOptions {
  cell: ValueCell;
  values: ValueCollector;
  periodMs: number;
  clock: Clock;
  say: (text: string) => void;
}

export class ModuleRunner {
  readonly #plugin: Plugin;
  readonly #options: ModuleRunnerOptions;
  readonly #budgetUs: number;
  #isBusy = false;
  #pausedUntilUs = 0;
  #backoffS = BACKOFF_S_START;
  #periodTicks = 1;
  #ticksToWait = 0;
  #over = 0;
  #within = 0;

  constructor(plugin: Plugin, options: ModuleRunnerOptions) {
    this.#plugin = plugin;
    this.#options = options;
    this.#budgetUs = (plugin.budgetMs ?? options.periodMs / 2) * 1000;
  }

  /** A row is near. */
  tick(): void {
    const nowUs = this.#options.clock.monoUs();
    if (this.#isBusy || nowUs < this.#pausedUntilUs || this.#ticksToWait > 0) {
      this.#ticksToWait = Math.max(0, this.#ticksToWait - 1);
      this.#options.cell.count(Note.skipped);
      return;
    }
    void this.#sample(nowUs);
  }

  async close(): Promise<void> {
    await this.#plugin.close?.();
  }

  async #sample(startUs: number): Promise<void> {
    const { values, clock, cell, say } = this.#options;
    this.#isBusy = true;
    try {
      await this.#plugin.sample(values);
      const endUs = clock.monoUs();
      values.commit((startUs + endUs) / 2);
      this.#backoffS = BACKOFF_S_START;
      this.#keepBudget(endUs - startUs);
    } catch (error) {
      values.clear();
      cell.count(Note.errors);
      this.#pausedUntilUs = clock.monoUs() + this.#backoffS * US_PER_S;
      say(
        `its sample failed: ${quoted(messageOf(error))}; it is asked again in ${this.#backoffS} s`,
      );
      this.#backoffS = Math.min(BACKOFF_S_MAX, this.#backoffS * 2);
    } finally {
      this.#isBusy = false;
    }
  }

  #keepBudget(durationUs: number): void {
    const isOver = durationUs > this.#budgetUs;
    this.#over = isOver ? this.#over + 1 : 0;
    this.#within = isOver ? 0 : this.#within + 1;
    if (this.#over >= OVER_BUDGET_IN_A_ROW) {
      this.#over = 0;
      this.#periodTicks = Math.min(PERIOD_TICKS_MAX, this.#periodTicks * 2);
      this.#options.say(
        `it is too slow, and is asked before one of ${this.#periodTicks} rows only`,
      );
    } else if (this.#within >= WITHIN_BUDGET_IN_A_ROW && this.#periodTicks > 1) {
      this.#within = 0;
      this.#periodTicks /= 2;
    }
    this.#ticksToWait = this.#periodTicks - 1;
  }
}

/** Loads a module and checks that it exports a plug-in. Throws an Error whose message says what is wrong with it. */
export async function loadModule(path: string, values: ValueCollector): Promise<Plugin> {
  const exported = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  const plugin = (exported['plugin'] ?? exported['default']) as Partial<Plugin> | undefined;
  if (typeof plugin !== 'object' || plugin === null)
    throw new Error("it exports no object named 'plugin'");
  const { id, metrics, sample, budgetMs } = plugin;
  if (id !== undefined && !(typeof id === 'string' && PLUGIN_ID.test(id))) {
    throw new Error(`its id ${quoted(id)} is none: lower case letters, digits and hyphens`);
  }
  if (typeof sample !== 'function') throw new Error('it has no function sample');
  for (const name of ['open', 'close'] as const) {
    const optional: unknown = plugin[name];
    if (optional !== undefined && typeof optional !== 'function')
      throw new Error(`its ${name} is no function`);
  }
  if (budgetMs !== undefined && !(Number.isFinite(budgetMs) && budgetMs > 0)) {
    throw new Error(`its budgetMs is ${quoted(budgetMs)}, not milliseconds above 0`);
  }
  if (!Array.isArray(metrics) || metrics.length === 0)
    throw new Error('its metrics are no list with something in it');
  if (metrics.length > METRICS_MAX)
    throw new Error(`it has ${metrics.length} metrics; at most ${METRICS_MAX}`);
  for (const [index, metric] of metrics.entries()) {
    const reason = values.declare(metric);
    if (reason !== undefined) throw new Error(`metric ${index + 1} ${reason}`);
  }
  return plugin as Plugin;
}

/** The id of a plug-in that names none: from its file or command. */
export function idOf(text: string): string {
  const stem = basename(text.trim().split(/\s+/)[0] ?? '').replace(/\.[^.]*$/, '');
  const id = stem
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 32);
  return PLUGIN_ID.test(id) ? id : 'plugin';
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
