// What --calibrate can measure: the server that does nothing speaks whatever the load does. Its TLS is OpenSSL called
// by us: that of node:tls would cost more than the generator's, and the ceiling would be the null server's.

import { WsarError } from '#core/errors.ts';
import { whyNoOpenssl } from '#core/socket/tls/openssl.ts';

/** Throws WSAR_ERR_USAGE for a load whose ceiling cannot be measured here. */
export function requireCeiling(isTls: boolean, lack = whyNoOpenssl()): void {
  if (!isTls || lack === undefined) return;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--calibrate cannot measure a ceiling with TLS here: ${lack}`,
    'leave it out; lateness tells whether the generator keeps up',
  );
}
