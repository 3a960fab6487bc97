// The columns of the sar panel: what one second looks like across a lab. They stand in this order; when
// the terminal is narrow, those with the highest rank number go first. A column whose metric no source
// has is left out.

import { HOST, LOAD, latencyName, SERVER } from '#tui/view/metric-names.ts';
import { durationText, numberText } from '#tui/view/number-text.ts';
import { firstKnown, maxAt, type Scene, sumAt } from '#tui/view/scene.ts';
import { ROLE, type Role } from '#tui/view/theme.ts';

export interface SarColumn {
  head: string;
  /** Second line of the head. */
  unit: string;
  cols: number;
  /** 1 is never left out. */
  rank: number;
  text(second: number): string;
  role(second: number): Role;
}

interface ColumnSpec {
  head: string;
  unit: string;
  cols: number;
  rank: number;
  source: 'host' | 'server' | 'load';
  names: readonly string[];
  /** How to print it; numberText when absent. */
  print?: (value: number, cols: number) => string;
  /** A value that deserves attention. */
  isBad?: (value: number) => boolean;
  /** Of several sources the largest counts, not the sum. */
  isMax?: boolean;
}

const percent = (value: number): string =>
  Number.isFinite(value) ? String(Math.round(value)) : '-';
/** Microseconds of CPU per second as percent of one core. */
const cpuOfUs = (value: number): string => percent(value / 1e4);
/** Waiting for a disk is idling, as it always was in wsar: what is not used. */
const idle = (value: number): string => percent(100 - value);
const above0 = (value: number): boolean => value > 0;

const COLUMNS: ColumnSpec[] = [
  { head: 'conns', unit: 'conn', cols: 7, rank: 1, source: 'server', names: [SERVER.connections] },
  { head: 'login', unit: '/s', cols: 6, rank: 6, source: 'server', names: [SERVER.logins] },
  { head: 'msg in', unit: '/s', cols: 7, rank: 4, source: 'server', names: [SERVER.received] },
  { head: 'msg out', unit: '/s', cols: 7, rank: 2, source: 'server', names: [SERVER.delivered] },
  { head: 'queue', unit: 'msg', cols: 7, rank: 1, source: 'server', names: [SERVER.queueLength] },
  {
    head: 'p99',
    unit: 'latency',
    cols: 7,
    rank: 2,
    source: 'load',
    names: [latencyName('latency', 'p99')],
    print: durationText,
    isMax: true,
  },
  {
    head: 'srv',
    unit: '%cpu',
    cols: 4,
    rank: 3,
    source: 'server',
    names: [SERVER.cpuUs],
    print: cpuOfUs,
  },
  {
    head: 'load',
    unit: '%cpu',
    cols: 4,
    rank: 5,
    source: 'load',
    names: [LOAD.cpuUs],
    print: cpuOfUs,
  },
  ...hostColumns(),
];

function hostColumns(): ColumnSpec[] {
  const host = { source: 'host' as const };
  return [
    { ...host, head: 'us', unit: '%', cols: 3, rank: 1, names: HOST.user, print: percent },
    { ...host, head: 'sy', unit: '%', cols: 3, rank: 1, names: HOST.system, print: percent },
    { ...host, head: 'si', unit: '%', cols: 3, rank: 1, names: HOST.softirq, print: percent },
    { ...host, head: 'id', unit: '%', cols: 3, rank: 1, names: HOST.utilization, print: idle },
    { ...host, head: 'csw', unit: '/s', cols: 7, rank: 3, names: HOST.contextSwitches },
    { ...host, head: 'rx', unit: 'seg/s', cols: 7, rank: 3, names: HOST.segmentsIn },
    { ...host, head: 'tx', unit: 'seg/s', cols: 7, rank: 5, names: HOST.segmentsOut },
    { ...host, head: 'socks', unit: 'sock', cols: 7, rank: 4, names: HOST.sockets },
    { ...host, head: 'opens', unit: '/s', cols: 6, rank: 6, names: HOST.opens },
    {
      ...host,
      head: 'ovf',
      unit: '/s',
      cols: 5,
      rank: 2,
      names: [HOST.listenOverflows],
      isBad: above0,
    },
    { ...host, head: 'mem', unit: '%', cols: 3, rank: 4, names: HOST.memory, print: percent },
    { ...host, head: 'files', unit: 'fd', cols: 7, rank: 7, names: HOST.files },
    { ...host, head: 'runq', unit: 'thr', cols: 4, rank: 7, names: HOST.runQueue },
    { ...host, head: 'int', unit: '/s', cols: 7, rank: 8, names: HOST.interrupts },
  ];
}

/** The columns that exist and fit into `cols` cells behind the time. */
export function sarColumns(scene: Scene, cols: number): SarColumn[] {
  const present = COLUMNS.flatMap((spec) => resolve(scene, spec) ?? []);
  const chosen = new Set<SarColumn>();
  let left = cols;
  for (const column of [...present].sort((a, b) => a.rank - b.rank)) {
    if (column.cols + 1 > left) continue;
    left -= column.cols + 1;
    chosen.add(column);
  }
  return present.filter((column) => chosen.has(column));
}

function resolve(scene: Scene, spec: ColumnSpec): SarColumn | undefined {
  const sources = {
    host: scene.host === undefined ? [] : [scene.host],
    server: scene.servers,
    load: scene.loads,
  }[spec.source];
  const name = firstKnown(sources[0], spec.names);
  if (name === undefined) return undefined;
  const { head, unit, cols, rank, isBad, print = numberText } = spec;
  const join = spec.isMax === true ? maxAt : sumAt;
  const at = (second: number): number => join(sources, name, second);
  return {
    head,
    unit,
    cols,
    rank,
    text: (second) => print(at(second), cols),
    role: (second) => (isBad?.(at(second)) === true ? ROLE.bad : ROLE.text),
  };
}
