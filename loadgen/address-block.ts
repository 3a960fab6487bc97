// Addresses that connections come from, as people write them: blocks, single addresses, and interfaces of this host by
// name, separated by commas. Pure but for the look at the interfaces.

import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { WsarError } from '#core/errors.ts';
import { formatIpv4, parseIpv4 } from '#core/host/ipv4.ts';

export interface AddressBlock {
  /** First address, as a number in network order: 0x7f010000 = 127.1.0.0. */
  address: number;
  prefixLength: number;
}

/** Blocks of one load. */
export const BLOCKS_MAX = 1024;

/** '127.1.0.0/16', '10.0.0.5,10.0.0.6', 'eth0'. Throws WSAR_ERR_USAGE. */
export function parseSources(text: string): AddressBlock[] {
  const blocks = text
    .split(',')
    .map((word) => word.trim())
    .flatMap((word) => interfaceAddresses(word) ?? [parseBlock(word)]);
  if (blocks.length > BLOCKS_MAX) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--sources has ${blocks.length} blocks`,
      `at most ${BLOCKS_MAX}; a block like 10.0.0.0/24 is one`,
    );
  }
  const ranges = blocks.map(blockRange).sort((a, b) => a.first - b.first);
  const twice = ranges.find(({ first }, i) => i > 0 && first <= ranges[i - 1]!.last);
  if (twice !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--sources names ${formatIpv4(twice.first)} twice`,
      'name each address once',
    );
  }
  return blocks;
}

/** '127.1.0.0/16', or one address. Throws WSAR_ERR_USAGE. */
export function parseBlock(text: string): AddressBlock {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text.trim());
  const bytes = match?.slice(1, 5).map(Number) ?? [];
  const prefixLength = Number(match?.[5] ?? 32);
  if (match === null || bytes.some((byte) => byte > 255) || prefixLength > 32) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no block of IPv4 addresses and no interface of this host`,
      'write it like 127.1.0.0/16',
    );
  }
  const address = parseIpv4(bytes.join('.'));
  return { address: address - (address % 2 ** (32 - prefixLength)), prefixLength };
}

/** '127.1.0.0/16'; of many blocks the first and how many more. */
export function formatBlocks(blocks: readonly AddressBlock[]): string {
  const [first] = blocks;
  const text = first === undefined ? '' : `${formatIpv4(first.address)}/${first.prefixLength}`;
  return blocks.length < 2 ? text : `${text} and ${blocks.length - 1} more`;
}

/** Addresses of a block that hosts have: the first and the last are a network's own name and its broadcast. */
export function usableAddresses(block: AddressBlock): { first: number; count: number } {
  const count = 2 ** (32 - block.prefixLength);
  const edge = count > 2 ? 1 : 0;
  return { first: block.address + edge, count: count - 2 * edge };
}

function blockRange({ address, prefixLength }: AddressBlock): { first: number; last: number } {
  return { first: address, last: address + 2 ** (32 - prefixLength) - 1 };
}

/** IPv4 addresses of an interface; undefined when the host has none of that name. */
function interfaceAddresses(name: string): AddressBlock[] | undefined {
  const all = Object.hasOwn(networkInterfaces(), name) ? networkInterfaces()[name] : undefined;
  const addresses = all?.map(({ address }) => address).filter((address) => isIPv4(address));
  if (addresses === undefined) return undefined;
  if (addresses.length > 0) return addresses.map(parseBlock);
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `interface ${name} has no IPv4 address`,
    'name another one, or addresses',
  );
}
