// What is known of a host, in a person's words: the same in the reports of experiments and of ladders, and in docs.

import { numberText } from '#dashboards/report/number-text.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';

const WORDS: Record<string, string> = {
  cpuModel: 'CPU',
  cpus: 'logical CPUs',
  physicalCpus: 'physical CPUs',
  memoryBytes: 'memory',
  isVirtual: 'virtual',
};

/** Names with their values, as the record has them in order. What is not known is '-'. */
export function hostFacts(host: RunRecord['host']): [string, string][] {
  return Object.entries(host).map(([name, value]) => [
    Object.hasOwn(WORDS, name) ? WORDS[name]! : name,
    name === 'memoryBytes' && typeof value === 'number'
      ? `${numberText(value / 1024 ** 3)} GiB`
      : valueText(value),
  ]);
}

function valueText(value: string | number | boolean | null): string {
  if (value === null) return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'number' ? numberText(value) : value;
}
