// Passwords in the format of mosquitto_passwd, so that its tool makes them:
//
//   name:$7$<iterations>$<salt, base64>$<PBKDF2 with HMAC-SHA512, 64 bytes, base64>
//   name:$6$<salt, base64>$<SHA512 of password and salt, base64>          (older; read, not recommended)
//
// Checking costs what the file says (mosquitto_passwd: 101 iterations, 0.1 ms), on threads of the pool. A
// name that is not there costs the same, so that time does not tell who has an account.

import { createHash, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { WsarError } from '#core/errors.ts';
import { readTextFile } from '#reference-server/access/text-file.ts';

const derive = promisify(pbkdf2);
const HASH_BYTES = 64;
/** Beyond this one login would occupy a core for seconds. */
const ITERATIONS_MAX = 10_000_000;
const REMEDY = 'make it with: mosquitto_passwd -c FILE NAME';

interface Entry {
  /** 0 = a single SHA512. */
  iterations: number;
  salt: Buffer;
  hash: Buffer;
}

export class PasswordFile {
  readonly #entries: Map<string, Entry>;
  readonly #nobody: Entry;

  private constructor(entries: Map<string, Entry>) {
    this.#entries = entries;
    const [first] = entries.values();
    const { iterations = 101, salt = Buffer.alloc(12) } = first ?? {};
    this.#nobody = { iterations, salt, hash: Buffer.alloc(HASH_BYTES) };
  }

  /**
   * Throws WSAR_ERR_FILE with the line; with `notices`, a line that is no name and hash is passed over and
   * said there, as mosquitto does.
   */
  static read(file: string, notices?: string[]): PasswordFile {
    const text = readTextFile(file, `password file ${file}`, REMEDY);
    const entries = new Map<string, Entry>();
    for (const [index, line] of text.split(/\r?\n/).entries()) {
      if (line === '' || line.startsWith('#')) continue;
      const colon = line.indexOf(':');
      const entry = readEntry(line.slice(colon + 1));
      // The line itself stays out of the message: it might be a password.
      if (colon < 1 || entry === undefined) {
        const message = `password file ${file}, line ${index + 1}: no name and hash`;
        if (notices !== undefined) {
          notices.push(`${message}; passed over`);
          continue;
        }
        throw new WsarError('WSAR_ERR_FILE', message, REMEDY);
      }
      entries.set(line.slice(0, colon), entry);
    }
    return new PasswordFile(entries);
  }

  async isRight(userName: string, password: Uint8Array): Promise<boolean> {
    const known = this.#entries.get(userName);
    const { iterations, salt, hash } = known ?? this.#nobody;
    const given =
      iterations === 0
        ? createHash('sha512').update(password).update(salt).digest()
        : await derive(password, salt, iterations, hash.length, 'sha512');
    return timingSafeEqual(given, hash) && known !== undefined;
  }
}

function readEntry(text: string): Entry | undefined {
  const match = /^\$(?:7\$([1-9]\d{0,8})|6)\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*)$/.exec(text);
  if (match === null) return undefined;
  const iterations = Number(match[1] ?? 0);
  const hash = Buffer.from(match[3]!, 'base64');
  if (iterations > ITERATIONS_MAX || hash.length !== HASH_BYTES) return undefined;
  return { iterations, salt: Buffer.from(match[2]!, 'base64'), hash };
}
