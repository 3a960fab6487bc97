// Shorthand for the shapes that metrics have, so that a source's catalogue reads as a table.

import type { MetricSpec } from '#core/metric/registry.ts';

/** A cumulative 64 bit counter; the row shows its rise per second in `unit`. */
export function counter(
  name: string,
  short: string,
  unit: string,
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec {
  return { name, short, unit, kind: 'rate', counter: { width: 64 }, help, ...more };
}

/** A reading of now. */
export function gauge(
  name: string,
  short: string,
  unit: string,
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec {
  return { name, short, unit, kind: 'gauge', help, ...more };
}

/** A mean over the tick that the source derives itself: a share of something, a difference of rates. */
export function derivedRate(
  name: string,
  short: string,
  unit: string,
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec {
  return { name, short, unit, kind: 'rate', help, ...more };
}

/** Raw material of derived metrics: a counter that is not shown. */
export function hiddenCounter(name: string, more: Partial<MetricSpec> = {}): MetricSpec {
  return counter(name, '', '', 'raw', { isHidden: true, ...more });
}

/** The full name of a metric's instance: `name{key=value}`. What would end the value early becomes `_`. */
export function instanceName(name: string, attribute: string, value: string | number): string {
  const text = String(value).replace(/[{},=]/g, '_');
  return name.endsWith('}')
    ? `${name.slice(0, -1)},${attribute}=${text}}`
    : `${name}{${attribute}=${text}}`;
}
