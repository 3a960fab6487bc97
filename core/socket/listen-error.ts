// What a person reads when a listening address is refused: the same sentence from every engine.

import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { WsarError } from '#core/errors.ts';

/** The error for a failed bind or listen; `errno` is positive, 0 when unknown. */
export function listenError(address: { host: string; port: number }, errno: number): WsarError {
  const where = `${address.host}:${address.port}`;
  if (errno === constants.errno.EADDRINUSE) {
    return new WsarError(
      'WSAR_ERR_PORT_IN_USE',
      `cannot listen on ${where}: the port is in use`,
      `choose another port, or find its owner with: ss -ltnp 'sport = :${address.port}'`,
    );
  }
  return new WsarError(
    'WSAR_ERR_SYSTEM',
    `cannot listen on ${where}: ${errno === 0 ? 'refused' : getSystemErrorName(-errno)}`,
    'use an IP address of this host (ip address) and a port above 1023',
  );
}

/** The same for a Unix socket. The kernel says EADDRINUSE of any file there, libuv EACCES of a missing folder. */
export function unixListenError(path: string, errno: number): WsarError {
  if (errno === constants.errno.EADDRINUSE) {
    return new WsarError(
      'WSAR_ERR_PORT_IN_USE',
      `cannot listen on ${path}: a server listens there, or the file is no socket`,
      'name another file',
    );
  }
  return new WsarError(
    'WSAR_ERR_SYSTEM',
    `cannot listen on ${path}: ${errno === 0 ? 'refused' : getSystemErrorName(-errno)}`,
    'name a file of at most 107 bytes in a folder that exists and is yours',
  );
}
