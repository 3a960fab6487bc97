import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bodyStart,
  frameLength,
  headerLength,
  REMAINING_LENGTH_MAX,
  writeHeader,
} from './frame.ts';
import { FLAW, FLAW_NAMES, flawName } from './packet.ts';

const NO_LIMIT = REMAINING_LENGTH_MAX + 5;
const length = (bytes: number[], bytesMax = NO_LIMIT): number =>
  frameLength(Uint8Array.from(bytes), 0, bytes.length, bytesMax);

test('the lengths of table 2.4 at their edges', () => {
  const edges: [number, number][] = [
    [0, 2],
    [127, 2],
    [128, 3],
    [16_383, 3],
    [16_384, 4],
    [2_097_151, 4],
    [2_097_152, 5],
  ];
  const out = new Uint8Array(2_097_152 + 5);
  for (const [remaining, header] of edges) {
    assert.equal(headerLength(remaining), header);
    assert.equal(writeHeader(out, 0, 0x30, remaining), header);
    assert.equal(bodyStart(out, 0), header);
    assert.equal(frameLength(out, 0, header + remaining, NO_LIMIT), header + remaining);
    assert.equal(frameLength(out, 0, header + remaining, header + remaining - 1), FLAW.tooLarge);
  }
});

test('a fifth length byte is malformed, also when the first four say zero', () => {
  assert.equal(length([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]), FLAW.lengthOverlong);
  assert.equal(length([0x30, 0xff, 0xff, 0xff, 0xff]), FLAW.lengthOverlong);
  assert.equal(length([0x30, 0xff, 0xff, 0xff]), 0);
});

test('a claim of 256 MiB is refused from its header alone', () => {
  assert.equal(length([0x10, 0xff, 0xff, 0xff, 0x7f], 65_536), FLAW.tooLarge);
  assert.equal(length([0x10, 0xff, 0xff, 0xff, 0x7f]), 0);
});

test('first bytes that no packet has', () => {
  const allowed = new Set([0x20, 0x40, 0x50, 0x62, 0x70, 0x82, 0x90, 0xa2, 0xb0, 0xc0]);
  for (const byte of [0xd0, 0xe0, 0xf0]) allowed.add(byte);
  for (let flags = 0; flags < 16; flags++) allowed.add(0x10 | flags).add(0x30 | flags);
  for (let byte = 0; byte < 256; byte++) {
    assert.equal(
      length([byte, 0]),
      allowed.has(byte) ? 2 : FLAW.firstByte,
      `0x${byte.toString(16)}`,
    );
  }
});

test('a packet that does not fit its buffer is a programmer error', () => {
  assert.throws(() => writeHeader(new Uint8Array(10), 5, 0x30, 4), /fits its buffer/);
});

test('every flaw has a name', () => {
  for (const name of FLAW_NAMES) assert.equal(flawName(FLAW[name]), name);
  assert.throws(() => flawName(0), RangeError);
});
