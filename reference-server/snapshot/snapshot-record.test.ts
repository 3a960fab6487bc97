// Records as bytes and back: random ones, and bytes that are no record.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DamagedBytes } from '#core/spool/byte-reader.ts';
import { ByteWriter } from '#core/spool/byte-writer.ts';
import {
  decodeRecord,
  encodeRecord,
  SNAPSHOT_KINDS,
  type SnapshotRecord,
} from '#reference-server/snapshot/snapshot-record.ts';

const RUNS = 2000;
const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const time = fc.oneof(
  fc.double({ min: 0, max: 4e12, noNaN: true }).map((ms) => ms + 0),
  fc.constant(Number.POSITIVE_INFINITY),
);
const packetId = fc.nat(0xffff);
const whole = fc.nat(0xffff_ffff);
const qos = fc.nat(2);
const flag = fc.boolean();
const message = fc.record({
  topic: bytes(30),
  properties: bytes(20),
  payload: bytes(300),
  qos,
  retain: flag,
  expiresWallMs: time,
});
const source = fc.record({
  clientId: fc.string(),
  userName: fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
  listener: fc.string(),
});
const will = fc.record({ message, expiryMs: time, delayMs: time, dueWallMs: time });
const session = fc.record({
  level: fc.constantFrom(3, 4, 5),
  expiryMs: time,
  endsWallMs: time,
  lastPacketId: packetId,
  mailboxId: whole,
  receiptsId: whole,
  userName: fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
  listener: fc.string(),
  will: fc.option(will, { nil: undefined }),
});
const kind = <K extends SnapshotRecord['kind']>(name: K): fc.Arbitrary<K> => fc.constant(name);
const record: fc.Arbitrary<SnapshotRecord> = fc.oneof(
  fc.record({ kind: kind('part'), worker: fc.nat(255), rows: fc.nat(1 << 28) }),
  fc.record({ kind: kind('message'), message }),
  fc.record({ kind: kind('retained'), message, source: fc.option(source, { nil: undefined }) }),
  fc.record({
    kind: kind('user'),
    uid: bytes(64),
    flags: packetId,
    row: whole,
    generation: whole,
    mailboxPacketId: packetId,
    session: fc.option(session, { nil: undefined }),
  }),
  fc.record({
    kind: kind('subscription'),
    filter: fc.string({ unit: 'grapheme' }),
    qos,
    noLocal: flag,
    retainAsPublished: flag,
    id: whole,
  }),
  fc.record({ kind: kind('member'), gid: bytes(64), qos, noLocal: flag, id: whole }),
  fc.record({
    kind: kind('delivery'),
    message: whole,
    qos,
    retain: flag,
    ids: fc.array(whole, { maxLength: 5 }),
    group: fc.string(),
    packetId,
    state: fc.nat(3),
  }),
  fc.record({ kind: kind('received'), packetId, message: whole }),
  fc.record({
    kind: kind('mail'),
    body: fc.nat(2),
    topic: bytes(66),
    content: bytes(300),
    hasProperties: flag,
    expiresWallMs: time,
    storedMs: whole,
    packetId,
    left: fc.nat(255),
    isSilent: flag,
    sender: fc.record({
      worker: fc.nat(255),
      row: fc.integer({ min: -1, max: 0x7fff_ffff }),
      generation: whole,
      packetId,
    }),
  }),
  fc.record({
    kind: kind('owed'),
    row: fc.nat(1 << 28),
    generation: whole,
    senderRow: whole,
    senderGeneration: whole,
    packetId,
    asked: fc.nat(2),
    stored: packetId,
    refused: packetId,
    accepted: packetId,
    name: bytes(66),
    correlation: bytes(256),
  }),
  fc.record({
    kind: kind('parked'),
    body: fc.nat(2),
    topic: bytes(66),
    content: bytes(300),
    hasProperties: flag,
    expiresWallMs: time,
    storedMs: whole,
  }),
);

function encoded(value: SnapshotRecord): { type: number; payload: Buffer } {
  const writer = new ByteWriter();
  const type = encodeRecord(writer, value);
  return { type, payload: Buffer.from(writer.view()) };
}

test('every record comes back as it was', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(record, (value) => {
      const { type, payload } = encoded(value);
      seen.add(value.kind);
      assert.deepEqual(plain(decodeRecord(type, payload)), plain(value));
    }),
    { numRuns: RUNS, verbose: 1 },
  );
  assert.deepEqual([...seen].sort(), [...SNAPSHOT_KINDS].sort());
});

test('bytes that are no record are DamagedBytes, and nothing else', () => {
  let refused = 0;
  fc.assert(
    fc.property(record, fc.nat(), fc.nat(255), (value, at, byte) => {
      const { type, payload } = encoded(value);
      const cut = payload.subarray(0, at % (payload.length + 1));
      const changed = Buffer.from(payload);
      if (changed.length > 0) changed[at % changed.length] = byte;
      for (const wrong of [cut, changed, Buffer.concat([payload, Buffer.of(byte)])]) {
        try {
          decodeRecord(type, wrong);
        } catch (error) {
          assert.ok(error instanceof DamagedBytes, String(error));
          refused++;
        }
      }
      assert.throws(() => decodeRecord(type, Buffer.concat([payload, Buffer.of(byte)])));
    }),
    { numRuns: RUNS, verbose: 1 },
  );
  assert.ok(refused > RUNS);
  assert.throws(() => decodeRecord(99, Buffer.alloc(0)), DamagedBytes);
});

/** Views compare by their bytes. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) => {
      if (one instanceof Uint8Array) return Buffer.from(one).toString('hex');
      if (one !== null && typeof one === 'object' && 'type' in one && one.type === 'Buffer') {
        return Buffer.from((one as unknown as { data: number[] }).data).toString('hex');
      }
      return one === Number.POSITIVE_INFINITY ? 'never' : one;
    }),
  );
}
