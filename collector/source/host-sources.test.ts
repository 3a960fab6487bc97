import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { LoadSource } from '#collector/source/load.ts';
import { MeminfoSource } from '#collector/source/meminfo.ts';
import { NetworkDeviceSource } from '#collector/source/network-device.ts';
import { PressureSource } from '#collector/source/pressure.ts';
import { SocketsSource } from '#collector/source/sockets.ts';
import { SoftnetSource } from '#collector/source/softnet.ts';
import type { Source } from '#collector/source/source.ts';
import { findProcRoot, hostSources, probeSources } from '#collector/source/source-list.ts';
import { TcpSource } from '#collector/source/tcp.ts';
import { VmstatSource } from '#collector/source/vmstat.ts';
import {
  DEVICE_HEADER,
  deviceText,
  makeProcTree,
  type ProcTree,
  pairText,
  softnetLine,
} from '#collector/test/proc-tree.ts';
import { readTree, type TreeReader } from '#collector/test/read-tree.ts';

function open(
  t: TestContext,
  make: (root: string) => Source,
): { tree: ProcTree; source: Source } & TreeReader {
  const tree = makeProcTree(t);
  const source = make(tree.root);
  t.after(() => source.close());
  return { tree, source, ...readTree(source) };
}

const pcb = 'network.linux.tcp.control_blocks';

test('memory: bytes, shares, and sums of what belongs together', (t) => {
  const { tick, value } = open(t, (root) => new MeminfoSource(root));
  tick();
  assert.equal(value('system.memory.limit'), 1_024_000_000);
  assert.ok(Math.abs(value('system.memory.utilization') - 0.4) < 1e-12);
  assert.equal(value('memory.linux.cached'), 100_000 * 1024);
  assert.equal(value('memory.linux.wired'), 40_000 * 1024);
  assert.ok(Number.isNaN(value('memory.linux.shared')), 'a line that is missing is no 0');
});

test('memory: an older kernel without MemAvailable has no utilization, and the probe names it', (t) => {
  const { tree, tick, value, source } = open(t, (root) => new MeminfoSource(root));
  tree.write('meminfo', 'MemTotal: 1000 kB\nMemFree: 10 kB\nSUnreclaim: 5 kB\n');
  const found = source.probe();
  assert.ok(found.state === 'degraded' && found.reason.includes('MemAvailable'));
  tick();
  assert.ok(Number.isNaN(value('system.memory.utilization')));
  assert.equal(value('memory.linux.wired'), 5 * 1024);
});

test('paging: faults and bytes a second', (t) => {
  const { tree, tick, value } = open(t, (root) => new VmstatSource(root));
  tick();
  tree.write('vmstat', 'pgpgin 1010\npgpgout 2000\npgfault 5500\npgmajfault 9\n');
  tick(2);
  assert.equal(value('system.paging.faults'), 250);
  assert.equal(value('system.paging.faults{type=major}'), 1);
  assert.equal(value('system.paging.io{direction=in}'), 5 * 1024);
  assert.ok(Number.isNaN(value('memory.linux.oom_kills')));
});

test('TCP: segments, retransmit ratio, opens, listen overflows', (t) => {
  const { tree, tick, value } = open(t, (root) => new TcpSource(root));
  tick();
  const tcp = { MaxConn: -1, ActiveOpens: 103, PassiveOpens: 204, CurrEstab: 40 };
  tree.write('net/snmp', pairText('Tcp', { ...tcp, InSegs: 5050, OutSegs: 6090, RetransSegs: 20 }));
  tree.write(
    'net/netstat',
    pairText('TcpExt', { ListenOverflows: 127, ListenDrops: 4 }) +
      pairText('IpExt', { InOctets: 1_001_000, OutOctets: 2_000_500 }),
  );
  tick();
  assert.equal(value('tcp.connections.opened{type=active}'), 3);
  assert.equal(value('tcp.connections.opened'), 7);
  assert.equal(value('network.linux.tcp.segments{direction=out}'), 90);
  assert.equal(value('network.linux.tcp.retransmit_ratio'), 0.1);
  assert.equal(value('system.network.connection.count{state=established}'), 40);
  assert.equal(value('tcp.listen.overflows'), 124);
  assert.equal(value('network.linux.ip.bytes{direction=in}'), 1000);
  assert.ok(Number.isNaN(value('tcp.timeouts')), 'this kernel has no such column');
});

