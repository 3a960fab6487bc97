// What this host says about itself. Reading only: nothing is changed and nothing stays open. A fact that
// cannot be had is undefined, and the finding says so.

import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { probeCounters } from '#collector/perf/probe-counters.ts';
import type { Capability } from '#collector/source/source.ts';
import { probeSources } from '#collector/source/source-list.ts';
import { WsarError } from '#core/errors.ts';
import { stateFolder } from '#core/host/state-folder.ts';
import { openEngine } from '#core/store/embedded/engine.ts';
import { type HostFacts, readHostFacts } from '#lab/run/host-facts.ts';
import { readHostPorts } from '#loadgen/host-ports.ts';
import type { HostPorts } from '#loadgen/source-plan.ts';

export interface DoctorFacts extends HostFacts {
  node: string;
  platform: string;
  uid: number | undefined;
  stateFolder: string;
  canWriteState: boolean;
  ports: HostPorts;
  /** net.core.somaxconn. */
  somaxconn: number | undefined;
  /** net.core.netdev_max_backlog. */
  netdevMaxBacklog: number | undefined;
  /** Buckets of the table of established connections: net.ipv4.tcp_ehash_entries. */
  ehashEntries: number | undefined;
  /** Version of chDB, or why there is none. */
  chdb: { version: string } | { obstacle: string };
  /** A hardware counter unit is visible. */
  hasPerfCounters: boolean;
  /** kernel.perf_event_paranoid. */
  perfParanoid: number | undefined;
  /** What each source of the collector finds. */
  sources: { id: string; capability: Capability }[];
}

export async function readDoctorFacts(): Promise<DoctorFacts> {
  const folder = stateFolder();
  return {
    ...readHostFacts('auto'),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    uid: process.getuid?.(),
    stateFolder: folder,
    canWriteState: isWritable(folder),
    ports: readHostPorts('/proc'),
    somaxconn: readNumber('/proc/sys/net/core/somaxconn'),
    netdevMaxBacklog: readNumber('/proc/sys/net/core/netdev_max_backlog'),
    ehashEntries: readNumber('/proc/sys/net/ipv4/tcp_ehash_entries'),
    chdb: await probeChdb(),
    hasPerfCounters: existsSync('/sys/bus/event_source/devices/cpu'),
    perfParanoid: readNumber('/proc/sys/kernel/perf_event_paranoid'),
    sources: [...probeSources(), probeCounters()],
  };
}

/** Opens the engine on a folder of its own: that a package is there does not mean that it runs. */
async function probeChdb(): Promise<DoctorFacts['chdb']> {
  const folder = mkdtempSync(join(tmpdir(), 'wsar-doctor-'));
  try {
    const engine = await openEngine(join(folder, 'engine'));
    await engine.close();
    return { version: engine.version };
  } catch (error) {
    if (error instanceof WsarError) return { obstacle: error.message };
    return { obstacle: (error as Error).message.split('\n')[0]! };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readNumber(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'latin1').trim());
  } catch {
    return undefined; // Not on this platform, or hidden in this container.
  }
}
