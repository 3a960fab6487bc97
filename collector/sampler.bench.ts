// What one tick costs: `node collector/sampler.bench.ts [samples]`. Prints the time of a whole sample of
// this host, of each source, and the bytes of heap a sample allocates. Figures of a busy machine are upper
// bounds; compare medians of several runs.

import { buildRow } from '#collector/row-shape.ts';
import { Sampler } from '#collector/sampler.ts';
import { OwnCostSource } from '#collector/source/own-cost.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { systemClock } from '#core/clock/clock.ts';

const samples = Number(process.argv[2] ?? 3000);
const sampler = new Sampler(systemClock, hostSources());
sampler.add(new OwnCostSource(sampler.supervised, { lateUs: 0, missedTicks: 0 }));
for (let i = 0; i < 500; i++) sampler.sample();

const durationsUs = new Float64Array(samples);
const bySource = sampler.supervised.map(() => new Float64Array(samples));
const cpuBefore = process.cpuUsage();
const heapBefore = process.memoryUsage().heapUsed;
for (let i = 0; i < samples; i++) {
  const startUs = systemClock.monoUs();
  sampler.sample();
  durationsUs[i] = systemClock.monoUs() - startUs;
  for (const [s, { durationUs }] of sampler.supervised.entries()) bySource[s]![i] = durationUs;
}
const heapBytes = process.memoryUsage().heapUsed - heapBefore;
const cpu = process.cpuUsage(cpuBefore);

function quantiles(values: Float64Array): string {
  const sorted = values.slice().sort();
  const at = (q: number): string => sorted[Math.floor(q * (sorted.length - 1))]!.toFixed(1);
  return `p50 ${at(0.5).padStart(7)}  p99 ${at(0.99).padStart(7)} us`;
}

const frame = { wallMs: 0, tick: 0, missedTicks: 0, intervalUs: 1_000_000 };
const row = JSON.stringify(buildRow(sampler.table, frame));
const lines = [
  `values ${sampler.registry.slots} (${sampler.registry.definitions().length} shown), row ${row.length} bytes`,
  `whole sample  ${quantiles(durationsUs)}`,
  ...sampler.supervised.map(
    ({ source }, s) => `  ${source.id.padEnd(11)} ${quantiles(bySource[s]!)}`,
  ),
  `cpu ${((cpu.user + cpu.system) / samples).toFixed(1)} us a sample`,
  `heap ${(heapBytes / samples).toFixed(0)} bytes a sample`,
];
process.stdout.write(`${lines.join('\n')}\n`);
