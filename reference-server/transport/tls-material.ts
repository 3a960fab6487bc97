// Certificates and keys of TLS listeners: read and tried once, at the start, so that a wrong file is one
// sentence then and not a failed handshake later. Key text is never printed.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { WsarError } from '#core/errors.ts';

export interface TlsMaterial {
  /** The first one is shown to clients that name no host or none of these. */
  certificates: { cert: string; key: string; hosts: string[] }[];
  /** When set, clients need a certificate of one of these authorities; its common name is their user name. */
  clientCa: string | undefined;
}

/** The n-th key belongs to the n-th certificate (chain). Throws WSAR_ERR_USAGE or WSAR_ERR_FILE. */
export function readTlsMaterial(
  certFiles: string[],
  keyFiles: string[],
  clientCaFile: string | undefined,
): TlsMaterial {
  if (certFiles.length === 0 || certFiles.length !== keyFiles.length) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `TLS needs a key for each certificate: ${certFiles.length} and ${keyFiles.length} are given`,
      'add --cert FILE --key FILE, in pairs',
    );
  }
  const certificates = certFiles.map((file, index) => readPair(file, keyFiles[index]!));
  const clientCa = clientCaFile === undefined ? undefined : read(clientCaFile);
  if (clientCa !== undefined) attempt(clientCaFile!, () => createSecureContext({ ca: clientCa }));
  return { certificates, clientCa };
}

function readPair(certFile: string, keyFile: string): TlsMaterial['certificates'][number] {
  const cert = read(certFile);
  const key = read(keyFile);
  attempt(`${certFile} with ${keyFile}`, () => createSecureContext({ cert, key }));
  const names = new X509Certificate(cert).subjectAltName?.split(', ') ?? [];
  const hosts = names.filter((name) => name.startsWith('DNS:')).map((name) => name.slice(4));
  return { cert, key, hosts };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'name a PEM file that this user may read',
      error,
    );
  }
}

function attempt(what: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `${what} cannot be used for TLS: ${(error as Error).message}`,
      'give a certificate in PEM and the key that belongs to it',
      error,
    );
  }
}
