// Engine stack as a subject of the contract tests, with the engine that serves it.

import type { Reactor, ReactorOptions } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import type { NetworkMix } from '#core/socket/stack/network-classes.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import { StackReactor } from '#core/socket/stack/stack-reactor.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import type { EngineVariant } from '#core/socket/test/engine-variant.ts';

/** 10.64.0.0/16, /16 further on for each next reactor of a test. */
export function blockOf(index: number): { addressMin: number; addressCount: number } {
  return { addressMin: 0x0a400000 + index * 0x10000, addressCount: 0x10000 };
}

/** Engine stack; `created` gets every reactor that is made. */
export function stackVariant(
  options: {
    network?: NetworkMix;
    tcp?: Partial<TcpKnobs>;
    tap?: (device: PacketLink) => PacketLink;
    block?: number;
    created?: (one: StackReactor) => void;
  } = {},
): EngineVariant {
  return {
    name: 'stack',
    isRing: false,
    create(reactorOptions: ReactorOptions): Reactor {
      const reactor = new StackReactor(settleOptions(reactorOptions), {
        block: blockOf(options.block ?? 0),
        network: options.network,
        tcp: options.tcp,
        tap: options.tap,
      });
      options.created?.(reactor);
      return reactor;
    },
  };
}
