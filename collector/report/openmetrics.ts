// The values of a tick as OpenMetrics 1.0 text, which Prometheus and its relatives read.
//
// What the kernel counts goes out as the count itself (`_total`), so that the reader's own rates are exact;
// means that we derived go out as gauges. Values that are not known are left out, as the format wants it.
// Names: `system.cpu.utilization{cpu.mode=user}` -> `system_cpu_utilization_ratio{cpu_mode="user"}`.

import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

/** What a reader is told this text is. */
export const OPENMETRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

interface Family {
  type: 'counter' | 'gauge';
  help: string;
  samples: string[];
}

/** The whole text, ending with `# EOF`. */
export function openMetricsText(table: SampleTable, wallMs: number): string {
  const families = new Map<string, Family>();
  const { registry } = table;
  for (let slot = 0; slot < registry.slots; slot++) {
    const spec = registry.spec(slot);
    if (spec.isHidden === true) continue;
    const value = sampleOf(table, slot, spec);
    if (!Number.isFinite(value)) continue;
    const family = familyOf(families, spec);
    const { name, labels } = family;
    const suffix = family.type === 'counter' ? '_total' : '';
    families.get(name)!.samples.push(`${name}${suffix}${labels} ${value}`);
  }
  const lines: string[] = [];
  for (const [name, { type, help, samples }] of families) {
    lines.push(`# TYPE ${name} ${type}`, `# HELP ${name} ${escaped(help)}`, ...samples);
  }
  const clock = 'wsar_collector_row_time_seconds';
  lines.push(
    `# TYPE ${clock} gauge`,
    `# HELP ${clock} end of the interval that these values are of`,
    `${clock} ${wallMs / 1000}`,
    '# EOF',
    '',
  );
  return lines.join('\n');
}

function sampleOf(table: SampleTable, slot: number, spec: MetricSpec): number {
  if (spec.counter === undefined) return table.value(slot);
  return table.counters.reading(slot) * (spec.scale ?? 1);
}

/** The family of a metric, made when it is the first of it; a name that another type has gets an ending. */
function familyOf(
  families: Map<string, Family>,
  spec: MetricSpec,
): { name: string; labels: string; type: Family['type'] } {
  const [, base = spec.name, attributes = ''] = /^([^{]*)(?:\{(.*)\})?$/s.exec(spec.name) ?? [];
  const type = spec.counter === undefined ? 'gauge' : 'counter';
  const plain = base.replace(/[^A-Za-z0-9_]/g, '_') + ending(base, spec);
  let name = plain;
  for (let i = 0; (families.get(name)?.type ?? type) !== type; i++) {
    name = `${plain}_${type === 'gauge' ? 'current' : 'count'}${i === 0 ? '' : i}`;
  }
  if (!families.has(name)) families.set(name, { type, help: spec.help, samples: [] });
  const pairs = attributes.split(',').filter((pair) => pair !== '');
  const labels = pairs.map((pair) => {
    const at = pair.indexOf('=');
    return `${pair.slice(0, at).replace(/[^A-Za-z0-9_]/g, '_')}="${escaped(pair.slice(at + 1))}"`;
  });
  return { name, labels: labels.length === 0 ? '' : `{${labels.join(',')}}`, type };
}

/** Means are told apart from counts by their names. */
function ending(base: string, { kind, counter, unit }: MetricSpec): string {
  if (counter !== undefined || base.endsWith('ratio')) return '';
  if (unit === '1' && base.endsWith('utilization')) return '_ratio';
  return kind === 'rate' ? '_per_second' : '';
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
