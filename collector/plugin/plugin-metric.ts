// Whether what a plug-in declares can be a metric, and what it is called in rows.

import {
  KINDS,
  METRICS_MAX,
  type PluginKind,
  type PluginMetric,
} from '#collector/plugin/plugin.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const NAME = /^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$/;
const ATTRIBUTES =
  /^[A-Za-z_][A-Za-z0-9_.]*=[A-Za-z0-9_./:-]+(,[A-Za-z_][A-Za-z0-9_.]*=[A-Za-z0-9_./:-]+)*$/;
const UNIT = /^[\w/.%*^()[\]{}'-]{1,32}$/;
const NAME_CHARACTERS_MAX = 128;
const HELP_CHARACTERS_MAX = 200;
const SHORT_CHARACTERS_MAX = 12;

export const PLUGIN_ID = /^[a-z][a-z0-9-]{0,31}$/;

/** Metrics of one plug-in by name, in the order of their declaration. */
export class PluginMetrics {
  readonly all: PluginMetric[] = [];
  readonly #indexes = new Map<string, number>();
  /** What one name without its instance may be: kind and unit, by the name as exporters write it. */
  readonly #families = new Map<string, string>();

  constructor(known: readonly PluginMetric[] = []) {
    for (const metric of known) this.declare(metric);
  }

  /** Takes a metric; returns why not. One that is known already, declared the same way, is fine. */
  declare({ name, kind, unit, help }: PluginMetric): string | undefined {
    const known = this.#indexes.get(name);
    const family = familyOf(name);
    const shape = `${family.name} ${kind} ${unit}`;
    const before = this.#families.get(family.key);
    if (before !== undefined && before !== shape)
      return `${name} is declared as '${before}' already`;
    if (known !== undefined) return undefined;
    if (this.all.length === METRICS_MAX)
      return `there are ${METRICS_MAX} metrics already; ${name} finds no room`;
    this.#families.set(family.key, shape);
    this.#indexes.set(name, this.all.length);
    this.all.push({
      name,
      kind,
      unit,
      help: help.replace(CONTROL, ' ').slice(0, HELP_CHARACTERS_MAX),
    });
    return undefined;
  }

  indexOf(name: string): number {
    return this.#indexes.get(name) ?? -1;
  }
}

/** Everything below space, and delete. */
const CONTROL = /\p{Cc}/gu;

/** Why `value` declares no metric, as the end of a sentence; undefined when it does. */
export function whyNoMetric(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'is no object';
  const { name, kind, unit, help } = value as Record<string, unknown>;
  if (typeof name !== 'string') return 'has no name';
  if (!isMetricName(name)) return `has a name that is none: ${quoted(name)}`;
  if (!KINDS.includes(kind as PluginKind))
    return `(${name}) is of kind ${quoted(kind)}, not ${KINDS.join(', ')}`;
  if (typeof unit !== 'string' || !UNIT.test(unit))
    return `(${name}) has a unit that is none: ${quoted(unit)}`;
  if (typeof help !== 'string' || help === '') return `(${name}) has no help`;
  return undefined;
}

/** The metric in rows; a counter shows its rise. */
export function rowMetric(plugin: string, { name, kind, unit, help }: PluginMetric): MetricSpec {
  const short = name.slice(-SHORT_CHARACTERS_MAX);
  const base = { name: `plugin.${plugin}.${name}`, short, help, decays: true };
  if (kind === 'counter')
    return { ...base, unit: `${unit}/s`, kind: 'rate', counter: { width: 64 } };
  return { ...base, unit, kind };
}

function isMetricName(name: string): boolean {
  if (name.length > NAME_CHARACTERS_MAX) return false;
  const open = name.indexOf('{');
  if (open < 0) return NAME.test(name);
  return (
    NAME.test(name.slice(0, open)) &&
    name.endsWith('}') &&
    ATTRIBUTES.test(name.slice(open + 1, -1))
  );
}

/** A name without its instance; exporters write dots as underscores, so that two names may become one. */
function familyOf(name: string): { name: string; key: string } {
  const bare = name.split('{')[0]!;
  return { name: bare, key: bare.replaceAll('.', '_').toLowerCase() };
}

/** Foreign text in a sentence: short, and without anything that a terminal would obey. */
export function quoted(value: unknown): string {
  return `'${String(value).replace(CONTROL, '?').slice(0, 60)}'`;
}
