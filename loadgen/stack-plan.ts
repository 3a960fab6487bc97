// Where the clients of engine stack come from: a block of addresses for each worker, because each has a
// TUN device of its own, and the sources of its users within. Nothing on the host has these addresses,
// so every port from 1024 on is free. Also the network that lies before them.

import { networkInterfaces } from 'node:os';
import { WsarError } from '#core/errors.ts';
import { formatIpv4 } from '#core/host/ipv4.ts';
import type { NetworkMix } from '#core/socket/stack/network-classes.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import type { AddressBlock } from '#loadgen/address-block.ts';
import {
  addressesUsed,
  type HostPorts,
  planSources,
  type SourcePlan,
} from '#loadgen/source-plan.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';

/** Clients of engine stack, unless --sources says otherwise: four million private addresses. */
export const STACK_SOURCES = '10.64.0.0/10';
const CLIENT_PORTS: HostPorts = {
  listening: new Set(),
  localMin: 0,
  localMax: 0,
  unprivilegedMin: 1024,
};

/** What one worker needs to make its part of the clients. */
export interface StackPart {
  block: { addressMin: number; addressCount: number };
  network: NetworkMix | undefined;
  tcp: Partial<TcpKnobs> | undefined;
  /** The target is on another host. */
  reachesOthers: boolean;
}

export interface StackPlan {
  /** By worker: its device's part of the block, and its users' sources. */
  parts: StackPart[];
  sources: SourcePlan[];
}

/** Whether packets to the target leave this host. */
function isElsewhere(target: ResolvedTarget): boolean {
  const addresses = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const dotted = formatIpv4(target.address);
  return !target.isLoopback && !addresses.some(({ address }) => address === dotted);
}

/**
 * Divides `block` between workers; users are numbered over the whole population. Throws WSAR_ERR_LIMIT
 * when a part has too few places.
 */
export function planStack(
  block: AddressBlock,
  shares: readonly { count: number }[],
  target: ResolvedTarget,
  { network, tcp }: Pick<StackPart, 'network' | 'tcp'>,
  runDraw: number,
): StackPlan {
  const parts = splitBlock(block, shares.length);
  const reachesOthers = isElsewhere(target);
  return {
    parts: parts.map(({ address, prefixLength }, index) => ({
      block: { addressMin: address, addressCount: 2 ** (32 - prefixLength) },
      // Two workers with the same draws would lose the same packets.
      network: network === undefined ? undefined : { ...network, seed: network.seed + index },
      tcp,
      reachesOthers,
    })),
    sources: parts.map((part, index) =>
      planSources([part], shares[index]!.count, target.ports, CLIENT_PORTS, runDraw),
    ),
  };
}

/** How many addresses the first attempts of all users come from. */
export function stackAddresses(plan: StackPlan): number {
  return plan.sources.reduce((sum, sources) => sum + addressesUsed(sources), 0);
}

/** The smallest equal parts that are at least `count`. */
function splitBlock(block: AddressBlock, count: number): AddressBlock[] {
  const prefixLength = block.prefixLength + Math.ceil(Math.log2(count));
  if (prefixLength > 32) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `${count} workers need as many blocks of addresses, and --sources has fewer addresses`,
      `take a larger block, for example --sources ${STACK_SOURCES}, or fewer workers`,
    );
  }
  return Array.from({ length: count }, (_, index) => ({
    address: block.address + index * 2 ** (32 - prefixLength),
    prefixLength,
  }));
}
