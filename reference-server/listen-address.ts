// Which addresses the server may listen on. There is no login in this form, so whoever can reach the
// port can be anybody: loopback only, unless that is asked for in so many words.

import { BlockList, isIP } from 'node:net';
import { WsarError } from '#core/errors.ts';

/** The flag that opens the server to a network. */
export const OPEN_FLAG = '--i-know-anyone-can-log-in';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Checks and normalises the host of `--host`; a server for a `purpose` lets anybody in and never leaves
 * loopback. Throws WSAR_ERR_USAGE.
 */
export function listenHost(host: string, isOpen: boolean, purpose?: 'lab' | 'conformance'): string {
  const address = host === 'localhost' ? '127.0.0.1' : host.replace(/^\[|\]$/g, '');
  const family = isIP(address);
  if (family === 0) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--host ${host} is no IP address`,
      'give one of this host, like 127.0.0.1',
    );
  }
  if (LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6')) return address;
  if (purpose !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `a ${purpose} server listens on loopback only, and ${host} is not`,
      `leave --host or --${purpose === 'lab' ? 'lab' : 'profile'} away`,
    );
  }
  if (!isOpen) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `${host} is not loopback, and anyone who reaches it could log in as anyone`,
      `listen on 127.0.0.1, or add ${OPEN_FLAG}`,
    );
  }
  return address;
}

/** As in 'mqtt://127.0.0.1:1883'. */
export function serverUrl(host: string, port: number): string {
  return `mqtt://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
