// The one way to a reactor: picks the engine (or takes the wanted one) and builds it.

import { assert } from '#core/assert.ts';
import { WsarError } from '#core/errors.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { EpollReactor } from '#core/socket/epoll/epoll-reactor.ts';
import { whyNoEpoll } from '#core/socket/epoll/why-no-epoll.ts';
import { NetReactor } from '#core/socket/net/net-reactor.ts';
import type { EngineName, Reactor, ReactorOptions } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import { RingReactor } from '#core/socket/ring/ring-reactor.ts';
import { type StackOptions, StackReactor } from '#core/socket/stack/stack-reactor.ts';

/** What makes engine ring refuse at the size that is asked for, where it would run at a smaller one. */
const TOO_LARGE_FOR_RING = new Set(['WSAR_ERR_ENGINE', 'WSAR_ERR_MEMORY', 'WSAR_ERR_LIMIT']);

/**
 * A reactor for the calling thread. 'auto' (default) takes `ring` where the host allows it, else `epoll`, else `net`;
 * when ring works here but not at this capacity (an ordinary user's RLIMIT_MEMLOCK bounds its rings),
 * `onFallback` is told why. Engine stack needs its own options. Throws WsarError WSAR_ERR_ENGINE when the
 * wanted engine cannot run here.
 */
export function createReactor(
  options: ReactorOptions & {
    engine?: EngineName | 'auto';
    stack?: StackOptions;
    onFallback?: (reason: string) => void;
  },
): Reactor {
  const settings = settleOptions(options);
  const { engine, reason } = chooseEngine(options.engine ?? 'auto');
  if (engine === 'stack') {
    assert(options.stack !== undefined, 'engine stack is told the addresses of its clients');
    return new StackReactor(settings, options.stack);
  }
  if (engine !== 'ring') {
    if (options.engine !== engine) options.onFallback?.(reason);
    return engine === 'epoll' ? new EpollReactor(settings) : new NetReactor(settings);
  }
  try {
    return new RingReactor(settings);
  } catch (error) {
    const mayFallBack =
      options.engine !== 'ring' && error instanceof WsarError && TOO_LARGE_FOR_RING.has(error.code);
    if (!mayFallBack) throw error;
    options.onFallback?.(error.message);
    return whyNoEpoll() === undefined ? new EpollReactor(settings) : new NetReactor(settings);
  }
}
