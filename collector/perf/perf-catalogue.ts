// What the events of perf are called in rows: of the whole host, and of a process with all that it starts.

import { derivedRate, gauge, instanceName } from '#collector/source/metric-shape.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

interface Shown {
  /** Metric of the whole host; undefined: /proc counts it, or it says nothing there. */
  host?: string;
  /** Metric of a process. */
  process?: string;
  short: string;
  unit: string;
  help: string;
  /** From perf's unit to ours. */
  scale?: number;
}

const NS_PER_US = 1000;

/** By the name of the event in `perf list`. */
export const SHOWN_EVENTS: Readonly<Record<string, Shown>> = {
  'raw_syscalls:sys_enter': {
    host: 'system.linux.syscalls',
    process: 'process.linux.perf.syscalls',
    short: 'sysc/s',
    unit: '{call}/s',
    help: 'system calls',
  },
  'lock:contention_begin': {
    host: 'system.linux.lock_contentions',
    process: 'process.linux.perf.lock_contentions',
    short: 'lock/s',
    unit: '{event}/s',
    help: 'locks of the kernel that had to be waited for, futexes not counted',
  },
  'sched:sched_migrate_task': {
    host: 'system.linux.task_moves',
    process: 'process.linux.perf.task_moves',
    short: 'move/s',
    unit: '{event}/s',
    help: 'threads given to another processor, also on waking up',
  },
  'exceptions:page_fault_user': {
    host: 'system.linux.traps{type=page_fault_user}',
    process: 'process.linux.perf.traps{type=page_fault_user}',
    short: 'xusr/s',
    unit: '{trap}/s',
    help: 'page fault exceptions of user space',
  },
  'exceptions:page_fault_kernel': {
    host: 'system.linux.traps{type=page_fault_kernel}',
    process: 'process.linux.perf.traps{type=page_fault_kernel}',
    short: 'xker/s',
    unit: '{trap}/s',
    help: 'page fault exceptions in the kernel',
  },
  'task-clock': {
    process: 'process.linux.perf.cpu_us',
    short: 'cpu',
    unit: 'us/s',
    help: 'processor time',
    scale: 1 / NS_PER_US,
  },
  'context-switches': {
    host: 'system.linux.perf.context_switches',
    process: 'process.linux.perf.context_switches',
    short: 'pcsw/s',
    unit: '{switch}/s',
    help: 'context switches, as perf counts them',
  },
  'cpu-migrations': {
    host: 'system.linux.cpu_migrations',
    process: 'process.linux.perf.cpu_migrations',
    short: 'migr/s',
    unit: '{event}/s',
    help: 'threads that ran on another processor than before',
  },
  'page-faults': {
    host: 'system.linux.perf.page_faults',
    process: 'process.linux.perf.page_faults',
    short: 'pflt/s',
    unit: '{fault}/s',
    help: 'page faults, as perf counts them',
  },
  'major-faults': {
    host: 'system.linux.perf.major_faults',
    process: 'process.linux.perf.major_faults',
    short: 'pmaj/s',
    unit: '{fault}/s',
    help: 'page faults that waited for a disk',
  },
  cycles: hardware('cycles', 'cyc/s', '{cycle}/s', 'processor cycles at work'),
  instructions: hardware('instructions', 'ins/s', '{instruction}/s', 'instructions completed'),
  'cache-references': hardware(
    'cache_references',
    'cref/s',
    '{event}/s',
    'accesses of the last cache',
  ),
  'cache-misses': hardware(
    'cache_misses',
    'LLC/s',
    '{event}/s',
    'of them, those that went to memory',
  ),
  branches: hardware('branches', 'br/s', '{event}/s', 'branches'),
  'branch-misses': hardware('branch_misses', 'brm/s', '{event}/s', 'branches taken for the other'),
  'dTLB-load-misses': hardware(
    'dtlb_misses',
    'dTLB/s',
    '{event}/s',
    'loads whose page was not in the TLB',
  ),
  'iTLB-load-misses': hardware(
    'itlb_misses',
    'iTLB/s',
    '{event}/s',
    'code whose page was not in the TLB',
  ),
  'stalled-cycles-frontend': hardware(
    'stalled_frontend',
    'stlf/s',
    '{cycle}/s',
    'cycles without instructions to do',
  ),
  'stalled-cycles-backend': hardware(
    'stalled_backend',
    'stlb/s',
    '{cycle}/s',
    'cycles that waited for data or units',
  ),
};

function hardware(what: string, short: string, unit: string, help: string): Shown {
  return {
    host: `cpu.linux.perf.${what}`,
    process: `process.linux.perf.${what}`,
    short,
    unit,
    help,
  };
}

/** Whose counters they are: the host's, or those of a process. */
export type Whose = { pid: number } | undefined;

/** A metric's name of the host, or of a process. */
export function nameOf(host: string, process: string, whose: Whose): string {
  return whose === undefined ? host : instanceName(process, 'pid', whose.pid);
}

/** A metric of the collector about its own counters. */
export function ownName(what: string, whose: Whose): string {
  const name = `wsar.collector.perf.${what}`;
  return nameOf(name, name, whose);
}

/** The metric of an event; undefined when it is not shown. */
export function metricOf(event: string, whose: Whose): MetricSpec | undefined {
  const shown = SHOWN_EVENTS[event];
  const name = whose === undefined ? shown?.host : shown?.process;
  if (shown === undefined || name === undefined) return undefined;
  const of = whose === undefined ? 'all processors' : `process ${whose.pid} and what it started`;
  const full = whose === undefined ? name : instanceName(name, 'pid', whose.pid);
  const { short, unit, help, scale = 1 } = shown;
  return derivedRate(full, short, unit, `${help}; ${of}`, { decays: true, scale });
}

/** The metric that says how far a sampled rate may be off. */
export function errorMetricOf(spec: MetricSpec): MetricSpec {
  return gauge(
    instanceName(spec.name, 'stat', 'error'),
    `${spec.short}±`,
    '1',
    `one standard error of ${spec.name}, as a share of it; 0: every event was counted`,
  );
}
