// Groups of columns by area of the kernel, for `--show` and the roles of `--layout`; they look the same in both
// widths. What wsar itself printed stands in layout.ts.

import type { Column, Group } from '#collector/report/layout.ts';
import { percentText, secondsText, shortText } from '#collector/report/number-text.ts';

const MIB = 1024 * 1024;

function share(head: string, metric: string, width = 5): Column {
  return { head, metric, width, text: percentText };
}

function short(head: string, metric: string, unit = 1, width = 5): Column {
  return { head, metric, width, unit, text: shortText };
}

const pressure = (resource: string, type: string): string =>
  `system.linux.pressure{resource=${resource},type=${type}}`;

export const AREA_GROUPS: Record<string, Group> = {
  psi: {
    title: 'stalled % of the time',
    columns: [
      share('cpu', pressure('cpu', 'some')),
      share('mem', pressure('memory', 'some')),
      share('memF', pressure('memory', 'full')),
      share('io', pressure('io', 'some')),
      share('ioF', pressure('io', 'full')),
    ],
  },
  sched: {
    title: 'scheduling',
    columns: [
      short('runq', 'system.process.count{state=running}', 1, 4),
      short('blkd', 'system.process.count{state=blocked}', 1, 4),
      short('proc/s', 'system.process.created', 1, 6),
      share('cpuimb', 'system.cpu.linux.imbalance', 6),
      share('%stl', 'system.cpu.utilization{cpu.mode=steal}', 4),
    ],
  },
  sockets: {
    title: 'sockets',
    columns: [
      short('estab', 'system.network.connection.count{state=established}'),
      short('tw', 'network.linux.sockets{type=tcp,state=time_wait}'),
      short('orph', 'network.linux.sockets{type=tcp,state=orphan}', 1, 4),
      short('alloc', 'network.linux.sockets{type=tcp,state=allocated}'),
      short('MiB', 'network.linux.tcp.memory', MIB),
      short('B/con', 'memory.linux.kernel_bytes_per_connection'),
      { head: 'lf', metric: 'tcp.hash.load_factor', width: 4, text: secondsText },
    ],
  },
  listen: {
    title: 'accept queues',
    columns: [
      short('lq', 'tcp.listen.queue.longest', 1, 4),
      share('%lq', 'tcp.listen.queue.utilization', 4),
      short('ovflw', 'tcp.listen.overflows'),
      short('drop', 'tcp.listen.drops', 1, 4),
      short('synck', 'tcp.syn.cookies_sent'),
    ],
  },
  drops: {
    title: 'tcp trouble/s',
    columns: [
      short('rto', 'tcp.timeouts', 1, 4),
      short('rexmt', 'network.linux.tcp.retransmits'),
      short('prune', 'tcp.receive_queue.pruned'),
      short('clps', 'tcp.receive_queue.collapsed', 1, 4),
      short('bklg', 'tcp.backlog_drops', 1, 4),
      short('rcvq', 'tcp.receive_queue.drops', 1, 4),
      short('zwin', 'tcp.zero_window.announced', 1, 4),
    ],
  },
  softnet: {
    title: 'softnet/s',
    columns: [
      short('pkts', 'network.linux.softnet.processed'),
      short('drop', 'network.linux.softnet.dropped', 1, 4),
      short('sqz', 'network.linux.softnet.squeezed', 1, 4),
      short('rps', 'network.linux.softnet.steered', 1, 4),
    ],
  },
  conntrack: {
    title: 'conntrack',
    columns: [
      short('count', 'network.linux.conntrack.count'),
      share('%full', 'network.linux.conntrack.utilization'),
      short('drop', 'network.linux.conntrack.drop', 1, 4),
      short('insf', 'network.linux.conntrack.insert_failed', 1, 4),
    ],
  },
  paging: {
    title: 'paging/s',
    columns: [
      short('flt', 'system.paging.faults'),
      short('majf', 'system.paging.faults{type=major}', 1, 4),
      short('pgin', 'system.paging.io{direction=in}'),
      short('pgout', 'system.paging.io{direction=out}'),
      short('scank', 'memory.linux.reclaim.scan{by=kswapd}'),
      short('scand', 'memory.linux.reclaim.scan{by=direct}'),
      short('stall', 'memory.linux.allocation_stalls'),
      short('oom', 'memory.linux.oom_kills', 1, 3),
    ],
  },
  cgroup: {
    title: 'control group',
    columns: [
      { head: 'cpus', metric: 'cgroup.cpu.usage', width: 5, text: secondsText },
      short('thrtl', 'cgroup.cpu.throttled.periods'),
      short('MiB', 'cgroup.memory.usage', MIB),
      short('oom', 'cgroup.memory.events{event=oom_kill}', 1, 3),
    ],
  },
};

/** Columns of one disk. */
export function diskGroup(disk: string): Group {
  const of = (what: string, direction?: string): string =>
    `system.disk.${what}{device=${disk}${direction === undefined ? '' : `,direction=${direction}`}}`;
  return {
    title: disk,
    columns: [
      short('r/s', of('operations', 'read')),
      short('w/s', of('operations', 'write')),
      short('rB/s', of('io', 'read')),
      short('wB/s', of('io', 'write')),
      { head: 'await', metric: of('linux.await'), width: 5, text: secondsText },
      share('%busy', of('io_time')),
    ],
  };
}
