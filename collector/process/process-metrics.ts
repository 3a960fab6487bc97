// The metrics of one process and of one group of its threads, by name.

import { counter, derivedRate, gauge } from '#collector/source/metric-shape.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

/** A second of CPU time in the ticks of /proc/PID/stat. */
const TICKS_PER_S = 100;
const D = { decays: true };

/** Order of the metrics of a process. */
export const PROCESS = {
  utilization: 0,
  user: 1,
  system: 2,
  run: 3,
  wait: 4,
  sleep: 5,
  voluntary: 6,
  involuntary: 7,
  minorFaults: 8,
  majorFaults: 9,
  resident: 10,
  virtual: 11,
  descriptors: 12,
  threads: 13,
  unread: 14,
  io: 15,
} as const;

/** Lines of /proc/PID/io, in the order of their metrics behind `PROCESS.io`. */
export const IO_LINES = ['rchar', 'wchar', 'syscr', 'syscw', 'read_bytes', 'write_bytes'];

/** `label` is what stands in the braces: `pid=7,comm=node`. */
export function processSpecs(label: string, hasExactDescriptors: boolean): MetricSpec[] {
  return [
    ...cpuSpecs(label),
    ...memorySpecs(label),
    gauge(
      named(
        label,
        hasExactDescriptors ? 'unix.file_descriptor.count' : 'linux.file_descriptor.slots',
      ),
      'fds',
      '{file_descriptor}',
      hasExactDescriptors ? 'open descriptors' : 'size of the descriptor table: no fewer are open',
      D,
    ),
    gauge(named(label, 'thread.count'), 'thr', '{thread}', 'threads'),
    gauge(
      named(label, 'linux.threads.unread'),
      'thru',
      '{thread}',
      'threads not read in this tick; their rates are of the tick before, or older',
    ),
    ...ioSpecs(label),
  ];
}

function named(label: string, name: string, more = ''): string {
  return `process.${name}{${label}${more === '' ? '' : `,${more}`}}`;
}

function cpuSpecs(label: string): MetricSpec[] {
  const rate = (name: string, more: string, short: string, unit: string, help: string) =>
    derivedRate(named(label, name, more), short, unit, help, D);
  const ticks = (mode: string, short: string, where: string) =>
    counter(
      named(label, 'cpu.time', `cpu.mode=${mode}`),
      short,
      '1',
      `CPU time ${where} per second, in steps of 10 ms`,
      { scale: 1 / TICKS_PER_S },
    );
  const time = (state: string, short: string, help: string) =>
    rate('linux.time', `state=${state}`, short, '1', `seconds per second that threads ${help}`);
  const switches = (type: string, short: string, help: string) =>
    rate('context_switches', `type=${type}`, short, '{switch}/s', help);
  return [
    rate('cpu.utilization', '', '%cpu', '1', 'CPU time per second; 1 is one CPU all the time'),
    ticks('user', '%usr', 'in the program'),
    ticks('system', '%sys', 'in the kernel'),
    time('run', 'run', 'ran, from nanoseconds'),
    time('wait', 'wait', 'could run but had no CPU'),
    time('sleep', 'sleep', 'neither ran nor could'),
    switches('voluntary', 'csw', 'times a thread gave up its CPU to wait'),
    switches('involuntary', 'nvcsw', 'times a thread lost its CPU to another'),
  ];
}

function memorySpecs(label: string): MetricSpec[] {
  const faults = (type: string, short: string, help: string) =>
    counter(named(label, 'paging.faults', `type=${type}`), short, '{fault}/s', help);
  return [
    faults('minor', 'minf', 'page faults without a disk'),
    faults('major', 'majf', 'page faults that read from a disk'),
    gauge(named(label, 'memory.usage'), 'rss', 'By', 'memory in RAM', D),
    gauge(named(label, 'memory.virtual'), 'vsz', 'By', 'address space'),
  ];
}

function ioSpecs(label: string): MetricSpec[] {
  const io = (name: string, direction: string, short: string, unit: string, help: string) =>
    counter(named(label, name, `direction=${direction}`), short, unit, help);
  return [
    io('linux.io', 'read', 'rch', 'By/s', 'bytes that read calls returned, sockets included'),
    io('linux.io', 'write', 'wch', 'By/s', 'bytes that write calls took, sockets included'),
    io('linux.io.calls', 'read', 'sysr', '{call}/s', 'read calls'),
    io('linux.io.calls', 'write', 'sysw', '{call}/s', 'write calls'),
    io('disk.io', 'read', 'rd', 'By/s', 'bytes read from disks'),
    io('disk.io', 'write', 'wr', 'By/s', 'bytes to be written to disks'),
  ];
}

/** Order: threads, run, wait, voluntary, involuntary. `label` as above and `thread=<group>` behind it. */
export function threadGroupSpecs(label: string): MetricSpec[] {
  const rate = (name: string, more: string, short: string, unit: string, help: string) =>
    derivedRate(`process.linux.thread.${name}{${label}${more}}`, short, unit, help);
  return [
    gauge(`process.linux.thread.count{${label}}`, 'thr', '{thread}', 'threads of this name'),
    rate('time', ',state=run', 'run', '1', 'seconds that they ran per second'),
    rate(
      'time',
      ',state=wait',
      'wait',
      '1',
      'seconds that they wanted a CPU and had none, per second',
    ),
    rate(
      'context_switches',
      ',type=voluntary',
      'csw',
      '{switch}/s',
      'times they gave up their CPU',
    ),
    rate(
      'context_switches',
      ',type=involuntary',
      'nvcsw',
      '{switch}/s',
      'times they lost their CPU',
    ),
  ];
}
