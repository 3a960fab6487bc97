// Columns of chosen processes and of other network namespaces.

import type { Column, Group } from '#collector/report/layout.ts';
import { percentText, shortText } from '#collector/report/number-text.ts';

const MIB = 1024 * 1024;

function share(head: string, metric: string, width = 5): Column {
  return { head, metric, width, text: percentText };
}

function short(head: string, metric: string, unit = 1, width = 5): Column {
  return { head, metric, width, unit, text: shortText };
}

/** `label` is `pid=7,comm=node`. Shares are of one CPU: two busy threads are 200 %. */
export function processGroup(
  label: string,
  { isWide, hasExactDescriptors }: { isWide: boolean; hasExactDescriptors: boolean },
): Group {
  const of = (name: string, more = ''): string =>
    `process.${name}{${label}${more === '' ? '' : `,${more}`}}`;
  const few = [
    share('%cpu', of('cpu.utilization')),
    share('%wait', of('linux.time', 'state=wait')),
    short('MiB', of('memory.usage'), MIB),
  ];
  const more = [
    share('%usr', of('cpu.time', 'cpu.mode=user')),
    share('%sys', of('cpu.time', 'cpu.mode=system')),
    short('csw', of('context_switches', 'type=voluntary')),
    short('nvcsw', of('context_switches', 'type=involuntary')),
    short('minf', of('paging.faults', 'type=minor')),
    short('majf', of('paging.faults', 'type=major'), 1, 4),
    hasExactDescriptors
      ? short('fds', of('unix.file_descriptor.count'))
      : short('fds<', of('linux.file_descriptor.slots')),
    short('thr', of('thread.count'), 1, 4),
    short('rd/s', of('linux.io', 'direction=read')),
    short('wr/s', of('linux.io', 'direction=write')),
  ];
  const [, pid, name] = /^pid=(\d+),comm=(.*)$/.exec(label)!;
  return { title: `${name} ${pid}`, columns: isWide ? [...few, ...more] : few };
}

export function namespaceGroups(pid: number): Group[] {
  const of = (name: string): string =>
    name.endsWith('}') ? `${name.slice(0, -1)},netns=${pid}}` : `${name}{netns=${pid}}`;
  return [
    {
      title: `net of ${pid}`,
      columns: [
        short('spkt', of('network.linux.tcp.segments{direction=out}')),
        short('rpkt', of('network.linux.tcp.segments{direction=in}')),
        share('rex%', of('network.linux.tcp.retransmit_ratio'), 4),
        short('ovfl', of('tcp.listen.overflows'), 1, 4),
        short('pcb', of('network.linux.tcp.control_blocks')),
        short('con/s', of('tcp.connections.opened')),
      ],
    },
  ];
}
