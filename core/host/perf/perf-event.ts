// Every event that wsar counts, and how perf is asked for it. Names are those of `perf list`, so that anybody can
// count the same with `perf stat -e <name>`; so does our own fall-back.
//
// Events of one group are on or off together and are read with one system call. A group of hardware events holds
// few enough for the counters of a processor (four to six); the kernel rotates groups, and counts are scaled.

import { cacheConfig, PerfType } from '#core/host/perf/perf-abi.ts';

export interface PerfEventSpec {
  /** As in `perf list`. */
  name: string;
  type: number;
  /** What the kernel knows it by; of a tracepoint it is looked up in tracefs. */
  config?: number;
}

export interface PerfGroupSpec {
  name: string;
  /**
   * Counting costs at every event (a tracepoint: some 0.1 us), so that it may be on for a share of the time only;
   * the others cost next to nothing.
   */
  isDear: boolean;
  events: readonly PerfEventSpec[];
}

const software = (name: string, config: number): PerfEventSpec => ({
  name,
  type: PerfType.software,
  config,
});
const hardware = (name: string, config: number): PerfEventSpec => ({
  name,
  type: PerfType.hardware,
  config,
});
const cache = (name: string, level: number): PerfEventSpec => ({
  name,
  type: PerfType.cache,
  // Operation read (0), result miss (1).
  config: cacheConfig(level, 0, 1),
});
const tracepoint = (name: string): PerfEventSpec => ({ name, type: PerfType.tracepoint });

/** In the order of their worth: where descriptors are few, the last ones are left out. */
export const PERF_GROUPS: readonly PerfGroupSpec[] = [
  {
    name: 'software',
    isDear: false,
    events: [
      software('task-clock', 1),
      software('context-switches', 3),
      software('cpu-migrations', 4),
      software('page-faults', 2),
      software('major-faults', 6),
    ],
  },
  // Each by itself: a rare one is counted in full while a frequent one is sampled.
  ...['raw_syscalls:sys_enter', 'lock:contention_begin', 'exceptions:page_fault_user']
    .concat('exceptions:page_fault_kernel', 'sched:sched_migrate_task')
    .map((name) => ({ name, isDear: true, events: [tracepoint(name)] })),
  {
    name: 'cycles',
    isDear: false,
    events: [hardware('cycles', 0), hardware('instructions', 1)],
  },
  {
    name: 'misses',
    isDear: false,
    events: [
      hardware('cache-references', 2),
      hardware('cache-misses', 3),
      hardware('branches', 4),
      hardware('branch-misses', 5),
    ],
  },
  {
    name: 'tlb',
    isDear: false,
    events: [cache('dTLB-load-misses', 3), cache('iTLB-load-misses', 4)],
  },
  {
    name: 'stalls',
    isDear: false,
    events: [hardware('stalled-cycles-frontend', 7), hardware('stalled-cycles-backend', 8)],
  },
];
