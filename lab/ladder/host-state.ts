// What a ladder could leave behind on a host: settings, sockets, devices, namespaces, memory. Looked at before the
// first step and after the last process is gone; the two are compared and the comparison is part of the record.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { HostRestored } from '#dashboards/report/ladder-record.ts';
import { readHostMemory } from '#lab/ladder/host-memory.ts';
import { readSocketsInUse } from '#lab/run/login-counts.ts';

/** Folders of settings that have to do with connections; random numbers and counters are not among them. */
const SETTING_FOLDERS = ['/proc/sys/net', '/proc/sys/vm', '/proc/sys/fs'];
const OWNER_MAY_WRITE = 0o200;
const OWNER_MAY_READ = 0o400;

export interface HostState {
  settings: ReadonlyMap<string, string>;
  sockets: number | null;
  freeBytes: number | null;
  devices: number;
}

/** Settings of the network are those of the calling thread's namespace. */
export function readHostState(): HostState {
  const settings = new Map<string, string>();
  for (const folder of SETTING_FOLDERS) readSettings(folder, settings);
  return {
    settings,
    sockets: readSocketsInUse(),
    freeBytes: readHostMemory().freeBytes,
    devices: readNames('/proc/sys/net/ipv4/conf').length,
  };
}

export function compareHostStates(
  before: HostState,
  after: HostState,
  namespace: string | null,
): HostRestored {
  const changed = [...before.settings].filter(([name, value]) => {
    const now = after.settings.get(name);
    return now !== undefined && now !== value;
  });
  return {
    settingsCompared: before.settings.size,
    settingsChanged: changed.map(
      ([name, value]) => `${name}: ${value} before, ${after.settings.get(name)} after`,
    ),
    sockets: [before.sockets, after.sockets],
    freeBytes: [before.freeBytes, after.freeBytes],
    devices: [before.devices, after.devices],
    namespace,
    isNamespaceGone: namespace === null || !isSomebodyIn(namespace),
  };
}

/** Whether any process that we may look at is in the network namespace. */
export function isSomebodyIn(namespace: string, procFolder = '/proc'): boolean {
  return readNames(procFolder)
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readlinkSync(join(procFolder, pid, 'ns/net')) === namespace;
      } catch {
        return false; // It is gone, or another user's.
      }
    });
}

/** What can be set, and read: what cannot be set is a figure. */
function readSettings(folder: string, into: Map<string, string>): void {
  for (const name of readNames(folder)) {
    const path = join(folder, name);
    try {
      const { mode } = statSync(path);
      const isFolder = (mode & 0o170000) === 0o040000;
      if (isFolder) readSettings(path, into);
      else if ((mode & OWNER_MAY_WRITE) !== 0 && (mode & OWNER_MAY_READ) !== 0) {
        into.set(path.slice('/proc/sys/'.length), readFileSync(path, 'latin1').trim());
      }
    } catch {
      // A device went away meanwhile, or the setting is not ours to read: it is compared with nothing.
    }
  }
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
