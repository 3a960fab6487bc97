// Every source of this host, in the order of their columns. A new source is a line here.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LoadSource } from '#collector/source/load.ts';
import { MeminfoSource } from '#collector/source/meminfo.ts';
import { NetworkDeviceSource } from '#collector/source/network-device.ts';
import { PressureSource } from '#collector/source/pressure.ts';
import { SocketsSource } from '#collector/source/sockets.ts';
import { SoftnetSource } from '#collector/source/softnet.ts';
import type { Capability, Source } from '#collector/source/source.ts';
import { StatSource } from '#collector/source/stat.ts';
import { TcpSource } from '#collector/source/tcp.ts';
import { VmstatSource } from '#collector/source/vmstat.ts';

/** Where the kernel tells of itself. */
export const PROC_ROOT = '/proc';

/** AT_PAGESZ of the auxiliary vector, getauxval(3). */
const AT_PAGESZ = 6n;
const PAGE_BYTES_USUAL = 4096;

/** The sources of a /proc at `root`; none of them has been opened. */
export function hostSources(root = PROC_ROOT): Source[] {
  return [
    new StatSource(root),
    new LoadSource(root),
    new MeminfoSource(root),
    new VmstatSource(root),
    new TcpSource(root),
    new SocketsSource(root, pageBytes()),
    new SoftnetSource(root),
    new NetworkDeviceSource(root),
    new PressureSource(root),
  ];
}

/** What each source finds on this host; for `wsar doctor`. Takes a few milliseconds. */
export function probeSources(root = PROC_ROOT): { id: string; capability: Capability }[] {
  return hostSources(root).map((source) => {
    const capability = source.probe();
    source.close();
    return { id: source.id, capability };
  });
}

/** The folder that stands for /proc: `folder` itself, or the `proc` in it; undefined when neither is one. */
export function findProcRoot(folder: string): string | undefined {
  return [join(folder, 'proc'), folder].find((root) => existsSync(join(root, 'stat')));
}

/** The size of a page, which some kernel counts are in. */
function pageBytes(): number {
  try {
    const vector = readFileSync('/proc/self/auxv');
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === AT_PAGESZ) return Number(vector.readBigUInt64LE(at + 8));
    }
  } catch {
    // Hidden in some containers; the usual size is right on all but a few arm64 kernels.
  }
  return PAGE_BYTES_USUAL;
}
