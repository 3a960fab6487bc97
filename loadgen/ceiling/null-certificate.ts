// A certificate for a server of this process, signed by itself: X.509 version 1 with a new P-256 key (RFC 5280, 4.1).
// Nobody checks it: whoever measures against it takes any.
//
//   SEQUENCE { SEQUENCE { serial, algorithm, issuer, validity, subject, public key }, algorithm, BIT STRING signature }

import { generateKeyPairSync, sign } from 'node:crypto';
import { assert } from '#core/assert.ts';
import type { TlsIdentity } from '#core/socket/tls/openssl.ts';

const TAG = { integer: 0x02, bits: 0x03, oid: 0x06, text: 0x0c, time: 0x17, list: 0x30, set: 0x31 };
/** 1.2.840.10045.4.3.2 and 2.5.4.3. */
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('550403', 'hex');

export function makeNullIdentity(): TlsIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(TAG.list, der(TAG.oid, ECDSA_WITH_SHA256));
  const text = der(TAG.text, Buffer.from('wsar null server'));
  const name = der(TAG.list, der(TAG.set, der(TAG.list, der(TAG.oid, COMMON_NAME), text)));
  const times = ['200101000000Z', '491231235959Z'].map((time) => der(TAG.time, Buffer.from(time)));
  const told = der(
    TAG.list,
    der(TAG.integer, Buffer.of(1)),
    algorithm,
    name,
    der(TAG.list, ...times),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(TAG.bits, Buffer.of(0), sign('sha256', told, privateKey));
  return {
    certificate: der(TAG.list, told, algorithm, signature),
    key: privateKey.export({ type: 'sec1', format: 'der' }),
  };
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  assert(length < 0x1_0000, 'two bytes of length are enough');
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >>> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), body]);
}
