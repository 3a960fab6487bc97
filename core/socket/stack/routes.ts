// Routes of the host, as far as clients of engine stack meet them: their block must be nobody else's, and a
// target on another host must have a route.

import { readFileSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';
import type { SourceBlock } from '#core/socket/stack/stack-parts.ts';

/** A route of the host. */
export interface Route {
  device: string;
  address: number;
  count: number;
}

/** The routes of this thread's network namespace. */
export function readRoutes(): Route[] {
  return readFileSync('/proc/thread-self/net/route', 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .map((fields) => ({
      device: fields[0]!,
      address: swapBytes(fields[1]!),
      count: 2 ** 32 - swapBytes(fields[7]!),
    }));
}

/** The device through which packets to an address leave; undefined without a route. */
export function outDevice(address: number): string | undefined {
  const fits = readRoutes().filter(
    (one) => address >= one.address && address < one.address + one.count,
  );
  return fits.sort((a, b) => a.count - b.count)[0]?.device;
}

/** Private addresses (RFC 1918), shared ones (RFC 6598), and those of benchmarks (RFC 2544). */
const PRIVATE: SourceBlock[] = [
  { addressMin: 0x0a000000, addressCount: 2 ** 24 },
  { addressMin: 0xac100000, addressCount: 2 ** 20 },
  { addressMin: 0xc0a80000, addressCount: 2 ** 16 },
  { addressMin: 0x64400000, addressCount: 2 ** 22 },
  { addressMin: 0xc6120000, addressCount: 2 ** 17 },
];

/** Throws WSAR_ERR_USAGE unless the block is private and nobody on this host uses it. */
export function requireOwnBlock(block: SourceBlock, routes: readonly Route[]): void {
  const { addressMin, addressCount } = block;
  const end = addressMin + addressCount;
  const isPrivate = PRIVATE.some(
    (known) => addressMin >= known.addressMin && end <= known.addressMin + known.addressCount,
  );
  const hint = 'take a private block that nobody uses here, for example --sources 10.64.0.0/10';
  if (!isPrivate) {
    const message = 'clients of engine stack may only come from private addresses';
    throw new WsarError('WSAR_ERR_USAGE', message, hint);
  }
  for (const { device, address, count } of routes) {
    const isDefault = count === 2 ** 32;
    if (!isDefault && address < end && address + count > addressMin) {
      const message = `this host has a route through ${device} to addresses that clients shall come from`;
      throw new WsarError('WSAR_ERR_USAGE', message, hint);
    }
  }
}

/** '0A40' of the kernel's table is in network order in memory: '0000400A' is 10.64.0.0. */
function swapBytes(hex: string): number {
  return Buffer.from(hex, 'hex').readUInt32LE(0);
}
