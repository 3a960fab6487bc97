// Which columns the console shows: groups of columns, made of metrics by name, in the order in which
// wsar printed them. A group is a plug-in of the layout: a new one is an entry here.
//
// Two widths: `narrow` fits 80 columns with short numbers, `wide` is wsar's whole line with whole numbers.

import { AREA_GROUPS, diskGroup } from '#collector/report/area-groups.ts';
import {
  finePercentText,
  percentText,
  secondsText,
  shortText,
  wholeText,
} from '#collector/report/number-text.ts';

export interface Column {
  head: string;
  metric: string;
  /** The value is shown as a share of this metric. */
  per?: string;
  /** The value is divided by this before it is shown. */
  unit?: number;
  /** Characters, without the space before. */
  width: number;
  text: (value: number) => string;
}

export interface Group {
  title: string;
  columns: Column[];
}

const KIB = 1024;
const US_PER_S = 1e6;
/** Devices with columns of their own; wsar's hosts had two. */
const DEVICES_MAX = 4;
const MEM = 'system.memory.limit';
const mode = (name: string): string => `system.cpu.utilization{cpu.mode=${name}}`;

function share(head: string, metric: string, width = 4, per?: string): Column {
  return { head, metric, width, text: percentText, ...(per === undefined ? {} : { per }) };
}

function short(head: string, metric: string, width = 5): Column {
  return { head, metric, width, text: shortText };
}

function whole(head: string, metric: string, width: number, unit = 1): Column {
  return { head, metric, width, unit, text: wholeText };
}

function seconds(head: string, metric: string, width: number): Column {
  return { head, metric, width, text: secondsText };
}

const NARROW: Record<string, Group> = {
  cpu: {
    title: 'cpu %',
    columns: [
      share('util', 'system.cpu.utilization'),
      share('user', mode('user')),
      share('sys', mode('system')),
      share('intr', 'system.cpu.linux.interrupts'),
    ],
  },
  intr: { title: 'intr', columns: [short('csw/s', 'system.linux.context_switches')] },
  tcp: {
    title: 'tcp',
    columns: [
      short('spkt', 'network.linux.tcp.segments{direction=out}'),
      short('rpkt', 'network.linux.tcp.segments{direction=in}'),
      share('rex%', 'network.linux.tcp.retransmit_ratio'),
      short('ovfl', 'tcp.listen.overflows', 4),
      short('pcb', 'network.linux.tcp.control_blocks'),
      short('con/s', 'tcp.connections.opened'),
    ],
  },
  vm: { title: 'vm', columns: [share('util', 'system.memory.utilization')] },
  files: { title: 'open', columns: [short('files', 'linux.file_descriptors{state=used}')] },
  queue: {
    title: 'msgqlen',
    columns: [
      short('tot', 'mailbox.length{stat=sum}'),
      short('max', 'mailbox.length{stat=max}'),
      short('nonz', 'mailbox.nonempty', 4),
    ],
  },
  messages: {
    title: 'messages/s',
    columns: [
      short('in', 'wsar.runtime.messages{direction=in}'),
      short('out', 'wsar.runtime.messages{direction=out}'),
    ],
  },
  drain: {
    title: 'queues',
    columns: [
      short('deq/s', 'mailbox.dequeued'),
      seconds('QDly', 'mailbox.delay', 4),
      short('QFill', 'mailbox.fill_rate', 6),
      seconds('Drain', 'mailbox.drain_time', 5),
    ],
  },
  loop: { title: 'loop', columns: [share('util', 'wsar.runtime.loop.utilization')] },
  process: {
    title: 'server',
    columns: [
      { head: '%cpu', metric: 'wsar.runtime.cpu_us', width: 4, unit: US_PER_S, text: percentText },
      short('conn', 'wsar.runtime.connections'),
    ],
  },
};

