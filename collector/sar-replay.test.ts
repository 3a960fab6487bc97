// Exact replay: Debian's own sar reads a fake /proc, bound over the real one in a mount namespace of its
// own, and we read the same two states of it. sar takes its interval from /proc/uptime, so its rates are
// exact, and both must print the same numbers to sar's last digit.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CpuTicks,
  DEVICE_HEADER,
  deviceText,
  type ProcTree,
  pairText,
  softnetLine,
  statText,
} from '#collector/test/proc-tree.ts';
import { differences, type Pair, replay, replayObstacle } from '#collector/test/replay-sar.ts';

/** Twenty-one activities; -w is always asked for. */
const ACTIVITIES =
  '-u ALL -I SUM -B -W -S -r ALL -q ALL -v -d -n DEV,EDEV,TCP,ETCP,UDP,SOCK,SOCK6,SOFT';
const CPUS = 4;
const CPU_LIST = Array.from({ length: CPUS }, (_, cpu) => cpu);

/** The state after `s` seconds. Every number moves, each by another amount. */
function writeState(tree: ProcTree, s: number): void {
  const ticks: CpuTicks = [3000, 200, 800, 4000, 300, 100, 700, 50, 0, 0];
  const passed: CpuTicks = [30, 2, 8, 40, 3, 1, 7, 9, 0, 0];
  const now = ticks.map((n, i) => n + s * passed[i]!);
  tree.write(
    'stat',
    statText({
      cpus: Object.fromEntries(CPU_LIST.map((cpu) => [cpu, now])),
      ctxt: 1000 + 12_345 * s,
      intr: 500 + 777 * s,
      processes: 50 + 7 * s,
    }),
  );
  // sar adds up this file (we read the sum in stat).
  const headers = CPU_LIST.map((cpu) => ` CPU${cpu}`);
  const counts = headers.map((_, cpu) => (cpu === 0 ? ` ${500 + 777 * s}` : ' 0'));
  tree.write('interrupts', `${headers.join('')}\n  0:${counts.join('')} timer\n`);
  tree.write('loadavg', '0.51 0.25 0.12 3/210 4711\n');
  tree.write(
    'vmstat',
    `nr_free_pages 7\npgpgin ${9 + 4096 * s}\npgpgout ${9 + 100 * s}\npgfault ${9 + 2500 * s}\npgmajfault ${7 + s}\n` +
      `pswpin ${3 + 21 * s}\npswpout ${4 + 33 * s}\npgfree ${1 + 640 * s}\npgscan_kswapd ${1 + 55 * s}\n` +
      `pgscan_direct ${1 + 66 * s}\npgsteal_kswapd 1\npgsteal_direct 1\n`,
  );
  const tcp = { RtoAlgorithm: 1, RtoMin: 200, RtoMax: 120_000, MaxConn: -1 };
  tree.write(
    'net/snmp',
    pairText('Tcp', {
      ...tcp,
      ActiveOpens: 100 + 100 * s,
      PassiveOpens: 200 + 200 * s,
      AttemptFails: 3 + 5 * s,
      EstabResets: 2 + 11 * s,
      CurrEstab: 42,
      InSegs: 5000 + 50_000 * s,
      OutSegs: 6000 + 60_000 * s,
      RetransSegs: 10 + 3000 * s,
      InErrs: 1 + s,
      OutRsts: 9 + 13 * s,
      InCsumErrors: 0,
    }) +
      pairText('Udp', {
        InDatagrams: 5 + 17 * s,
        NoPorts: 0,
        InErrors: 0,
        OutDatagrams: 6 + 19 * s,
        RcvbufErrors: 0,
        SndbufErrors: 0,
      }),
  );
  const lo = [10_240 * s, 31 * s];
  const eth = [4096 + 20_480 * s, 5 + 47 * s, 2 * s, 4 * s];
  tree.write('net/dev', DEVICE_HEADER + deviceText('lo', lo, lo) + deviceText('eth0', eth, lo));
  tree.write(
    'net/softnet_stat',
    CPU_LIST.map((cpu) => softnetLine(cpu, 7 + 100 * s, 2 * s, 3 * s)).join(''),
  );
  for (const [i, resource] of ['cpu', 'memory', 'io'].entries()) {
    const line = (kind: string, us: number): string =>
      `${kind} avg10=1.00 avg60=2.00 avg300=3.00 total=${7_000_000 + us * s}\n`;
    const us = 40_000 * (i + 1);
    tree.write(`pressure/${resource}`, line('some', us) + line('full', us / 4));
  }
  const disk = [
    9 + 30 * s,
    3 * s,
    64 + 480 * s,
    12 + 60 * s,
    5 + 20 * s,
    s,
    64 + 640 * s,
    9 + 90 * s,
  ];
  tree.write('diskstats', ` 8 0 sda ${disk.join(' ')} 0 ${500 + 250 * s} ${700 + 150 * s}\n`);
  tree.write('sysfs/block/sda/uevent', '');
  tree.write('sys/fs/file-nr', `${900 + s}\t0\t100000\n`);
  tree.write('sys/fs/inode-nr', '500\t100\n');
  tree.write('sys/fs/dentry-state', '500 100 45 0 10 0\n');
}

