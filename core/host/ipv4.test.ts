import assert from 'node:assert/strict';
import { test } from 'node:test';
import { descriptorLimit } from '#core/host/descriptor-limit.ts';
import { formatIpv4, isLoopback, parseIpv4 } from '#core/host/ipv4.ts';

test('addresses go to numbers and back, also above 2^31', () => {
  for (const text of ['0.0.0.0', '127.0.0.1', '127.255.255.255', '192.0.2.7', '255.255.255.255']) {
    assert.equal(formatIpv4(parseIpv4(text)), text);
  }
  assert.equal(parseIpv4('127.0.0.1'), 0x7f000001);
});

test('loopback is 127.0.0.0/8 and ::1, and nothing that looks like it', () => {
  for (const text of ['127.0.0.1', '127.1.2.3', '::1']) assert.ok(isLoopback(text), text);
  for (const text of ['128.0.0.1', '126.255.255.255', '0.0.0.0', '127.0.0.1.example', '::', '']) {
    assert.ok(!isLoopback(text), text);
  }
  assert.ok(isLoopback(0x7f000001) && !isLoopback(0xff000001));
});

test('the limit of descriptors is what /proc says, and unknown without it', () => {
  assert.equal(descriptorLimit('/nowhere'), undefined);
  if (process.platform === 'linux') assert.ok(descriptorLimit()! >= 64);
});
