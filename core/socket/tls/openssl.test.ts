// Connections share two buffers of OpenSSL: none meets what another one has left in them.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { OpensslEnd, TLS_STATE, whyNoOpenssl } from '#core/socket/tls/openssl.ts';
import { skipUnless } from '#test/foreign-part.ts';

const lack = whyNoOpenssl();
const skip = skipUnless(lack === undefined ? [] : [`OpenSSL (${lack})`], 'use Linux');
/** Type, version and length of a record. */
const RECORD_HEAD_BYTES = 5;

function client(t: TestContext): OpensslEnd {
  const made = new OpensslEnd({ ca: undefined, serverName: 'localhost', isInsecure: true });
  t.after(() => made.close());
  return made;
}

/** Length of what is to be sent, which is a ClientHello and nothing else. */
function takeHello(openssl: OpensslEnd): number {
  const count = openssl.takeOutput();
  assert.equal(openssl.cipher[0], 22, 'a record of a handshake');
  const length = openssl.cipher[3]! * 256 + openssl.cipher[4]!;
  assert.equal(count, RECORD_HEAD_BYTES + length, 'one record');
  return count;
}

test('what was fed for a connection that was given up is not read by the next one', {
  skip,
}, (t) => {
  const openssl = client(t);
  const noise = new Uint8Array(300).fill(0x41);
  const first = openssl.open();
  assert.equal(openssl.handshake(first), TLS_STATE.wants);
  takeHello(openssl);
  const second = openssl.open();
  assert.equal(openssl.handshake(second), TLS_STATE.wants);
  takeHello(openssl);
  openssl.feed(noise, 0, noise.length);
  openssl.free(first);
  const third = openssl.open();
  assert.equal(openssl.handshake(third), TLS_STATE.wants);
  takeHello(openssl);
  // Likewise what another one is fed next: a warning that a name is not known.
  openssl.feed(noise, 0, noise.length);
  openssl.feed(Uint8Array.of(21, 3, 3, 0, 2, 1, 112), 0, 7);
  assert.equal(openssl.handshake(second), TLS_STATE.wants);
  for (const handle of [second, third]) openssl.free(handle);
});

test('what a connection that was given up had to say is not sent for the next one', {
  skip,
}, (t) => {
  const openssl = client(t);
  const [first, second] = [openssl.open(), openssl.open()];
  assert.equal(openssl.handshake(first), TLS_STATE.wants);
  assert.equal(openssl.handshake(second), TLS_STATE.wants);
  takeHello(openssl);
  openssl.free(second);
  const third = openssl.open();
  assert.equal(openssl.handshake(third), TLS_STATE.wants);
  openssl.free(third);
  const fourth = openssl.open();
  assert.equal(openssl.handshake(fourth), TLS_STATE.wants);
  takeHello(openssl);
  assert.equal(openssl.takeOutput(), 0);
  for (const handle of [first, fourth]) openssl.free(handle);
});
