// PROXY headers: those of haproxy's specification, each of their beginnings, and bytes that are none.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readProxyHeader, writeProxyHeader } from '#reference-server/transport/proxy-header.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

function binary(command: number, family: number, body: string): Buffer {
  const bytes = Buffer.from(body, 'hex');
  const head = Buffer.from([command, family, bytes.length >> 8, bytes.length & 0xff]);
  return Buffer.concat([Buffer.from(SIGNATURE, 'hex'), head, bytes]);
}

const V4 = 'c0000201c6336407c8220 75b'.replace(' ', '');
const V6 = `${'20010db8'.padEnd(32, '0')}${'20010db8'.padEnd(32, '1')}c822075b`;

const GOOD: [string, Buffer][] = [
  ['TCP4', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 51234 1883\r\n')],
  ['TCP6', Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 51234 1883\r\n')],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n')],
  ['UNKNOWN with words', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n')],
  ['binary, IPv4', binary(0x21, 0x11, V4)],
  ['binary, IPv6', binary(0x21, 0x21, V6)],
  ['binary, Unix', binary(0x21, 0x31, '00'.repeat(216))],
  ['binary, LOCAL with something', binary(0x20, 0x00, '0102030405')],
  ['binary, values', binary(0x21, 0x11, `${V4}04000201aa010004706f7274`)],
];

describe('PROXY headers', () => {
  for (const [name, bytes] of GOOD) {
    test(`${name}: whole, with bytes behind it, and every beginning of it`, () => {
      assert.equal(readProxyHeader(bytes)?.length, bytes.length);
      const more = Buffer.concat([bytes, Buffer.from('PROXY')]);
      assert.equal(readProxyHeader(more)?.length, bytes.length);
      for (let end = 0; end < bytes.length; end++) {
        assert.equal(readProxyHeader(bytes.subarray(0, end))?.length, 0, `${end} bytes`);
      }
    });
  }

  const bad: [string, Buffer][] = [
    ['MQTT', Buffer.from('100c00044d51545404020000', 'hex')],
    ['no family', Buffer.from('PROXY\r\n')],
    ['a wrong address', Buffer.from('PROXY TCP4 192.0.2.256 198.51.100.7 1 2\r\n')],
    ['the other family', Buffer.from('PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n')],
    ['a port too high', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 65536 2\r\n')],
    ['a word too many', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3\r\n')],
    ['two spaces', Buffer.from('PROXY  TCP4 192.0.2.1 198.51.100.7 1 2\r\n')],
    ['an LF without CR', Buffer.from('PROXY UNKNOWN\nxxxx')],
    ['a line without end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(100)}`)],
    ['version 1 in binary', binary(0x11, 0x11, V4)],
    ['another command', binary(0x22, 0x11, V4)],
    ['another family', binary(0x21, 0x41, V4)],
    ['addresses that are too short', binary(0x21, 0x21, V4)],
    ['a value that goes beyond the end', binary(0x21, 0x11, `${V4}040005aa`)],
    ['half a value', binary(0x21, 0x11, `${V4}0400`)],
    ['TLS values that are too short', binary(0x21, 0x11, `${V4}200001aa`)],
    ['a length beyond what is read', Buffer.from(`${SIGNATURE}2111ffff`, 'hex')],
  ];
  for (const [name, bytes] of bad) {
    test(`${name}: refused`, () => assert.equal(readProxyHeader(bytes), undefined));
  }

  test('what the front writes can be read; a name counts only of a verified certificate', () => {
    const named = writeProxyHeader({ commonName: 'änne' });
    assert.deepEqual(readProxyHeader(named), { length: named.length, commonName: 'änne' });
    for (const header of [writeProxyHeader(), writeProxyHeader({ commonName: undefined })]) {
      assert.deepEqual(readProxyHeader(header), { length: header.length, commonName: undefined });
    }
    const unverified = Buffer.from(named);
    unverified[SIGNATURE.length / 2 + 4 + 3 + 4] = 1;
    assert.equal(readProxyHeader(unverified)?.commonName, undefined);
  });

  test('any bytes: a header, its beginning, or none', () => {
    const good = fc.constantFrom(...GOOD.map(([, bytes]) => bytes));
    const changed = fc.tuple(good, fc.nat(300), fc.nat(255)).map(([bytes, at, byte]) => {
      const copy = Buffer.from(bytes);
      copy[at % copy.length] = byte;
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 600 })), (bytes) => {
        const { length = 0 } = readProxyHeader(bytes) ?? {};
        assert.ok(length >= 0 && length <= bytes.length);
      }),
      { numRuns: 500 },
    );
  });
});
