import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { encodePuback, encodePublish, encodeSuback } from '#core/wire/mqtt/encode.ts';
import { HEAD_BYTES, NO_SLOT, PacketReader } from '#loadgen/packet-reader.ts';

const TOPIC = new TextEncoder().encode('m/10000001');

function publish(payloadBytes: number): Uint8Array {
  const out = new Uint8Array(payloadBytes + 32);
  const payload = Uint8Array.from({ length: payloadBytes }, (_, i) => i * 7);
  const end = encodePublish(
    out,
    0,
    TOPIC,
    TOPIC.length,
    1,
    77,
    false,
    false,
    payload,
    0,
    payloadBytes,
  );
  return out.slice(0, end);
}

function acknowledgement(id: number): Uint8Array {
  const out = new Uint8Array(16);
  return id % 2 === 0
    ? out.slice(0, encodePuback(out, 0, id + 1))
    : out.slice(0, encodeSuback(out, 0, id, [1, 0], 2));
}

const packet = fc.oneof(
  fc.integer({ min: 1, max: 60_000 }).map(acknowledgement),
  fc.integer({ min: 0, max: 30_000 }).map(publish),
);

test('however the bytes are cut, the same packets come out', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(packet, { minLength: 1, maxLength: 12 }), cuts, (packets, sizes) => {
      const got: Uint8Array[] = [];
      const reader = new PacketReader(2, 2, (_conn, bytes, start, end) => {
        got.push(Uint8Array.from(bytes.subarray(start, end)));
        return true;
      });
      const stream = Buffer.concat(packets);
      let turn = 0;
      for (let at = 0; at < stream.length; turn++) {
        const end = Math.min(stream.length, at + sizes[turn % sizes.length]!);
        assert.equal(reader.feed(1, stream, at, end), 0);
        at = end;
      }
      assert.equal(got.length, packets.length);
      got.forEach((bytes, i) => {
        const whole = packets[i]!;
        // A cut packet is announced with its head.
        const expected = bytes.length < whole.length ? whole.slice(0, HEAD_BYTES) : whole;
        assert.deepEqual(bytes, Uint8Array.from(expected));
      });
      assert.equal(reader.freeSlots, 2);
    }),
  );
});

test('connections do not mix, and a dropped one gives its slot back', () => {
  const got: number[] = [];
  const reader = new PacketReader(3, 2, (conn) => {
    got.push(conn);
    return true;
  });
  const bytes = publish(100);
  assert.equal(reader.feed(0, bytes, 0, 50), 0);
  assert.equal(reader.feed(1, bytes, 0, 1), 0);
  assert.equal(reader.feed(2, bytes, 0, 3), NO_SLOT);
  assert.equal(reader.feed(2, bytes, 0, bytes.length), 0, 'whole packets need no slot');
  reader.drop(1);
  assert.equal(reader.feed(2, bytes, 0, 3), 0);
  assert.equal(reader.feed(0, bytes, 50, bytes.length), 0);
  assert.equal(reader.feed(2, bytes, 3, bytes.length), 0);
  assert.deepEqual(got, [2, 0, 2]);
  assert.equal(reader.freeSlots, 2);
});

test('a reader that is told to stop reads no further packet', () => {
  let count = 0;
  const reader = new PacketReader(1, 1, () => ++count < 2);
  const bytes = Buffer.concat([publish(10), publish(10), publish(10)]);
  assert.equal(reader.feed(0, bytes, 0, 5), 0);
  assert.equal(reader.feed(0, bytes, 5, bytes.length), 0);
  assert.equal(count, 2);
});

test('bytes that are no MQTT are refused, wherever they are cut', () => {
  for (const bad of [[0x00], [0x30, 0xff, 0xff, 0xff, 0xff], [0x30, 0xff, 0xff, 0xff, 0x7f]]) {
    const bytes = Uint8Array.from(bad);
    const whole = new PacketReader(1, 1, () => true);
    assert.ok(whole.feed(0, bytes, 0, bytes.length) < 0);
    const bytewise = new PacketReader(1, 1, () => true);
    const results = bad.map((_, i) => bytewise.feed(0, bytes, i, i + 1));
    assert.ok(results.at(-1)! < 0, `${bad}: ${results}`);
  }
});
