// A fake /proc for tests: small, complete, and written in place, so that the descriptors that sources keep
// open see the change, as they do on the real one.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '#test/command.ts';

export interface ProcTree {
  root: string;
  /** Writes a file of the tree, relative to its root. */
  write(file: string, text: string): void;
  remove(file: string): void;
}

/** Ticks of one `cpu` line: user nice system idle iowait irq softirq steal guest guest_nice. */
export type CpuTicks = number[];

/** The text of /proc/stat. `cpus` by number; the total is their sum unless given. */
export function statText(options: {
  cpus: Record<number, CpuTicks>;
  ctxt?: number | string;
  intr?: number;
  processes?: number;
  running?: number;
  softirq?: number[];
}): string {
  const { cpus, ctxt = 1000, intr = 500, processes = 50, running = 2 } = options;
  const softirq = options.softirq ?? [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
  const total = Array.from({ length: 10 }, (_, i) =>
    Object.values(cpus).reduce((sum, ticks) => sum + (ticks[i] ?? 0), 0),
  );
  return [
    `cpu  ${total.join(' ')}`,
    ...Object.entries(cpus).map(([cpu, ticks]) => `cpu${cpu} ${ticks.join(' ')}`),
    `intr ${intr} 0 0 17 0`,
    `ctxt ${ctxt}`,
    'btime 1700000000',
    `processes ${processes}`,
    `procs_running ${running}`,
    'procs_blocked 0',
    `softirq ${softirq.reduce((sum, n) => sum + n, 0)} ${softirq.join(' ')}`,
    '',
  ].join('\n');
}

/** A pair of lines as in /proc/net/snmp. */
export function pairText(group: string, columns: Record<string, number | string>): string {
  return `${group}: ${Object.keys(columns).join(' ')}\n${group}: ${Object.values(columns).join(' ')}\n`;
}

/** A line of /proc/net/dev. */
export function deviceText(name: string, rx: number[], tx: number[]): string {
  const eight = (numbers: number[]): string =>
    Array.from({ length: 8 }, (_, i) => String(numbers[i] ?? 0).padStart(8)).join(' ');
  return `${name.padStart(6)}: ${eight(rx)} ${eight(tx)}\n`;
}

export const DEVICE_HEADER =
  'Inter-|   Receive                            |  Transmit\n face |bytes    packets errs drop |bytes\n';

const START: Record<string, string> = {
  stat: statText({
    cpus: { 0: [100, 0, 50, 800, 10, 5, 15, 0, 0, 0], 1: [0, 0, 0, 980, 0, 0, 0, 0] },
  }),
  loadavg: '0.50 0.25 0.12 3/210 4711\n',
  meminfo: [
    'MemTotal:       1000000 kB',
    'MemFree:         300000 kB',
    'MemAvailable:    600000 kB',
    'Buffers:          10000 kB',
    'Cached:           90000 kB',
    'Active:          200000 kB',
    'Inactive:        100000 kB',
    'SwapTotal:       500000 kB',
    'SwapFree:        400000 kB',
    'SReclaimable:     20000 kB',
    'SUnreclaim:       30000 kB',
    'KernelStack:       4000 kB',
    'PageTables:        5000 kB',
    'Percpu:            1000 kB',
    'Mlocked:              0 kB',
    '',
  ].join('\n'),
  vmstat: 'nr_free_pages 75000\npgpgin 1000\npgpgout 2000\npgfault 5000\npgmajfault 7\n',
  'net/snmp':
    pairText('Ip', { Forwarding: 1, InReceives: 9 }) +
    pairText('Tcp', {
      RtoAlgorithm: 1,
      MaxConn: -1,
      ActiveOpens: 100,
      PassiveOpens: 200,
      CurrEstab: 42,
      InSegs: 5000,
      OutSegs: 6000,
      RetransSegs: 10,
    }),
  'net/netstat':
    pairText('TcpExt', { SyncookiesSent: 0, ListenOverflows: 3, ListenDrops: 4 }) +
    pairText('IpExt', { InOctets: 1_000_000, OutOctets: 2_000_000 }),
  'net/sockstat':
    'sockets: used 150\nTCP: inuse 40 orphan 1 tw 5 alloc 50 mem 3\nUDP: inuse 2 mem 0\n',
  'net/sockstat6': 'TCP6: inuse 4\nUDP6: inuse 1\n',
  'net/softnet_stat': `${softnetLine(0, 100, 0, 1)}${softnetLine(1, 200, 0, 0)}`,
  'net/dev': `${DEVICE_HEADER}${deviceText('lo', [1000, 10], [1000, 10])}${deviceText('eth0', [5000, 50], [7000, 70])}`,
  'sys/fs/file-nr': '900\t0\t100000\n',
  'sys/net/ipv4/tcp_mem': '100\t200\t300\n',
  'pressure/cpu':
    'some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
};

/** A line of /proc/net/softnet_stat as kernels since 5.10 write it. */
export function softnetLine(
  cpu: number,
  processed: number,
  dropped: number,
  squeezed: number,
): string {
  const columns = [processed, dropped, squeezed, 0, 0, 0, 0, 0, 0, 0, 0, 0, cpu, 0, 0];
  return `${columns.map((n) => n.toString(16).padStart(8, '0')).join(' ')}\n`;
}

export function makeProcTree(t: TestContext): ProcTree {
  const root = temporaryFolder(t);
  const write = (file: string, text: string): void => {
    const path = join(root, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  for (const [file, text] of Object.entries(START)) write(file, text);
  return { root, write, remove: (file) => rmSync(join(root, file), { force: true }) };
}
