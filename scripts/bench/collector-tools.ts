// What bench:live needs: the means of our rows, the numbers of the other tools out of their reports, and which of them
// are the same thing within which tolerance.

import { parseSarReport } from '#collector/test/sar-report.ts';

export interface Comparison {
  what: string;
  tool: string;
  ours: number;
  theirs: number;
  off: number;
  tolerance: number;
  isWithin: boolean;
}

interface Pair {
  what: string;
  tool: 'sar' | 'mpstat' | 'vmstat' | 'pidstat' | 'nstat';
  /** Key in the tool's report. */
  key: string;
  metric: string;
  /** From our unit to theirs. */
  factor?: number;
  /** What may differ: so much, or this share of theirs, whichever is more. */
  absolute?: number;
  share?: number;
}

const cpu = (mode: string): string => `system.cpu.utilization{cpu.mode=${mode}}`;
const KIB = 1 / 1024;
const POINTS = 0.2;
const HALF_PERCENT = 0.005;

const shares = (tool: 'sar' | 'mpstat', prefix: string): Pair[] =>
  (
    [
      ['%usr', 'user'],
      ['%sys', 'system'],
      ['%iowait', 'iowait'],
      ['%soft', 'softirq'],
      ['%steal', 'steal'],
      ['%idle', 'idle'],
    ] as const
  ).map(([column, mode]) => ({
    what: column,
    tool,
    key: `${prefix}${column}`,
    metric: cpu(mode),
    factor: 100,
    absolute: POINTS,
  }));

const rate = (tool: Pair['tool'], key: string, metric: string, factor = 1): Pair => ({
  what: key,
  tool,
  key,
  metric,
  factor,
  absolute: 5,
  share: HALF_PERCENT,
});

const PAIRS: Pair[] = [
  ...shares('sar', 'all '),
  ...shares('mpstat', 'all '),
  rate('sar', 'cswch/s', 'system.linux.context_switches'),
  rate('vmstat', 'cs', 'system.linux.context_switches'),
  rate('sar', 'proc/s', 'system.process.created'),
  // sar adds up every line of /proc/interrupts, also those that the kernel does not count as interrupts.
  { ...rate('sar', 'sum all', 'system.linux.interrupts'), share: 0.05 },
  rate('vmstat', 'in', 'system.linux.interrupts'),
  rate('sar', 'fault/s', 'system.paging.faults'),
  rate('sar', 'pgpgout/s', 'system.paging.io{direction=out}', KIB),
  rate('sar', 'lo rxpck/s', 'system.network.packet.count{device=lo,direction=receive}'),
  rate('sar', 'lo txkB/s', 'system.network.io{device=lo,direction=transmit}', KIB),
  rate('sar', 'iseg/s', 'network.linux.tcp.segments{direction=in}'),
  rate('sar', 'oseg/s', 'network.linux.tcp.segments{direction=out}'),
  rate('sar', 'active/s', 'tcp.connections.opened{type=active}'),
  rate('sar', 'passive/s', 'tcp.connections.opened{type=passive}'),
  rate('sar', 'retrans/s', 'network.linux.tcp.retransmits'),
  rate('sar', 'all total/s', 'network.linux.softnet.processed'),
  rate('nstat', 'TcpInSegs', 'network.linux.tcp.segments{direction=in}'),
  rate('nstat', 'TcpPassiveOpens', 'tcp.connections.opened{type=passive}'),
  rate('nstat', 'IpExtOutOctets', 'network.linux.ip.bytes{direction=out}'),
  rate('nstat', 'TcpExtListenOverflows', 'tcp.listen.overflows'),
];

/** Of one process; `pidstat` counts switches of the main thread, which is the only one here. */
function processPairs(pid: string, metrics: Iterable<string>): Pair[] {
  const named = [...metrics].filter((metric) => metric.includes(`{pid=${pid},`));
  const find = (start: string, more = ''): string =>
    named.find((metric) => metric.startsWith(`${start}{`) && metric.includes(more)) ?? start;
  const switches = (type: string): string => find('process.context_switches', `type=${type}`);
  return [
    {
      what: '%CPU',
      tool: 'pidstat',
      key: '%CPU',
      metric: find('process.cpu.utilization'),
      factor: 100,
      absolute: 1,
    },
    { ...rate('pidstat', 'cswch/s', switches('voluntary')), share: 0.01 },
    { ...rate('pidstat', 'nvcswch/s', switches('involuntary')), share: 0.01 },
    rate('pidstat', 'minflt/s', find('process.paging.faults', 'type=minor')),
  ];
}

/** Means over all rows, each weighed by its length. */
export function rowMeans(
  rows: readonly { intervalUs: number; values: Record<string, number | null> }[],
): Map<string, number> {
  const means = new Map<string, number>();
  for (const metric of Object.keys(rows[0]?.values ?? {})) {
    let sum = 0;
    let us = 0;
    for (const { values, intervalUs } of rows) {
      const value = values[metric];
      if (value === null || value === undefined) continue;
      sum += value * intervalUs;
      us += intervalUs;
    }
    if (us > 0) means.set(metric, sum / us);
  }
  return means;
}

/** `slack`: tolerances are this much wider. A number that one side lacks is not within any. */
export function compare(
  ours: ReadonlyMap<string, number>,
  outputs: Readonly<Record<string, string>>,
  { pid, slack }: { pid: string; slack: number },
): Comparison[] {
  const reports: Record<Pair['tool'], Map<string, number>> = {
    sar: parseSarReport(outputs['sar']!),
    mpstat: parseSarReport(outputs['mpstat']!),
    vmstat: parseTable(outputs['vmstat']!, 1),
    pidstat: parseTable(outputs['pidstat']!.replace(/^#/m, ' '), 2),
    nstat: nstatRates(outputs),
  };
  return [...PAIRS, ...processPairs(pid, ours.keys())].map((pair) => {
    const mine = (ours.get(pair.metric) ?? Number.NaN) * (pair.factor ?? 1);
    const theirs = reports[pair.tool].get(pair.key) ?? Number.NaN;
    const off = Math.abs(mine - theirs);
    const tolerance = slack * Math.max(pair.absolute ?? 0, (pair.share ?? 0) * Math.abs(theirs));
    const { what, tool } = pair;
    return { what, tool, ours: mine, theirs, off, tolerance, isWithin: off <= tolerance };
  });
}

/** The last line of a table, by the heads of its columns in line `headerLine` of those that are not empty. */
function parseTable(text: string, headerLine: number): Map<string, number> {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const heads = lines[headerLine === 1 ? 1 : lines.length - 2]!.trim().split(/\s+/);
  const cells = lines.at(-1)!.trim().split(/\s+/);
  return new Map(heads.map((head, i) => [head, Number(cells[i])]));
}

function nstatRates(outputs: Readonly<Record<string, string>>): Map<string, number> {
  const read = (text: string): Map<string, number> =>
    new Map(
      [...text.matchAll(/^(\w+)\s+(\d+)/gm)].map(([, name, count]) => [name!, Number(count)]),
    );
  const before = read(outputs['nstatBefore']!);
  const after = read(outputs['nstatAfter']!);
  const seconds = Number(outputs['nstatSeconds']);
  return new Map(
    [...after].map(([name, count]) => [name, (count - (before.get(name) ?? 0)) / seconds]),
  );
}
