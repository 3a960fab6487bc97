// TLS for the connections of a client: the handshake over a socket that is still connecting, or over any stream.

import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';

/** How connections speak TLS. */
export interface TlsConnect {
  /** PEM of the authorities that may have signed the server's certificate; undefined = those of Node. */
  ca: string | undefined;
  /** Name that the certificate must have, and that is asked for (SNI). */
  serverName: string;
  /** Any certificate will do. */
  isInsecure: boolean;
}

/** Authorities are read once for all connections of a plan. */
const contexts = new WeakMap<TlsConnect, SecureContext>();

/** The handshake begins when `carrier` is connected; what fails there fails in the result too. */
export function wrapInTls(carrier: Duplex, plan: TlsConnect): TLSSocket {
  const { serverName, isInsecure } = plan;
  carrier.on('error', () => {}); // Heard again on the socket above.
  return connect({
    socket: carrier,
    host: serverName,
    // An address is no name to ask for (RFC 6066, 3), and is checked against the certificate all the same.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    secureContext: contextOf(plan),
    rejectUnauthorized: !isInsecure,
  });
}

function contextOf(plan: TlsConnect): SecureContext {
  const known = contexts.get(plan);
  if (known !== undefined) return known;
  const { ca } = plan;
  const made = createSecureContext(ca === undefined ? {} : { ca });
  contexts.set(plan, made);
  return made;
}
