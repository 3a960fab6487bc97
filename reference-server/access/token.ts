// Tokens: a user's password is the HMAC of the user's name under the server's key. Millions of users need
// no table and no slow hash, because a token has 256 bits that nobody can guess; whoever gives out names
// gives out tokens, with the key and one line of any language:
//
//   printf %s bob | openssl dgst -sha256 -hmac "$(cat token.key)" -binary | openssl base64 | tr '+/' '-_' | tr -d '='

import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';

/** A key is text, so that it can stand in a file and a command line; of less than this it could be guessed. */
const KEY_BYTES_MIN = 32;

/** The key in `file`, without the line's end. Throws WSAR_ERR_FILE. */
export function readTokenKey(file: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(file, 'latin1').replace(/\r?\n$/, '');
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `token key ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'make one with: (umask 077; openssl rand -hex 32 > token.key)',
      error,
    );
  }
  if (text.length < KEY_BYTES_MIN) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `token key ${file} has ${text.length} characters and needs ${KEY_BYTES_MIN}`,
      'make one with: (umask 077; openssl rand -hex 32 > token.key)',
    );
  }
  return Buffer.from(text, 'latin1');
}

/** The token of a user: 43 letters, digits, '-' and '_'. */
export function tokenOf(key: Uint8Array, userName: Uint8Array | string): string {
  return createHmac('sha256', key).update(userName).digest('base64url');
}

/** Whether `password` is the user's token; the time it takes says nothing about where it differs. */
export function isToken(key: Uint8Array, userName: Uint8Array, password: Uint8Array): boolean {
  const token = Buffer.from(tokenOf(key, userName), 'latin1');
  return token.length === password.length && timingSafeEqual(token, password);
}
