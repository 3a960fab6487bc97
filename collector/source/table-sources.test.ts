// Sources of disks, tables with limits, control groups and the rest, against fake trees.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CgroupSource } from '#collector/source/cgroup.ts';
import { ConnectionMemorySource } from '#collector/source/connection-memory.ts';
import { ConntrackSource } from '#collector/source/conntrack.ts';
import { DiskSource } from '#collector/source/disk.ts';
import { FilesystemSource } from '#collector/source/filesystem.ts';
import { InterruptLinesSource } from '#collector/source/interrupt-lines.ts';
import { KernelLimitSource } from '#collector/source/kernel-limit.ts';
import { ListenQueueSource, parseListeners } from '#collector/source/listen-queue.ts';
import { MeminfoSource } from '#collector/source/meminfo.ts';
import { RunqueueTimeSource } from '#collector/source/runqueue-time.ts';
import { SocketsSource } from '#collector/source/sockets.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { TcpHashSource } from '#collector/source/tcp-hash.ts';
import { makeProcTree } from '#collector/test/proc-tree.ts';
import { readTree } from '#collector/test/read-tree.ts';

const near = (value: number, expected: number): void =>
  assert.ok(Math.abs(value - expected) < 1e-6, `${value}, wanted ${expected}`);

function diskLine(name: string, numbers: number[]): string {
  return ` 254 0 ${name} ${Array.from({ length: 17 }, (_, i) => numbers[i] ?? 0).join(' ')}\n`;
}

test('disks: requests, bytes, busy time, queue and mean time; partitions and unused disks left out', (t) => {
  const tree = makeProcTree(t);
  const state = (s: number): string =>
    diskLine('loop0', []) +
    diskLine('vda', [
      10 + 20 * s,
      s,
      100 + 8 * s,
      50 + 40 * s,
      5 + 5 * s,
      2 * s,
      9 + 16 * s,
      7 + 10 * s,
      3,
      1 + 250 * s,
      500 * s,
    ]) +
    diskLine('vda1', [10]) +
    diskLine('nvme0n1', [5]) +
    diskLine('nvme0n1p2', [5]) +
    diskLine('dm-1', [5]) +
    diskLine('dm-10', [5]);
  tree.write('diskstats', state(0));
  const { tick, value, sampler } = readTree(new DiskSource(tree.root));
  tick();
  tree.write('diskstats', state(1));
  tick();
  const vda = (what: string, direction?: string): number =>
    value(
      `system.disk.${what}{device=vda${direction === undefined ? '' : `,direction=${direction}`}}`,
    );
  assert.equal(vda('operations', 'read'), 20);
  assert.equal(vda('operations', 'write'), 5);
  assert.equal(vda('io', 'read'), 8 * 512);
  assert.equal(vda('merged', 'write'), 2);
  near(vda('io_time'), 0.25);
  near(vda('linux.queue'), 0.5);
  assert.equal(vda('linux.in_flight'), 3);
  near(vda('linux.await'), 0.05 / 25);
  const disks = sampler.registry
    .definitions()
    .flatMap(({ name }) => /^system.disk.io_time\{device=(.*)\}$/.exec(name)?.[1] ?? []);
  assert.deepEqual(disks, ['vda', 'nvme0n1', 'dm-1', 'dm-10']);
});

test('times of disks are 32 bits wide: a wrap is repaired', (t) => {
  const tree = makeProcTree(t);
  tree.write('diskstats', diskLine('sda', [1, 0, 0, 0, 0, 0, 0, 0, 0, 2 ** 32 - 100]));
  const { tick, value } = readTree(new DiskSource(tree.root));
  tick();
  tree.write('diskstats', diskLine('sda', [1, 0, 0, 0, 0, 0, 0, 0, 0, 400]));
  tick();
  near(value('system.disk.io_time{device=sda}'), 0.5);
});

test('connection tracking: fill, and what each CPU dropped, added up behind a wrap', (t) => {
  const tree = makeProcTree(t);
  const write = (...drops: number[]): void =>
    tree.write(
      'net/stat/nf_conntrack',
      [
        'entries  found drop early_drop\n',
        ...drops.map((n) => `00000007 00000000 ${hex(n)} 00000001\n`),
      ].join(''),
    );
  tree.write('sys/net/netfilter/nf_conntrack_count', '750\n');
  tree.write('sys/net/netfilter/nf_conntrack_max', '1000\n');
  write(0xffff_fff0, 5);
  const { tick, value } = readTree(new ConntrackSource(tree.root));
  tick();
  write(0x10, 8);
  tick();
  assert.equal(value('network.linux.conntrack.utilization'), 0.75);
  assert.equal(value('network.linux.conntrack.drop'), 35);
  assert.ok(
    Number.isNaN(value('network.linux.conntrack.insert_failed')),
    'a column of newer kernels',
  );
});