const WIDE: Record<string, Group> = {
  ...NARROW,
  cpu: {
    title: 'cpu',
    columns: [
      share('%util', 'system.cpu.utilization', 5),
      share('%user', mode('user'), 5),
      share('%nice', mode('nice'), 5),
      share('%sys', mode('system'), 5),
      share('%intr', 'system.cpu.linux.interrupts', 5),
      share('%stl', mode('steal'), 5),
      share('%iow', mode('iowait'), 5),
      share('%idle', mode('idle'), 5),
      whole('runq', 'system.process.count{state=running}', 4),
    ],
  },
  intr: {
    title: 'intr/s',
    columns: [
      whole('soft', 'system.linux.softirqs', 8),
      whole('hard', 'system.linux.interrupts', 8),
      whole('sysc', 'system.linux.syscalls', 8),
      whole('trap', 'system.paging.faults', 8),
      whole('csw', 'system.linux.context_switches', 8),
    ],
  },
  tcp: {
    title: 'tcp',
    columns: [
      whole('spkt/s', 'network.linux.tcp.segments{direction=out}', 7),
      whole('sKiB/s', 'network.linux.ip.bytes{direction=out}', 7, KIB),
      {
        head: 'rexmt%',
        metric: 'network.linux.tcp.retransmit_ratio',
        width: 6,
        text: finePercentText,
      },
      whole('rpkt/s', 'network.linux.tcp.segments{direction=in}', 7),
      whole('rKiB/s', 'network.linux.ip.bytes{direction=in}', 7, KIB),
      whole('ovflw', 'tcp.listen.overflows', 5),
      whole('pcb', 'network.linux.tcp.control_blocks', 8),
      whole('conn/s', 'tcp.connections.opened', 6),
      whole('sqz/s', 'network.linux.softnet.squeezed', 5),
    ],
  },
  vm: {
    title: 'vm',
    columns: [
      share('%util', 'system.memory.utilization', 5),
      share('%act', 'memory.linux.active', 5, MEM),
      share('%inac', 'memory.linux.inactive', 5, MEM),
      share('%cach', 'memory.linux.cached', 5, MEM),
      share('%wire', 'memory.linux.wired', 5, MEM),
      share('%free', 'memory.linux.free', 5, MEM),
    ],
  },
  files: { title: 'open', columns: [whole('files', 'linux.file_descriptors{state=used}', 8)] },
  queue: {
    title: 'msgqlen',
    columns: [
      whole('tot', 'mailbox.length{stat=sum}', 8),
      whole('max', 'mailbox.length{stat=max}', 8),
      whole('nonz', 'mailbox.nonempty', 7),
    ],
  },
  messages: {
    title: 'messages/s',
    columns: [
      whole('msgin', 'wsar.runtime.messages{direction=in}', 7),
      whole('msgout', 'wsar.runtime.messages{direction=out}', 7),
      whole('rcpt', 'wsar.runtime.receipts', 7),
    ],
  },
  drain: {
    title: 'queues',
    columns: [
      whole('DeqRate', 'mailbox.dequeued', 7),
      seconds('QDelay', 'mailbox.delay', 6),
      whole('QFillRate', 'mailbox.fill_rate', 9),
      seconds('ETDrain', 'mailbox.drain_time', 7),
      seconds('10s', 'mailbox.drain_time{decay=10s}', 5),
      seconds('100s', 'mailbox.drain_time{decay=100s}', 5),
    ],
  },
  loop: {
    title: 'loop',
    columns: [
      share('%util', 'wsar.runtime.loop.utilization', 5),
      whole('turn/s', 'wsar.runtime.loop.turns', 7),
      whole('entr/s', 'wsar.runtime.loop.enters', 7),
      whole('max_us', 'wsar.runtime.loop.turn_max_us', 7),
    ],
  },
  process: {
    title: 'server',
    columns: [
      { head: '%cpu', metric: 'wsar.runtime.cpu_us', width: 5, unit: US_PER_S, text: percentText },
      whole('MiB', 'wsar.runtime.rss', 6, KIB * KIB),
      whole('conn', 'wsar.runtime.connections', 8),
      whole('sess', 'wsar.runtime.sessions', 8),
      whole('login/s', 'wsar.runtime.logins', 7),
      seconds('age', 'wsar.runtime.age', 4),
    ],
  },
};

/** The two tables that wsar had, and layouts for those who look after one part of a host. */
export const TABLES: Record<string, string[]> = {
  os: ['cpu', 'intr', 'tcp', 'nic', 'vm', 'files'],
  runtime: ['queue', 'messages', 'drain', 'loop', 'process'],
  server: ['cpu', 'tcp', 'listen', 'sockets', 'vm', 'files', 'process'],
  network: ['cpu', 'tcp', 'drops', 'listen', 'softnet', 'conntrack', 'nic'],
  memory: ['vm', 'paging', 'psi', 'sockets'],
  disk: ['cpu', 'psi', 'disk'],
  scheduling: ['cpu', 'intr', 'sched', 'psi'],
  container: ['cgroup', 'cpu', 'vm', 'psi'],
};

/** Groups made of the instances that are there: devices with traffic, disks with requests. */
export interface Instances {
  devices: string[];
  disks: string[];
  /** Groups of an area of the collector (collect-area.ts) by the name of one of its tables. */
  groups?: (name: string) => Group[];
}

const INSTANCE_GROUPS = ['nic', 'disk'];

/** What may be asked for: tables and groups. */
export const LAYOUT_NAMES = [
  ...new Set([
    ...Object.keys(TABLES),
    ...Object.keys(WIDE),
    ...Object.keys(AREA_GROUPS),
    ...INSTANCE_GROUPS,
  ]),
];

/**
 * The groups of some tables and groups, each once, in the order asked for. A name that is both (`disk`) is the
 * table. Devices of table `os` have columns only when the line is wide.
 */
export function layoutOf(names: readonly string[], isWide: boolean, found: Instances): Group[] {
  // A table that an area brings replaces ours of that name.
  const brought = (name: string): Group[] => found.groups?.(name) ?? [];
  const groups = new Set(
    names.flatMap((name) => (brought(name).length > 0 ? [name] : (TABLES[name] ?? [name]))),
  );
  const hasDevices = isWide || names.some((name) => name === 'nic' || name === 'network');
  return [...groups].flatMap((name) => {
    if (name === 'nic') {
      const devices = hasDevices ? found.devices.slice(0, DEVICES_MAX) : [];
      return devices.map((device) => nic(device, isWide));
    }
    if (name === 'disk') return found.disks.slice(0, DEVICES_MAX).map(diskGroup);
    const group = AREA_GROUPS[name] ?? (isWide ? WIDE : NARROW)[name];
    return group === undefined ? brought(name) : [group];
  });
}

function nic(device: string, isWide: boolean): Group {
  const packets = (head: string, direction: string): Column => {
    const metric = `system.network.packet.count{device=${device},direction=${direction}}`;
    return isWide ? whole(head, metric, 7) : short(head, metric);
  };
  return { title: device, columns: [packets('rxd', 'receive'), packets('txd', 'transmit')] };
}
