// Exact replay: Debian's own sar reads a fake /proc, bound over the real one in a mount namespace of its
// own, and we read the same two states of it. sar takes its interval from /proc/uptime, so its rates are
// exact, and both must print the same numbers to sar's last digit.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpus as hostCpus } from 'node:os';
import { type TestContext, test } from 'node:test';
import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import { hostSources } from '#collector/source/source-list.ts';
import {
  type CpuTicks,
  DEVICE_HEADER,
  deviceText,
  makeProcTree,
  type ProcTree,
  pairText,
  softnetLine,
  statText,
} from '#collector/test/proc-tree.ts';
import { readTree } from '#collector/test/read-tree.ts';
import { watchProcess } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const SAR = 'sar -u ALL -w -I SUM -B -r ALL -q LOAD -v -n DEV,TCP,ETCP,UDP,SOCK,SOCK6,SOFT';
/** sar's first look must come before the state changes, and its second one after. */
const SWITCH_MS = 900;
const TRIES = 5;
/** Half of the last digit that sar prints. */
const ROUNDING = 0.005 + 1e-9;

/** The state after `s` seconds. Every number moves, each by another amount. */
function writeState(tree: ProcTree, s: number): void {
  const ticks: CpuTicks = [3000, 200, 800, 4000, 300, 100, 700, 50, 0, 0];
  const passed: CpuTicks = [30, 2, 8, 40, 3, 1, 7, 9, 0, 0];
  const now = ticks.map((n, i) => n + s * passed[i]!);
  tree.write(
    'stat',
    statText({
      // The CPUs of the host: sar looks for them in /sys.
      cpus: Object.fromEntries(hostCpus().map((_, cpu) => [cpu, now])),
      ctxt: 1000 + 12_345 * s,
      intr: 500 + 777 * s,
      processes: 50 + 7 * s,
    }),
  );
  // sar adds up this file (we read the sum in stat).
  const headers = hostCpus().map((_, cpu) => ` CPU${cpu}`);
  const counts = headers.map((_, cpu) => (cpu === 0 ? ` ${500 + 777 * s}` : ' 0'));
  tree.write('interrupts', `${headers.join('')}\n  0:${counts.join('')} timer\n`);
  tree.write('uptime', `${(1000 + s).toFixed(2)} 900.00\n`);
  tree.write('loadavg', '0.51 0.25 0.12 3/210 4711\n');
  tree.write(
    'vmstat',
    `nr_free_pages 7\npgpgin ${9 + 4096 * s}\npgpgout ${9 + 100 * s}\npgfault ${9 + 2500 * s}\npgmajfault ${7 + s}\n` +
      'pgfree 1\npgscan_kswapd 1\npgscan_direct 1\npgsteal_kswapd 1\npgsteal_direct 1\n',
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
  const eth = [4096 + 20_480 * s, 5 + 47 * s];
  tree.write('net/dev', DEVICE_HEADER + deviceText('lo', lo, lo) + deviceText('eth0', eth, lo));
  tree.write(
    'net/softnet_stat',
    hostCpus()
      .map((_, cpu) => softnetLine(cpu, 7 + 100 * s, 2 * s, 3 * s))
      .join(''),
  );
  tree.write('sys/fs/file-nr', `${900 + s}\t0\t100000\n`);
  tree.write('sys/fs/inode-nr', '500\t100\n');
  tree.write('sys/fs/dentry-state', '500 100 45 0 10 0\n');
}

/** Reads sar's report: blocks of a header line and rows; keys are `column` or `label column`. */
function parse(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const block of text.split('\n\n')) {
    const [header, ...rows] = block
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((cells) => /^\d\d:\d\d:\d\d$/.test(cells[0]!));
    if (header === undefined) continue;
    const isLabelled = ['CPU', 'IFACE', 'INTR'].includes(header[1]!);
    for (const row of rows) {
      for (let i = isLabelled ? 2 : 1; i < row.length; i++) {
        values.set(isLabelled ? `${row[1]} ${header[i]}` : header[i]!, Number(row[i]));
      }
    }
  }
  return values;
}

/** What sar says of the step from state 0 to state 1, or undefined when it looked too late. */
async function askSar(t: TestContext, tree: ProcTree): Promise<Map<string, number> | undefined> {
  writeState(tree, 0);
  const script = `mount --bind '${tree.root}' /proc && exec ${SAR} 2 1`;
  const sar = watchProcess(
    spawn('unshare', ['--mount', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', S_TIME_FORMAT: 'ISO', S_COLORS: 'never' },
    }),
  );
  t.after(() => void sar.child.kill('SIGKILL'));
  await setTimeoutAsync(SWITCH_MS);
  writeState(tree, 1);
  assert.equal(await sar.exit(), 0, sar.stderr());
  const values = parse(sar.stdout());
  return values.get('cswch/s') === 0 ? undefined : values;
}

const cpu = (mode: string) => `system.cpu.utilization{cpu.mode=${mode}}`;
const dev = (what: string, name: string, direction: string) =>
  `system.network.${what}{device=${name},direction=${direction}}`;
const KB = 1 / 1024;

/** sar's number, ours, and the factor from ours to sar's. */
const SAME: [string, string, number][] = [
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
  skip: needPrograms('sar', 'unshare', 'mount'),
}, async (t) => {
  const may = spawnSync('unshare', ['--mount', 'true']);
  if (may.status !== 0) return t.skip('mount namespaces need root (CAP_SYS_ADMIN)');
  const tree = makeProcTree(t);
  let sar: Map<string, number> | undefined;
  for (let i = 0; i < TRIES && sar === undefined; i++) sar = await askSar(t, tree);
  assert.ok(sar, `sar never looked within ${SWITCH_MS} ms of its start`);

  writeState(tree, 0);
  const { tick, value, sampler } = readTree(...hostSources(tree.root));
  t.after(() => sampler.close());
  tick();
  writeState(tree, 1);
  tick();
  const differing = SAME.flatMap(([column, metric, factor]) => {
    const theirs = sar.get(column) ?? sar.get(column.replace(' all', ' intr/s'));
    const ours = value(metric) * factor;
    const isSame = theirs !== undefined && Math.abs(ours - theirs) <= ROUNDING;
    return isSame ? [] : [`${column}: sar ${theirs}, ${metric} ${ours}`];
  });
  assert.deepEqual(differing, []);
});
