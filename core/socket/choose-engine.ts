// Which engine a reactor gets, and why: said by every command that opens sockets, and by `wsar doctor`.

import type { EngineName } from '#core/socket/reactor.ts';

export interface EngineChoice {
  engine: EngineName;
  /** One sentence for people: why this engine. */
  reason: string;
}

/** 'auto': ring where it works, else net. A wanted engine that cannot run throws WSAR_ERR_ENGINE. */
export function chooseEngine(wanted: EngineName | 'auto'): EngineChoice {
  if (wanted === 'net') return { engine: 'net', reason: 'net was asked for' };
  return { engine: 'net', reason: 'the ring engine is not built yet' };
}
