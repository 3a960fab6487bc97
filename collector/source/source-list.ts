// Every source of this host, in the order of their columns. A new source is a line here.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CgroupSource } from '#collector/source/cgroup.ts';
import { ConnectionMemorySource } from '#collector/source/connection-memory.ts';
import { ConntrackSource } from '#collector/source/conntrack.ts';
import { CpuPowerSource } from '#collector/source/cpu-power.ts';
import { DiskSource } from '#collector/source/disk.ts';
import { FilesystemSource } from '#collector/source/filesystem.ts';
import { InterruptLinesSource } from '#collector/source/interrupt-lines.ts';
import { Ip6CounterSource } from '#collector/source/ip6-counter.ts';
import { KernelLimitSource } from '#collector/source/kernel-limit.ts';
import { ListenQueueSource } from '#collector/source/listen-queue.ts';
import { LoadSource } from '#collector/source/load.ts';
import { MeminfoSource } from '#collector/source/meminfo.ts';
import { NetworkDeviceSource } from '#collector/source/network-device.ts';
import { PressureSource } from '#collector/source/pressure.ts';
import { RunqueueTimeSource } from '#collector/source/runqueue-time.ts';
import { SocketsSource } from '#collector/source/sockets.ts';
import { SoftnetSource } from '#collector/source/softnet.ts';
import type { Capability, Source } from '#collector/source/source.ts';
import { StatSource } from '#collector/source/stat.ts';
import { TcpSource } from '#collector/source/tcp.ts';
import { TcpHashSource } from '#collector/source/tcp-hash.ts';
import { VmstatSource } from '#collector/source/vmstat.ts';
import { pageBytes } from '#core/host/page-bytes.ts';

/** Where the kernel tells of itself. */
export const PROC_ROOT = '/proc';

/**
 * The sources of a /proc at `root`; none of them has been opened. `isDetailed`: every counter of the
 * kernel, not only those of the catalogue (docs/tools/collect.md).
 */
export function hostSources(root = PROC_ROOT, isDetailed = false): Source[] {
  const isLive = root === PROC_ROOT;
  return [
    new StatSource(root),
    new LoadSource(root),
    new MeminfoSource(root, isDetailed),
    new VmstatSource(root, isDetailed),
    new TcpSource(root, isDetailed),
    new SocketsSource(root, pageBytes()),
    // These two use what the sources before them read.
    new TcpHashSource(root),
    new ConnectionMemorySource(root),
    ...(isLive ? [new ListenQueueSource()] : []),
    new SoftnetSource(root),
    new NetworkDeviceSource(root, isDetailed),
    new ConntrackSource(root),
    new PressureSource(root),
    new RunqueueTimeSource(root),
    new CpuPowerSource(root),
    new DiskSource(root),
    ...(isLive ? [new FilesystemSource(root)] : []),
    new KernelLimitSource(root),
    new CgroupSource(root),
    ...(isDetailed ? detailSources(root) : []),
  ];
}

function detailSources(root: string): Source[] {
  return [
    new InterruptLinesSource(root, 'interrupts'),
    new InterruptLinesSource(root, 'softirqs'),
    new Ip6CounterSource(root),
  ];
}

/** What the kernel does not tell in any file, and who does. */
const TOLD_ELSEWHERE: Record<string, string> = {
  syscalls: 'the kernel keeps no count of system calls; --perf counts them',
  'queue-disciplines':
    'drops in queueing disciplines and rings of devices are told over netlink only: tc -s qdisc, ethtool -S',
};

/** What each source finds on this host; for `wsar doctor`. Takes some milliseconds. */
export function probeSources(root = PROC_ROOT): { id: string; capability: Capability }[] {
  const found = hostSources(root, true).map((source) => {
    const capability = source.probe();
    source.close();
    return { id: source.id, capability };
  });
  const others = Object.entries(TOLD_ELSEWHERE).map(([id, reason]) => ({
    id,
    capability: { state: 'absent' as const, reason },
  }));
  return [...found, ...others];
}

/** The folder that stands for /proc: `folder` itself, or the `proc` in it; undefined when neither is one. */
export function findProcRoot(folder: string): string | undefined {
  return [join(folder, 'proc'), folder].find((root) => existsSync(join(root, 'stat')));
}
