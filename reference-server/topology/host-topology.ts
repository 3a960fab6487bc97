// The processors of a host as sysfs tells them: NUMA nodes, sockets, cores, hardware threads, and which node each
// network device and its interrupts belong to. Reads only; the folders are arguments, so that the tree of another
// host can be read (tests have one of two sockets and 24 hardware threads).

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Cpu {
  id: number;
  node: number;
  socket: number;
  /** Unique within its socket: hardware threads of one core share it. */
  core: number;
}

export interface NetDevice {
  name: string;
  /** -1 = the host does not say. */
  node: number;
  interrupts: number[];
}

export interface HostTopology {
  /** By id. */
  cpus: Cpu[];
  nodes: number[];
  devices: NetDevice[];
}

/** Reads below `sysfs` (/sys) and `procfs` (/proc). What is missing is taken as one node, one socket. */
export function readTopology(sysfs = '/sys', procfs = '/proc'): HostTopology {
  const cpuFolder = join(sysfs, 'devices/system/cpu');
  const nodeFolder = join(sysfs, 'devices/system/node');
  const nodeOf = new Map<number, number>();
  for (const name of list(nodeFolder).filter((entry) => /^node\d+$/.test(entry))) {
    for (const cpu of parseCpuList(text(join(nodeFolder, name, 'cpulist')))) {
      nodeOf.set(cpu, Number(name.slice(4)));
    }
  }
  const online = parseCpuList(text(join(cpuFolder, 'online')));
  const cpus = online.map((id) => {
    const folder = join(cpuFolder, `cpu${id}`, 'topology');
    return {
      id,
      node: nodeOf.get(id) ?? 0,
      socket: numberIn(join(folder, 'physical_package_id'), 0),
      core: numberIn(join(folder, 'core_id'), id),
    };
  });
  const nodes = [...new Set(cpus.map(({ node }) => node))].sort((a, b) => a - b);
  return { cpus, nodes, devices: readDevices(sysfs, procfs) };
}

/** '0-5,12-17' as numbers. */
export function parseCpuList(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter((part) => /^\d+(-\d+)?$/.test(part))
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
    });
}

/** Devices with hardware below them; interrupts are those whose name in /proc/interrupts begins with the device's. */
function readDevices(sysfs: string, procfs: string): NetDevice[] {
  const folder = join(sysfs, 'class/net');
  const lines = text(join(procfs, 'interrupts')).split('\n');
  return list(folder)
    .filter((name) => list(join(folder, name, 'device')).length > 0)
    .map((name) => ({
      name,
      node: numberIn(join(folder, name, 'device/numa_node'), -1),
      interrupts: lines
        .filter((line) =>
          line.split(/\s+/).some((word) => word === name || word.startsWith(`${name}-`)),
        )
        .map((line) => Number.parseInt(line, 10))
        .filter((number) => !Number.isNaN(number)),
    }));
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    // Not every host has every folder.
    return [];
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    // A file that is missing says nothing.
    return '';
  }
}

function numberIn(file: string, otherwise: number): number {
  const value = Number.parseInt(text(file), 10);
  return Number.isNaN(value) ? otherwise : value;
}
