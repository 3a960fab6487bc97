// IPv4 addresses as numbers in network order (0x7f000001 = 127.0.0.1), and which of them are this
// machine alone: load and copies go nowhere else unless their owner says so.

import { isIPv4 } from 'node:net';

const LOOPBACK_NET = 127;

/** '127.0.0.1' to 0x7f000001. The text is an address already (node:net isIPv4). */
export function parseIpv4(text: string): number {
  return text.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

/** 0x7f000001 to '127.0.0.1'. */
export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

/** Whether only this machine reaches an address: 127.0.0.0/8, as a number or as text, or '::1'. */
export function isLoopback(address: number | string): boolean {
  if (typeof address === 'number') return address >>> 24 === LOOPBACK_NET;
  return address === '::1' || (isIPv4(address) && isLoopback(parseIpv4(address)));
}