test('load factor: own connections in an own table, those of the host in a shared one', (t) => {
  const tree = makeProcTree(t);
  tree.write('sys/net/ipv4/tcp_ehash_entries', '16\n');
  const { tick, value } = readTree(
    new SocketsSource(tree.root, 4096),
    new TcpHashSource(tree.root),
  );
  tick();
  assert.equal(value('tcp.hash.load_factor'), (40 + 4 + 5) / 16);
  tree.write('sys/net/ipv4/tcp_ehash_entries', '-16\n');
  tick();
  assert.equal(value('tcp.hash.load_factor'), (50 + 5) / 16);
  assert.equal(value('tcp.hash.entries'), 16);
});

test('bytes of a connection: what 20,000 more sockets added; not known below 10,000', (t) => {
  const tree = makeProcTree(t);
  const { tick, value } = readTree(
    new MeminfoSource(tree.root),
    new SocketsSource(tree.root, 4096),
    new ConnectionMemorySource(tree.root),
  );
  const name = 'memory.linux.kernel_bytes_per_connection';
  const write = (sockets: number, slabKib: number, pages: number): void => {
    tree.write('meminfo', `MemTotal: 9000000 kB\nSUnreclaim: ${slabKib} kB\n`);
    tree.write('net/sockstat', `TCP: inuse 9 orphan 0 tw 0 alloc ${sockets} mem ${pages}\n`);
  };
  write(1000, 50_000, 10);
  tick();
  write(6000, 70_000, 10);
  tick();
  assert.ok(Number.isNaN(value(name)));
  write(21_000, 50_000 + 80_000, 10 + 1000);
  tick();
  assert.equal(value(name), (80_000 * 1024 + 1000 * 4096) / 20_000);
});

test('limits of the kernel', (t) => {
  const tree = makeProcTree(t);
  tree.write('sys/net/ipv4/ip_local_port_range', '32768\t60999\n');
  tree.write('sys/fs/inode-nr', '500\t100\n');
  const source = new KernelLimitSource(tree.root);
  const { tick, value } = readTree(source);
  tick();
  assert.equal(value('network.linux.ports.limit'), 28_232);
  assert.equal(value('linux.inodes{state=allocated}'), 500);
  const found = source.probe();
  assert.ok(found.state === 'degraded' && found.reason.includes('threads-max'));
});

test('the control group of this process: CPU, throttling, memory; no limit is no value', (t) => {
  const tree = makeProcTree(t);
  const group = 'sysfs/fs/cgroup/app/one';
  tree.write('self/cgroup', '1:name=systemd:/x\n0::/app/one\n');
  tree.write(`${group}/cgroup.procs`, '1\n');
  tree.write(`${group}/cpu.stat`, 'usage_usec 1000000\nnr_throttled 1\nthrottled_usec 0\n');
  tree.write(`${group}/memory.current`, '4096\n');
  tree.write(`${group}/memory.max`, 'max\n');
  const source = new CgroupSource(tree.root);
  assert.equal(source.probe().state, 'degraded');
  const { tick, value } = readTree(source);
  tick();
  tree.write(`${group}/cpu.stat`, 'usage_usec 2500000\nnr_throttled 4\nthrottled_usec 500000\n');
  tick();
  assert.equal(value('cgroup.cpu.usage'), 1.5);
  assert.equal(value('cgroup.cpu.throttled.periods'), 3);
  assert.equal(value('cgroup.cpu.throttled.time'), 0.5);
  assert.equal(value('cgroup.memory.usage'), 4096);
  assert.ok(Number.isNaN(value('cgroup.memory.limit')));
  const nowhere = new CgroupSource(`${tree.root}/nothing`).probe();
  assert.equal(nowhere.state, 'absent');
});

test('time in and before a CPU from schedstat', (t) => {
  const tree = makeProcTree(t);
  const write = (run: number, wait: number): void => {
    const cpu = (n: number): string => `cpu${n} 0 0 0 0 0 0 ${run} ${wait} 7\ndomain0 3 1 2 3\n`;
    tree.write('schedstat', `version 15\ntimestamp 1\n${cpu(0)}${cpu(1)}`);
  };
  write(0, 5e9);
  const { tick, value } = readTree(new RunqueueTimeSource(tree.root));
  tick();
  write(9e8, 5e9 + 2e9);
  tick();
  near(value('system.linux.runqueue.run'), 1.8);
  near(value('system.linux.runqueue.wait'), 4);
});

