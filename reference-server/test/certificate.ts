// Certificates for tests, made by openssl in a folder of the test: an authority, and what it signs.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** An authority, self-signed. */
export function makeAuthority(folder: string): Certificate {
  return make(folder, 'authority', ['-subj', '/CN=test authority']);
}

/** A certificate for `commonName`; `hosts` as in 'DNS:localhost,IP:127.0.0.1'. */
export function makeCertificate(
  folder: string,
  authority: Certificate,
  commonName: string,
  hosts?: string,
): Certificate {
  const signed = ['-CA', authority.certFile, '-CAkey', authority.keyFile];
  const names = hosts === undefined ? [] : ['-addext', `subjectAltName=${hosts}`];
  return make(folder, commonName, ['-subj', `/CN=${commonName}`, ...signed, ...names]);
}

function make(folder: string, name: string, args: string[]): Certificate {
  const certFile = join(folder, `${name}.pem`);
  const keyFile = join(folder, `${name}.key`);
  const files = ['-keyout', keyFile, '-out', certFile];
  execFileSync('openssl', ['req', '-x509', ...CURVE, ...files, ...args], { stdio: 'ignore' });
  const read = (file: string): string => readFileSync(file, 'utf8');
  return { certFile, keyFile, cert: read(certFile), key: read(keyFile) };
}
