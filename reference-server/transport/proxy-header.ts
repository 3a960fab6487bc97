// The header by which a proxy in front (one that ends TLS, or spreads load) says whose connection it
// hands on: PROXY protocol version 1 (a line) and 2 (binary), by haproxy's specification of 2020.
//
//   v1   PROXY TCP4 192.0.2.1 198.51.100.7 51234 1883 CR LF        at most 107 bytes; or PROXY UNKNOWN ... CR LF
//   v2   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A, 0x20 LOCAL or 0x21 PROXY, family and transport, length (2 bytes),
//        addresses (12 for IPv4, 36 for IPv6, 216 for Unix), then values: type, length (2 bytes), value
//   value 0x20 (TLS): client (1 byte), verify (4 bytes, 0 = the client's certificate is good), values;
//        0x22 in it is the common name of that certificate
//
// Whoever may send this header is believed: who that is decides the listener (transport/listener.ts).

import { isIP } from 'node:net';

/** The longest header that is read. */
export const PROXY_HEADER_BYTES_MAX = 512;

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const LINE_BYTES_MAX = 107;
const HEAD_BYTES = 16;
/** Bytes of both addresses by family: unspecified, IPv4, IPv6, Unix. */
const ADDRESS_BYTES = [0, 12, 36, 216];
const VALUE_TLS = 0x20;
const VALUE_COMMON_NAME = 0x22;
const TLS_FIXED_BYTES = 5;
/** Bits of `client`: the connection is TLS; the client gave a certificate on it or earlier. */
const CLIENT_CERTIFICATE = 0x02 | 0x04;

export interface ProxyHeader {
  /** Bytes of the header; 0 when more has to come. */
  length: number;
  /** Common name of the client's verified certificate. */
  commonName: string | undefined;
}

/** Reads the header at the start of `bytes`; undefined when it is none. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | undefined {
  const common = Math.min(bytes.length, SIGNATURE.length);
  if (SIGNATURE.compare(bytes, 0, common, 0, common) === 0) return readBinary(bytes);
  return readLine(bytes);
}

function readLine(bytes: Uint8Array): ProxyHeader | undefined {
  const text = Buffer.from(bytes.subarray(0, LINE_BYTES_MAX)).toString('latin1');
  const end = text.indexOf('\r\n');
  if (end < 0) {
    const begin = 'PROXY ';
    const isBegun = text.startsWith(begin.slice(0, text.length));
    const mayGoOn = isBegun && bytes.length < LINE_BYTES_MAX && !text.includes('\n');
    return mayGoOn ? { length: 0, commonName: undefined } : undefined;
  }
  const words = text.slice(0, end).split(' ');
  const isUnknown = words[0] === 'PROXY' && words[1] === 'UNKNOWN';
  return isUnknown || isAddressLine(words) ? { length: end + 2, commonName: undefined } : undefined;
}

function isAddressLine(words: string[]): boolean {
  const [proxy, kind, source, target, sourcePort, targetPort] = words;
  const family = kind === 'TCP4' ? 4 : kind === 'TCP6' ? 6 : -1;
  return (
    words.length === 6 &&
    proxy === 'PROXY' &&
    isIP(source!) === family &&
    isIP(target!) === family &&
    isPort(sourcePort!) &&
    isPort(targetPort!)
  );
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
}

function readBinary(bytes: Uint8Array): ProxyHeader | undefined {
  const incomplete = { length: 0, commonName: undefined };
  if (bytes.length < HEAD_BYTES) return incomplete;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const command = view[12]!;
  const length = HEAD_BYTES + view.readUInt16BE(14);
  if ((command !== 0x20 && command !== 0x21) || length > PROXY_HEADER_BYTES_MAX) return undefined;
  if (bytes.length < length) return incomplete;
  // LOCAL: the proxy speaks for itself (a health check), and what follows says nothing.
  if (command === 0x20) return { length, commonName: undefined };
  const addressBytes = ADDRESS_BYTES[view[13]! >> 4];
  if (addressBytes === undefined || HEAD_BYTES + addressBytes > length) return undefined;
  const values = readValues(view.subarray(HEAD_BYTES + addressBytes, length));
  if (values === undefined) return undefined;
  const tls = values.get(VALUE_TLS);
  if (tls === undefined) return { length, commonName: undefined };
  if (tls.length < TLS_FIXED_BYTES) return undefined;
  const isVerified = (tls[0]! & CLIENT_CERTIFICATE) !== 0 && tls.readUInt32BE(1) === 0;
  const inner = readValues(tls.subarray(TLS_FIXED_BYTES));
  if (inner === undefined) return undefined;
  const commonName = isVerified ? inner.get(VALUE_COMMON_NAME)?.toString('utf8') : undefined;
  return { length, commonName };
}

/** Values by type; undefined when a length does not fit. */
function readValues(bytes: Buffer): Map<number, Buffer> | undefined {
  const values = new Map<number, Buffer>();
  let at = 0;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) return undefined;
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return undefined;
    values.set(bytes[at]!, bytes.subarray(at + 3, end));
    at = end;
  }
  return values;
}

/**
 * The header with which the front hands on a connection: addresses unspecified, TLS values when it is
 * TLS. `commonName` only of a certificate that was verified.
 */
export function writeProxyHeader(tls?: { commonName: string | undefined }): Buffer {
  const { commonName } = tls ?? {};
  const name = commonName === undefined ? [] : value(VALUE_COMMON_NAME, Buffer.from(commonName));
  const client = commonName === undefined ? 0x01 : 0x03;
  const body =
    tls === undefined ? [] : value(VALUE_TLS, Buffer.from([client, 0, 0, 0, 0, ...name]));
  return Buffer.concat([
    SIGNATURE,
    Buffer.from([0x21, 0x00, body.length >> 8, body.length & 0xff, ...body]),
  ]);
}

function value(type: number, bytes: Buffer): number[] {
  return [type, bytes.length >> 8, bytes.length & 0xff, ...bytes];
}