test('TCP: columns that move, appear or vanish are found by their names', (t) => {
  const { tree, tick, value } = open(t, (root) => new TcpSource(root));
  tree.write('net/netstat', pairText('TcpExt', { A: 1, ListenOverflows: 10, TW: 5 }));
  tick();
  tree.write('net/netstat', pairText('TcpExt', { ListenOverflows: 15, TW: 6, B: 3, A: 9 }));
  tick();
  assert.equal(value('tcp.listen.overflows'), 5);
  assert.equal(value('tcp.time_wait.expired'), 1);
  tree.write('net/netstat', pairText('TcpExt', { TW: 8 }));
  tick();
  assert.equal(value('tcp.time_wait.expired'), 2);
  assert.ok(Number.isNaN(value('tcp.listen.overflows')));
});

test('TCP: without netstat the rest goes on, and the probe says what is missing', (t) => {
  const { tree, tick, value, source } = open(t, (root) => new TcpSource(root));
  tree.remove('net/netstat');
  const found = source.probe();
  assert.ok(found.state === 'degraded' && found.reason.includes('netstat'));
  tick();
  tick();
  assert.equal(value('tcp.connections.opened'), 0);
  assert.ok(Number.isNaN(value('tcp.listen.overflows')));
});

test('TCP: names without numbers, or fewer numbers than names, give what stands there', (t) => {
  const { tree, tick, value } = open(t, (root) => new TcpSource(root));
  tree.write('net/netstat', 'TcpExt: ListenOverflows TW\nTcpExt: 5 7\n');
  tick();
  tree.write('net/netstat', 'TcpExt: ListenOverflows TW\nTcpExt: 6\n');
  tick();
  assert.equal(value('tcp.listen.overflows'), 1);
  assert.ok(Number.isNaN(value('tcp.time_wait.expired')));
  tree.write('net/netstat', 'TcpExt: ListenOverflows TW\n');
  tick();
  assert.ok(Number.isNaN(value('tcp.listen.overflows')));
});

test('sockets: control blocks of both IP versions and TIME_WAIT, memory in bytes', (t) => {
  const { tree, tick, value } = open(t, (root) => new SocketsSource(root, 4096));
  tick();
  assert.equal(value(pcb), 40 + 4 + 5);
  assert.equal(value('network.linux.sockets{type=tcp,state=time_wait}'), 5);
  assert.equal(value('network.linux.tcp.memory'), 3 * 4096);
  assert.equal(value('network.linux.tcp.memory_limit'), 300 * 4096);
  tree.write(
    'net/sockstat',
    'sockets: used 3131984\nTCP: inuse 3000000 orphan 0 tw 1 alloc 9 mem 1\n',
  );
  tick();
  assert.equal(value(pcb), 3_000_005);
});

test('sockets: a host without IPv6 has none of its sockets', (t) => {
  const { tree, tick, value, source } = open(t, (root) => new SocketsSource(root, 4096));
  tree.remove('net/sockstat6');
  assert.equal(source.probe().state, 'degraded');
  tick();
  assert.equal(value(pcb), 45);
  assert.ok(Number.isNaN(value('network.linux.sockets{type=tcp6}')));
});

