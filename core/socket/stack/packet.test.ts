import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  PACKET_BYTES_MAX,
  PACKET_FLAW,
  type PacketHeader,
  payloadStart,
  readPacket,
  SEGMENT_BYTES_MAX,
  Segment,
  VNET_BYTES,
  writePacket,
} from '#core/socket/stack/packet.ts';
import { sequenceAdd, sequenceDistance } from '#core/socket/stack/sequence.ts';
import { readOptions, TcpOptions } from '#core/socket/stack/tcp-options.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u16 = fc.integer({ min: 0, max: 0xffff });
/** Any options that fit into 40 bytes. */
const options = fc
  .record({
    mss: fc.integer({ min: 0, max: 0xffff }),
    windowShift: fc.integer({ min: -1, max: 14 }),
    isSackPermitted: fc.boolean(),
    hasTimestamp: fc.boolean(),
    timestamp: u32,
    timestampEcho: u32,
    sacks: fc.array(fc.tuple(u32, u32), { maxLength: 4 }),
  })
  .map(({ sacks, ...fields }) => {
    const made = Object.assign(new TcpOptions(), fields);
    // Never both: SYN has no blocks, and nothing else has what only SYN has.
    if (sacks.length > 0) Object.assign(made, { mss: 0, windowShift: -1, isSackPermitted: false });
    if (!made.hasTimestamp) Object.assign(made, { timestamp: 0, timestampEcho: 0 });
    for (const [start, end] of sacks.slice(0, made.hasTimestamp ? 3 : 4)) made.addSack(start, end);
    return made;
  });
const header = fc.record({
  options,
  sourceAddress: u32,
  sourcePort: u16,
  targetAddress: u32,
  targetPort: u16,
  sequence: u32,
  acknowledged: u32,
  flags: fc.integer({ min: 0, max: 31 }),
  window: u16,
});

/** RFC 1071 by the book: one's complement sum of 16-bit words, word after word. */
function referenceSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes[at]! * 256 + (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** The checksum as the kernel would complete it: over pseudo header and segment. */
function completed(packet: Uint8Array, length: number): Buffer {
  const bytes = Buffer.from(packet.subarray(0, length));
  const start = VNET_BYTES + bytes.readUInt16LE(6);
  const sum = referenceSum(bytes.subarray(start, length));
  bytes.writeUInt16BE(~sum & 0xffff, start + bytes.readUInt16LE(8));
  bytes[0] = 0;
  return bytes;
}

function written(fields: PacketHeader, payload: Uint8Array): [Uint8Array, number] {
  const packet = new Uint8Array(PACKET_BYTES_MAX);
  packet.set(payload, payloadStart(fields.options));
  return [packet, writePacket(packet, fields, payload.length)];
}

test('what is written is read again, with the checksums that a reference computes', () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: SEGMENT_BYTES_MAX - 40 }), (fields, payload) => {
      const [packet, length] = written(fields, payload);
      const ip = Buffer.from(packet.subarray(VNET_BYTES, VNET_BYTES + 20));
      assert.equal(referenceSum(ip), 0xffff, 'the IPv4 header is summed');
      const segment = new Segment();
      assert.equal(readPacket(packet, length, segment), PACKET_FLAW.none);
      const { dataStart, dataEnd, ...read } = segment;
      assert.deepEqual({ ...read }, { ...fields });
      assert.equal(dataStart % 4, VNET_BYTES % 4, 'options are padded to words');
      assert.deepEqual(packet.slice(dataStart, dataEnd), payload);
      const whole = completed(packet, length);
      assert.equal(readPacket(whole, length, segment), PACKET_FLAW.none, 'and when completed');
      const pseudo = Buffer.concat([
        whole.subarray(VNET_BYTES + 12, VNET_BYTES + 20),
        Buffer.from([0, 6, (length - VNET_BYTES - 20) >> 8, (length - VNET_BYTES - 20) & 255]),
        whole.subarray(VNET_BYTES + 20, length),
      ]);
      assert.equal(referenceSum(pseudo), 0xffff, 'the sum is that of pseudo header and segment');
    }),
  );
});

test('options that are cut, too long or of no kind are passed over, and nothing is read beyond them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), (bytes) => {
      const read = new TcpOptions();
      readOptions(bytes, 0, bytes.length, read);
      assert.ok(read.sackCount <= 4 && read.windowShift <= 14 && read.mss <= 0xffff);
    }),
  );
  const read = new TcpOptions();
  readOptions(Uint8Array.of(1, 2, 4, 5, 0xb4, 3, 3, 200, 4, 2, 77, 3, 9, 8, 10, 1), 0, 16, read);
  assert.deepEqual(
    [read.mss, read.windowShift, read.isSackPermitted, read.hasTimestamp],
    [1460, 14, true, false],
  );
});

test('one changed byte of a summed packet is noticed', () => {
  fc.assert(
    fc.property(
      header,
      fc.uint8Array({ minLength: 1, maxLength: 100 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (fields, payload, place, change) => {
        const [packet, length] = written(fields, payload);
        const whole = completed(packet, length);
        whole[VNET_BYTES + (place % (length - VNET_BYTES))]! ^= change;
        assert.notEqual(readPacket(whole, length, new Segment()), PACKET_FLAW.none);
      },
    ),
  );
});

test('any bytes at all are read or refused, never beyond their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      bytes[VNET_BYTES] = 0x45;
      const segment = new Segment();
      if (readPacket(bytes, bytes.length, segment) === PACKET_FLAW.none) {
        assert.ok(segment.dataStart <= segment.dataEnd && segment.dataEnd <= bytes.length);
      }
    }),
  );
});

test('sequence numbers: distance undoes addition, also across the wrap', () => {
  fc.assert(
    fc.property(u32, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (start, count) => {
      const moved = sequenceAdd(start, count);
      assert.ok(moved >= 0 && moved <= 0xffffffff);
      assert.equal(sequenceDistance(moved, start), count);
    }),
  );
  assert.equal(sequenceDistance(5, 0xfffffffb), 10);
  assert.equal(sequenceDistance(0xfffffffb, 5), -10);
});
