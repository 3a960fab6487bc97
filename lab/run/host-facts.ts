// What of this host limits the size of a run. Read once, before anything is started; nothing is changed.

import { availableParallelism } from 'node:os';
import { chooseEngine, type EngineChoice } from '#core/socket/choose-engine.ts';
import type { KernelEngineName } from '#core/socket/reactor.ts';
import { readHostRoom } from '#loadgen/host-room.ts';

export interface HostFacts {
  cores: number;
  /** Bytes that connections can take; undefined where the host does not tell. */
  freeBytes: number | undefined;
  /** Descriptors that one process can have; undefined where the host does not tell. */
  descriptors: number | undefined;
  engine: EngineChoice;
}

/** @throws WsarError WSAR_ERR_ENGINE when the wanted engine cannot run here. */
export function readHostFacts(
  wantedEngine: KernelEngineName | 'auto',
  procFolder = '/proc',
  cgroupFolder = '/sys/fs/cgroup',
): HostFacts {
  return {
    cores: availableParallelism(),
    ...readHostRoom(procFolder, cgroupFolder),
    engine: chooseEngine(wantedEngine),
  };
}