const cpu = (mode: string) => `system.cpu.utilization{cpu.mode=${mode}}`;
const dev = (what: string, name: string, direction: string) =>
  `system.network.${what}{device=${name},direction=${direction}}`;
const KB = 1 / 1024;

const psi = (resource: string, kind: string) =>
  `system.linux.pressure{resource=${resource},type=${kind}}`;
const disk = (what: string) => `system.disk.${what}`;

const SAME: Pair[] = [
  ['all %usr', cpu('user'), 100],
  ['all %nice', cpu('nice'), 100],
  ['all %sys', cpu('system'), 100],
  ['all %iowait', cpu('iowait'), 100],
  ['all %steal', cpu('steal'), 100],
  ['all %irq', cpu('interrupt'), 100],
  ['all %soft', cpu('softirq'), 100],
  ['all %idle', cpu('idle'), 100],
  ['proc/s', 'system.process.created', 1],
  ['cswch/s', 'system.linux.context_switches', 1],
  // 'sum intr/s' before sysstat 12.5.
  ['sum all', 'system.linux.interrupts', 1],
  ['pgpgin/s', 'system.paging.io{direction=in}', KB],
  ['pgpgout/s', 'system.paging.io{direction=out}', KB],
  ['fault/s', 'system.paging.faults', 1],
  ['majflt/s', 'system.paging.faults{type=major}', 1],
  ['pswpin/s', 'system.paging.operations{direction=in}', 1],
  ['pswpout/s', 'system.paging.operations{direction=out}', 1],
  ['pgfree/s', 'memory.linux.freed', 1],
  ['pgscank/s', 'memory.linux.reclaim.scan{by=kswapd}', 1],
  ['pgscand/s', 'memory.linux.reclaim.scan{by=direct}', 1],
  ['kbswpfree', 'memory.linux.swap_free', KB],
  ['kbmemfree', 'memory.linux.free', KB],
  ['kbavail', 'system.memory.linux.available', KB],
  ['kbbuffers', 'memory.linux.buffers', KB],
  ['kbcached', 'memory.linux.page_cache', KB],
  ['kbactive', 'memory.linux.active', KB],
  ['kbinact', 'memory.linux.inactive', KB],
  ['kbkstack', 'memory.linux.kernel_stack', KB],
  ['kbpgtbl', 'memory.linux.page_tables', KB],
  ['plist-sz', 'system.thread.count', 1],
  ['ldavg-1', 'system.linux.load{period=1m}', 1],
  ['ldavg-15', 'system.linux.load{period=15m}', 1],
  ['file-nr', 'linux.file_descriptors{state=used}', 1],
  ['eth0 rxpck/s', dev('packet.count', 'eth0', 'receive'), 1],
  ['eth0 txpck/s', dev('packet.count', 'eth0', 'transmit'), 1],
  ['eth0 rxkB/s', dev('io', 'eth0', 'receive'), KB],
  ['lo txkB/s', dev('io', 'lo', 'transmit'), KB],
  ['eth0 rxerr/s', dev('errors', 'eth0', 'receive'), 1],
  ['eth0 rxdrop/s', dev('packet.dropped', 'eth0', 'receive'), 1],
  ['%scpu', psi('cpu', 'some'), 100],
  ['%sio', psi('io', 'some'), 100],
  ['%fio', psi('io', 'full'), 100],
  ['%smem', psi('memory', 'some'), 100],
  ['%fmem', psi('memory', 'full'), 100],
  ['sda rkB/s', disk('io{device=sda,direction=read}'), KB],
  ['sda wkB/s', disk('io{device=sda,direction=write}'), KB],
  ['sda await', disk('linux.await{device=sda}'), 1000],
  ['sda %util', disk('io_time{device=sda}'), 100],
  ['active/s', 'tcp.connections.opened{type=active}', 1],
  ['passive/s', 'tcp.connections.opened{type=passive}', 1],
  ['iseg/s', 'network.linux.tcp.segments{direction=in}', 1],
  ['oseg/s', 'network.linux.tcp.segments{direction=out}', 1],
  ['atmptf/s', 'tcp.connections.failed', 1],
  ['estres/s', 'tcp.connections.reset{direction=in}', 1],
  ['retrans/s', 'network.linux.tcp.retransmits', 1],
  ['isegerr/s', 'network.linux.tcp.errors', 1],
  ['orsts/s', 'network.linux.tcp.resets_sent', 1],
  ['idgm/s', 'network.linux.udp.datagrams{direction=in}', 1],
  ['odgm/s', 'network.linux.udp.datagrams{direction=out}', 1],
  ['totsck', 'network.linux.sockets{state=used}', 1],
  ['tcpsck', 'network.linux.sockets{type=tcp}', 1],
  ['tcp-tw', 'network.linux.sockets{type=tcp,state=time_wait}', 1],
  ['tcp6sck', 'network.linux.sockets{type=tcp6}', 1],
  ['all total/s', 'network.linux.softnet.processed', 1],
  ['all dropd/s', 'network.linux.softnet.dropped', 1],
  ['all squeezd/s', 'network.linux.softnet.squeezed', 1],
];

test('unmodified sar and we read the same /proc and say the same', {
  skip: replayObstacle(),
}, async (t) => {
  assert.deepEqual(differences(await replay(t, ACTIVITIES, CPUS, writeState), SAME), []);
});
