// The form of output that was asked for.

import type { CollectorSurroundings, CollectPlan } from '#collector/collect-plan.ts';
import { ConsoleReport } from '#collector/report/console-report.ts';
import { CsvReport } from '#collector/report/csv-report.ts';
import { JsonReport } from '#collector/report/json-report.ts';
import { type Instances, layoutOf } from '#collector/report/layout.ts';
import type { Report } from '#collector/report/report.ts';
import type { MetricRegistry } from '#core/metric/registry.ts';

/** `instances` are asked for before each header of the console. */
export function createReport(
  plan: CollectPlan,
  { out, terminalLines }: Pick<CollectorSurroundings, 'out' | 'terminalLines'>,
  { registry, instances }: { registry: MetricRegistry; instances: () => Instances },
): Report {
  if (plan.format === 'json') {
    return new JsonReport(out, plan.host, plan.hasSchema ? registry : undefined);
  }
  if (plan.format === 'csv') return new CsvReport(out);
  return new ConsoleReport({
    out,
    terminalLines,
    layout: () => layoutOf(plan.show, plan.isWide, instances()),
  });
}
