// /proc/vmstat: page faults, paging, swapping, reclaim, and what the kernel did when memory ran short.
// The keys have changed with kernels; a missing one is null and named by the probe.

import type { SampleTable } from '#collector/sample-table.ts';
import { KeyedFile } from '#collector/source/keyed-file.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const pages = (name: string, short: string, help: string) => counter(name, short, '{page}/s', help);
const events = (name: string, short: string, help: string) =>
  counter(name, short, '{event}/s', help);

const WANTED = {
  pgfault: counter(
    'system.paging.faults',
    'trap/s',
    '{fault}/s',
    'page faults, minor and major: of the traps the kind that the kernel counts',
    { decays: true },
  ),
  pgmajfault: counter(
    'system.paging.faults{type=major}',
    'majf/s',
    '{fault}/s',
    'page faults that waited for a disk',
  ),
  pgpgin: counter('system.paging.io{direction=in}', 'pgin', 'By/s', 'bytes read from disks', {
    scale: 1024,
  }),
  pgpgout: counter('system.paging.io{direction=out}', 'pgout', 'By/s', 'bytes written to disks', {
    scale: 1024,
  }),
  pgfree: pages('memory.linux.freed', 'pgfree', 'pages given back'),
  pswpin: pages('system.paging.operations{direction=in}', 'swpin', 'pages swapped in'),
  pswpout: pages('system.paging.operations{direction=out}', 'swpout', 'pages swapped out'),
  pgscan_kswapd: pages(
    'memory.linux.reclaim.scan{by=kswapd}',
    'scank',
    'pages looked at for reclaim in the background',
  ),
  pgscan_direct: pages(
    'memory.linux.reclaim.scan{by=direct}',
    'scand',
    'pages looked at for reclaim by programs that had to wait',
  ),
  pgsteal_kswapd: pages(
    'memory.linux.reclaim.steal{by=kswapd}',
    'stealk',
    'pages reclaimed in the background',
  ),
  pgsteal_direct: pages(
    'memory.linux.reclaim.steal{by=direct}',
    'steald',
    'pages reclaimed by programs that had to wait',
  ),
  allocstall_normal: events(
    'memory.linux.allocation_stalls',
    'stall',
    'allocations in the normal zone that had to wait for reclaim',
  ),
  compact_stall: events(
    'memory.linux.compaction_stalls',
    'cmpct',
    'allocations that had to wait for compaction',
  ),
  oom_kill: events('memory.linux.oom_kills', 'oom', 'processes killed for want of memory'),
  thp_collapse_alloc: pages('memory.linux.thp{event=collapse}', 'thpcl', 'small pages made huge'),
  thp_fault_alloc: pages('memory.linux.thp{event=fault}', 'thp', 'huge pages given on a fault'),
  thp_fault_fallback: pages(
    'memory.linux.thp{event=fallback}',
    'thpfb',
    'faults that wanted a huge page and got small ones',
  ),
};

/** Keys `nr_*` are numbers of pages now, except these, which count up (mm/vmstat.c). */
const NR_COUNTERS = /^nr_(dirtied|written|throttled_written|vmscan_.*|foll_pin_.*)$/;

function otherKey(key: string): MetricSpec {
  const isGauge = key === 'workingset_nodes' || (key.startsWith('nr_') && !NR_COUNTERS.test(key));
  const name = `memory.linux.vmstat{name=${key}}`;
  return isGauge
    ? gauge(name, key, '{page}', `${key} of /proc/vmstat`)
    : counter(name, key, '{event}/s', `${key} of /proc/vmstat`);
}

export class VmstatSource implements Source {
  readonly id = 'vmstat';
  readonly budgetUs = 20_000;
  readonly #file: KeyedFile;

  /** `isDetailed`: every key of the file, also those that have no name of their own here. */
  constructor(root: string, isDetailed = false) {
    this.#file = new KeyedFile(`${root}/vmstat`, WANTED, isDetailed ? otherKey : undefined);
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#file.declare(metrics);
  }

  sample(table: SampleTable): number {
    return this.#file.sample(table) ? Freshness.now : Freshness.stale;
  }

  close(): void {
    this.#file.close();
  }
}