test('softnet: 32 bit counters of each CPU wrap, the sum does not notice', (t) => {
  const { tree, tick, value } = open(t, (root) => new SoftnetSource(root));
  tree.write('net/softnet_stat', softnetLine(0, 0xfffffff0, 0, 7) + softnetLine(3, 10, 0, 0));
  tick();
  tree.write('net/softnet_stat', softnetLine(0, 0x10, 2, 9) + softnetLine(3, 20, 0, 0));
  tick();
  assert.equal(value('network.linux.softnet.processed{cpu=0}'), 32);
  assert.equal(value('network.linux.softnet.processed{cpu=3}'), 10);
  assert.equal(value('network.linux.softnet.processed'), 42);
  assert.equal(value('network.linux.softnet.dropped'), 2);
  assert.equal(value('network.linux.softnet.squeezed'), 2);
  tree.write('net/softnet_stat', softnetLine(0, 0x12, 2, 9));
  tick();
  assert.equal(value('network.linux.softnet.processed'), 2, 'CPU 3 was switched off');
});

test('softnet: an older kernel with nine columns is read by line', (t) => {
  const { tree, tick, value } = open(t, (root) => new SoftnetSource(root));
  const line = (n: number): string =>
    `${n.toString(16).padStart(8, '0')}${' 00000000'.repeat(8)}\n`;
  tree.write('net/softnet_stat', line(1) + line(5));
  tick();
  tree.write('net/softnet_stat', line(2) + line(9));
  tick();
  assert.equal(value('network.linux.softnet.processed{cpu=1}'), 4);
  assert.ok(Number.isNaN(value('network.linux.softnet.steered{cpu=1}')));
});

const io = (device: string, direction: string): string =>
  `system.network.io{device=${device},direction=${direction}}`;

test('devices: rates of each, and those that carried something by name', (t) => {
  const { tree, tick, value, source } = open(t, (root) => new NetworkDeviceSource(root));
  tick();
  tree.write(
    'net/dev',
    DEVICE_HEADER +
      deviceText('lo', [1000, 10], [1000, 10]) +
      deviceText('eth0', [5600, 54, 1, 2], [7100, 71]) +
      deviceText('ifb0', [], []),
  );
  tick();
  assert.equal(value(io('eth0', 'receive')), 600);
  assert.equal(value('system.network.packet.count{device=eth0,direction=transmit}'), 1);
  assert.equal(value('system.network.packet.dropped{device=eth0,direction=receive}'), 2);
  assert.equal(value(io('lo', 'transmit')), 0);
  assert.ok(Number.isNaN(value(io('ifb0', 'receive'))), 'its first reading');
  assert.deepEqual((source as NetworkDeviceSource).activeDevices(), ['eth0', 'lo']);
});

test('devices: one that is unplugged has no value, and none in its first interval after', (t) => {
  const { tree, tick, value } = open(t, (root) => new NetworkDeviceSource(root));
  const at = (bytes: number | undefined): number => {
    const eth = bytes === undefined ? '' : deviceText('eth0', [bytes], []);
    tree.write('net/dev', `${DEVICE_HEADER}${deviceText('lo', [1], [])}${eth}`);
    tick();
    return value(io('eth0', 'receive'));
  };
  at(100);
  assert.equal(at(300), 200);
  assert.ok(Number.isNaN(at(undefined)));
  assert.ok(Number.isNaN(at(5_000_000)));
  assert.equal(at(5_000_001), 1);
  assert.ok(Number.isNaN(at(7)), 'replaced between two ticks: a reset');
});

test('devices: more bytes than any link can carry are not believed', (t) => {
  const { tree, tick, value, sampler } = open(t, (root) => new NetworkDeviceSource(root));
  tick();
  tree.write('net/dev', `${DEVICE_HEADER}${deviceText('eth0', [1e15, 51], [7000, 70])}`);
  tick();
  assert.ok(Number.isNaN(value(io('eth0', 'receive'))));
  assert.equal(value('system.network.packet.count{device=eth0,direction=receive}'), 1);
  assert.equal(sampler.table.counters.flagCounts[5], 1);
});

