// What `--perf` could count on this host, and why not the rest; for `wsar doctor`. Opens every counter and closes it
// again, which takes about half a second where there are tracepoints.

import { PerfSource } from '#collector/perf/perf-source.ts';
import type { Capability } from '#collector/source/source.ts';
import { systemClock } from '#core/clock/clock.ts';
import { loadPerfCalls } from '#core/host/perf/perf-calls.ts';

export function probeCounters(): { id: string; capability: Capability } {
  const calls = loadPerfCalls();
  if (typeof calls === 'string') {
    const reason = `${calls}; --perf then reads what perf(1) counts, where that is installed`;
    return { id: 'perf', capability: { state: 'degraded', reason } };
  }
  const source = new PerfSource({ calls, clock: systemClock });
  const capability = source.probe();
  source.close();
  return { id: 'perf', capability };
}