test('interrupts by line and CPU: an off CPU has no column, a wrap is repaired', (t) => {
  const tree = makeProcTree(t);
  const write = (zero: number, two: number): void =>
    tree.write('interrupts', `     CPU0  CPU2\n 24: ${zero} ${two} IO-APIC 5-edge eth0\nERR: 3\n`);
  write(2 ** 32 - 1, 10);
  const { tick, value } = readTree(new InterruptLinesSource(tree.root, 'interrupts'));
  tick();
  write(4, 30);
  tick();
  assert.equal(value('system.linux.interrupts{irq=24,cpu=0}'), 5);
  assert.equal(value('system.linux.interrupts{irq=24,cpu=2}'), 20);
  assert.equal(value('system.linux.interrupts{irq=ERR,cpu=0}'), 0);
});

test('file systems: an answer shows, one that never comes becomes no value', async (t) => {
  const tree = makeProcTree(t);
  tree.write(
    'self/mountinfo',
    '1 0 254:0 / / rw - ext4 /dev/vda rw\n2 1 0:9 / /proc rw - proc proc rw\n' +
      '3 1 254:0 / /again rw - ext4 /dev/vda rw\n4 1 8:1 / /my\\040disk rw - xfs /dev/sda rw\n',
  );
  const asked: string[] = [];
  const answer = { blocks: 100, bfree: 40, bavail: 30, bsize: 4096, files: 10, ffree: 5 };
  const { tick, value } = readTree(
    new FilesystemSource(tree.root, (path) => {
      asked.push(path);
      return path === '/' && asked.length < 3 ? Promise.resolve(answer) : new Promise(() => {});
    }),
  );
  tick();
  await new Promise((resolve) => setImmediate(resolve));
  tick();
  assert.deepEqual(asked, ['/', '/my disk']);
  assert.equal(value('system.filesystem.usage{mountpoint=/}'), 60 * 4096);
  near(value('system.filesystem.utilization{mountpoint=/}'), 60 / 90);
  assert.ok(Number.isNaN(value('system.filesystem.usage{mountpoint=/my disk}')));
  for (let i = 0; i < 5; i++) tick(10);
  assert.deepEqual(asked, ['/', '/my disk', '/'], 'a mount that hangs is not asked again');
  assert.ok(Number.isNaN(value('system.filesystem.usage{mountpoint=/}')), 'too old');
});

test('listen queues: ports added up, the fullest by its own limit, old answers dropped', async () => {
  const text =
    '3 10 127.0.0.1:80 0.0.0.0:*\n1      10  [::]:80 [::]:*\n9 12 *:1883 *:* \ngarbage\n';
  assert.deepEqual(parseListeners(text), [
    { port: 80, length: 4, limit: 20 },
    { port: 1883, length: 9, limit: 12 },
  ]);
  let questions = 0;
  const source = new ListenQueueSource(() =>
    questions++ === 0 ? Promise.resolve(parseListeners(text)) : Promise.reject(new Error('gone')),
  );
  const { tick, value } = readTree(source);
  tick();
  assert.ok(Number.isNaN(value('tcp.listen.queue.longest')));
  await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  tick();
  assert.equal(value('tcp.listen.queue.longest'), 9);
  assert.equal(value('tcp.listen.queue.utilization'), 0.75);
  assert.equal(value('tcp.listen.queue.length{port=80}'), 4);
  assert.equal(value('tcp.listen.age'), 1);
  for (let i = 0; i < 19; i++) tick(10);
  assert.ok(Number.isNaN(value('tcp.listen.queue.longest')));
});

test('in detail every counter of the kernel has a metric, also one that nobody has heard of', (t) => {
  const tree = makeProcTree(t);
  const state = (n: number): void => {
    tree.write('vmstat', `nr_free_pages 75\nnr_dirtied ${n}\npgfault 5000\nbrand_new ${2 * n}\n`);
    tree.write(
      'net/netstat',
      `TcpExt: ListenDrops Novel\nTcpExt: 4 ${3 * n}\nNewExt: A\nNewExt: ${n}\n`,
    );
    tree.write('net/snmp6', `Ip6InReceives ${n}\n`);
  };
  state(10);
  const { tick, value } = readTree(...hostSources(tree.root, true));
  tick();
  state(20);
  tick();
  assert.equal(value('memory.linux.vmstat{name=nr_free_pages}'), 75);
  assert.equal(value('memory.linux.vmstat{name=nr_dirtied}'), 10);
  assert.equal(value('memory.linux.vmstat{name=brand_new}'), 20);
  assert.equal(value('network.linux.counter{name=TcpExtNovel}'), 30);
  assert.equal(value('network.linux.counter{name=NewExtA}'), 10);
  assert.equal(value('network.linux.counter{name=Ip6InReceives}'), 10);
  assert.equal(value('tcp.listen.drops'), 0);
});

/** A number as the kernel's tables print it. */
function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
