// What of this host limits the size of a run. Read once, before anything is started; nothing is changed.

import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { chooseEngine, type EngineChoice } from '#core/socket/choose-engine.ts';
import type { EngineName } from '#core/socket/reactor.ts';

export interface HostFacts {
  cores: number;
  /** Bytes that can be had without swapping or starving others; null where the host does not tell. */
  freeBytes: number | null;
  totalBytes: number;
  /** Hard limit of open descriptors of one process; null = none known. */
  descriptorsMax: number | null;
  engine: EngineChoice;
}

/** @throws WsarError WSAR_ERR_ENGINE when the wanted engine cannot run here. */
export function readHostFacts(wantedEngine: EngineName | 'auto', procFolder = '/proc'): HostFacts {
  return {
    cores: availableParallelism(),
    freeBytes: readFreeBytes(procFolder),
    totalBytes: totalmem(),
    descriptorsMax: readDescriptorsMax(procFolder),
    engine: chooseEngine(wantedEngine),
  };
}

/**
 * Free memory and the page cache of files, which the kernel gives back at once, within the limit of the
 * control group. Not MemAvailable: it counts dentries and inodes of live sockets as free and overstates
 * by gigabytes once a population is connected.
 */
export function readFreeBytes(procFolder = '/proc'): number | null {
  const meminfo = readText(join(procFolder, 'meminfo'));
  if (meminfo === null) return null;
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0);
  const hostBytes = (kib('MemFree') + kib('Inactive\\(file\\)')) * 1024;
  // 0 or a number above all memory: no limit of a control group.
  const groupBytes = process.constrainedMemory();
  const isLimited = groupBytes > 0 && groupBytes < totalmem();
  return isLimited ? Math.min(hostBytes, process.availableMemory()) : hostBytes;
}

function readDescriptorsMax(procFolder: string): number | null {
  const limits = readText(join(procFolder, 'self/limits'));
  const hard = /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec(limits ?? '')?.[1];
  return hard === undefined || hard === 'unlimited' ? null : Number(hard);
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return null; // Another platform; the caller does without.
  }
}
