// TLS for the connections that engine net makes: the handshake over a socket that is still connecting.

import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';

/** How connections speak TLS. */
export interface TlsConnect {
  /** PEM of the authorities that may have signed the server's certificate; undefined = those of Node. */
  ca: string | undefined;
  /** Name that the certificate must have, and that is asked for (SNI). */
  serverName: string;
  /** Any certificate will do. */
  isInsecure: boolean;
}

/** The handshake begins when `carrier` is connected; what fails there fails in the result too. */
export function wrapInTls(carrier: Socket, plan: TlsConnect): TLSSocket {
  const { ca, serverName, isInsecure } = plan;
  carrier.on('error', () => {}); // Heard again on the socket above.
  return connect({
    socket: carrier,
    host: serverName,
    // An address is no name to ask for (RFC 6066, 3), and is checked against the certificate all the same.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(ca === undefined ? {} : { ca }),
    rejectUnauthorized: !isInsecure,
  });
}
