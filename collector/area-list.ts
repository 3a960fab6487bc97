// Every area of the collector, in the order in which help shows their options. A new area is a line here.

import { alertArea } from '#collector/alert/alert-area.ts';
import type { CollectArea } from '#collector/collect-area.ts';
import { perfArea } from '#collector/perf/perf-area.ts';
import { pluginArea } from '#collector/plugin/plugin-area.ts';
import { processArea } from '#collector/process/process-area.ts';
import { queueArea } from '#collector/queue/queue-area.ts';
import { runtimeArea } from '#collector/runtime/runtime-area.ts';

export const AREAS: readonly CollectArea[] = [
  processArea,
  runtimeArea,
  perfArea,
  pluginArea,
  queueArea,
  alertArea,
];
