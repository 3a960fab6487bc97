// Which addresses the server may listen on. Beyond loopback two things have to be there or be waived in so
// many words: a login, because without one whoever reaches the port can be anybody, and TLS, because
// without it whoever is on the way reads passwords and messages.

import { isIP } from 'node:net';
import { WsarError } from '#core/errors.ts';
import { isLoopback } from '#core/host/ipv4.ts';

/** The flag that opens the server to a network without a login, and so also without TLS. */
export const OPEN_FLAG = '--i-know-anyone-can-log-in';
/** The flag that does without TLS. */
export const PLAIN_FLAG = '--i-know-it-is-not-encrypted';

/** What is known about a listener when its address is judged. */
export interface Exposure {
  /** A server that lets anybody in and never leaves loopback. */
  purpose: 'lab' | 'conformance' | undefined;
  /** Clients have to show a password, a token or a certificate. */
  hasLogin: boolean;
  isEncrypted: boolean;
  /** OPEN_FLAG and PLAIN_FLAG are given. */
  mayBeOpen: boolean;
  mayBePlain: boolean;
}

/** Checks and normalises an address to listen on. Throws WSAR_ERR_USAGE. */
export function listenHost(host: string, exposure: Exposure): string {
  const address = host === 'localhost' ? '127.0.0.1' : host.replace(/^\[|\]$/g, '');
  if (isIP(address) === 0) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--host ${host} is no IP address`,
      'give one of this host, like 127.0.0.1',
    );
  }
  if (isLoopback(address)) return address;
  const { purpose, hasLogin, isEncrypted, mayBeOpen, mayBePlain } = exposure;
  if (purpose !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `a ${purpose} server listens on loopback only, and ${host} is not`,
      `leave --host or --${purpose === 'lab' ? 'lab' : 'profile'} away`,
    );
  }
  if (!hasLogin && !mayBeOpen) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `${host} is not loopback, and anyone who reaches it could log in as anyone`,
      `listen on 127.0.0.1, add --password-file or --token-key, or add ${OPEN_FLAG}`,
    );
  }
  if (!isEncrypted && !mayBeOpen && !mayBePlain) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `${host} is not loopback, and passwords and messages would be readable on the way`,
      `use --tls-port or --wss-port, listen on 127.0.0.1, or add ${PLAIN_FLAG}`,
    );
  }
  return address;
}