test('devices: the table is bounded; a newcomer takes the place of one that is gone', (t) => {
  const { tree, tick, value, source, sampler } = open(t, (root) => new NetworkDeviceSource(root));
  const names = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, i) => `veth${from + i}`);
  const at = (devices: string[], bytes: number): void => {
    tree.write('net/dev', DEVICE_HEADER + devices.map((d) => deviceText(d, [bytes], [])).join(''));
    tick();
  };
  at(names(0, 66), 100);
  assert.equal((source as NetworkDeviceSource).refused, 2);
  const { slots } = sampler.registry;
  at(names(10, 66), 200);
  at(names(10, 70), 300);
  at(names(10, 70), 450);
  assert.equal(sampler.registry.slots, slots, 'no slot more');
  assert.equal(value(io('veth69', 'receive')), 150);
  assert.throws(() => value(io('veth0', 'receive')));
});

test('load and open files', (t) => {
  const { tree, tick, value } = open(t, (root) => new LoadSource(root));
  tick();
  assert.equal(value('system.linux.load{period=1m}'), 0.5);
  assert.equal(value('system.thread.count'), 210);
  assert.equal(value('linux.file_descriptors{state=used}'), 900);
  assert.equal(value('linux.file_descriptors.limit'), 100_000);
  tree.write('loadavg', '0.5');
  tree.write('sys/fs/file-nr', 'garbage\n');
  tick();
  assert.ok(Number.isNaN(value('system.linux.load{period=1m}')));
  assert.ok(Number.isNaN(value('linux.file_descriptors{state=used}')));
});

test('pressure: the share of the time that was stalled; what is missing is absent', (t) => {
  const { tree, tick, value, source } = open(t, (root) => new PressureSource(root));
  assert.equal(source.probe().state, 'degraded');
  tick();
  tree.write('pressure/cpu', 'some avg10=1.00 avg60=0.00 avg300=0.00 total=1250000\n');
  tick();
  assert.equal(value('system.linux.pressure{resource=cpu,type=some}'), 0.25);
  assert.ok(Number.isNaN(value('system.linux.pressure{resource=cpu,type=full}')));
  assert.ok(Number.isNaN(value('system.linux.pressure{resource=io,type=some}')));
});

test('an empty tree breaks nothing: every source is absent and every value unknown', (t) => {
  const tree = makeProcTree(t);
  const root = `${tree.root}/nothing`;
  const { tick, sampler } = readTree(...hostSources(root));
  tick();
  tick();
  const { registry, table } = sampler;
  for (let slot = 0; slot < registry.slots; slot++) {
    const { name } = registry.spec(slot);
    if (!name.endsWith('memory_limit')) assert.ok(Number.isNaN(table.value(slot)), name);
  }
  assert.ok(probeSources(root).every(({ capability }) => capability.state === 'absent'));
});

test('names, units and help of the whole catalogue are well formed', (t) => {
  const tree = makeProcTree(t);
  const { tick, sampler } = readTree(...hostSources(tree.root));
  tick();
  for (const { name, short, unit, help, kind } of sampler.registry.definitions()) {
    assert.match(name, /^[a-z0-9_.]+(\{[a-z.]+=[\w.]+(,[a-z.]+=[\w.]+)*\})?$/);
    assert.ok(short.length > 0 && short.length <= 12, `${name}: ${short}`);
    assert.ok(help.length > 10, name);
    assert.match(unit, /^(1|us|s|Hz|By|\{\w+\}|us\/s|By\/s|\{\w+\}\/s)$/, name);
    if (kind === 'rate') assert.match(unit, /\/s$|^1$/, name);
  }
});

test('the root may be a /proc or a folder that holds one', (t) => {
  const tree = makeProcTree(t);
  assert.equal(findProcRoot(tree.root), tree.root);
  assert.equal(findProcRoot('/'), '/proc');
  assert.equal(findProcRoot(`${tree.root}/net`), undefined);
});
