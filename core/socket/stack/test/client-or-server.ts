// Engine stack for the contract tests, which make reactors that listen and reactors that connect: who connects is a
// stack, who listens is of the kernel, and which of them a reactor is, its first call says.

import { NetReactor } from '#core/socket/net/net-reactor.ts';
import { REACTOR_STAT_COUNT, type Reactor, type ReactorOptions } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import { enterOwnNamespace } from '#core/socket/stack/test/own-namespace.ts';
import { stackVariant } from '#core/socket/stack/test/stack-variant.ts';
import type { EngineVariant } from '#core/socket/test/engine-variant.ts';

/** Blocks of clients from 10.64.0.0 on. */
const BLOCKS = 60;

/** The variant; moves this thread into a namespace of its own. */
export function clientOrServer(): EngineVariant {
  let made = 0;
  enterOwnNamespace();
  return {
    name: 'stack',
    isRing: false,
    create: (options) => lazyReactor(options, () => made++ % BLOCKS),
  };
}

function lazyReactor(options: ReactorOptions, nextBlock: () => number): Reactor {
  const idle = { connections: 0, capacity: options.capacity ?? 0 };
  const stats = new Float64Array(REACTOR_STAT_COUNT);
  let one: Reactor | undefined;
  let start = (_: Reactor): void => {};
  let stop = (): void => {};
  const become = (make: () => Reactor): Reactor => {
    if (one === undefined) {
      one = make();
      start(one);
    }
    return one;
  };
  const client = (): Reactor => stackVariant({ block: nextBlock() }).create(options);
  const server = (): Reactor => new NetReactor(settleOptions(options));
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      stop = resolve;
      start = (made) => void made.run().then(resolve, reject);
      if (one !== undefined) start(one);
    });
  const own = { run, ...idle, stats };
  return new Proxy({} as Reactor, {
    get: (_, name) => {
      if (name === 'run') return run;
      if (name === 'listen') become(server);
      else if (name === 'connect') become(client);
      else if (name === 'stop' && one === undefined) return stop;
      else if (one === undefined && name in own) return Reflect.get(own, name);
      const reactor = become(client);
      const value: unknown = Reflect.get(reactor, name);
      return typeof value === 'function' ? value.bind(reactor) : value;
    },
  });
}
