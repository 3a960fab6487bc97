// The file of a snapshot: whole or refused. Every byte changed, every length cut, foreign files, a full disk.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { decodeFrames, encodeFrame } from '#core/spool/frame.ts';
import { readSnapshot, SnapshotWriter } from '#reference-server/snapshot/snapshot-file.ts';
import { SnapshotFrames } from '#reference-server/snapshot/snapshot-frames.ts';
import type { SnapshotRecord } from '#reference-server/snapshot/snapshot-record.ts';
import { temporaryFolder } from '#test/command.ts';

const SAVED_MS = 1_700_000_000_000;
const RECORDS: SnapshotRecord[] = [
  { kind: 'part', worker: 0, rows: 2 },
  { kind: 'subscription', filter: 'a/+', qos: 1, noLocal: false, retainAsPublished: true, id: 7 },
  { kind: 'received', packetId: 9, message: 0 },
];

async function write(file: string, records: SnapshotRecord[], bytesMax?: number): Promise<void> {
  const writer = await SnapshotWriter.create(file, SAVED_MS, bytesMax);
  try {
    const frames = new SnapshotFrames();
    for (const record of records) frames.add(record);
    const chunk = frames.take();
    await writer.add(chunk.frames, chunk.count);
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

function read(file: string): { savedWallMs: number; records: SnapshotRecord[] } | undefined {
  const records: SnapshotRecord[] = [];
  const header = readSnapshot(file, (record) => records.push(record));
  return header && { ...header, records };
}

function isRefused(file: string, sentence: RegExp): void {
  const before = readFileSync(file);
  assert.throws(
    () => readSnapshot(file),
    (error) => {
      assert.ok(error instanceof WsarError, String(error));
      assert.equal(error.code, 'WSAR_ERR_FILE');
      assert.match(error.message, sentence);
      assert.match(error.hint, /nothing was changed/);
      return true;
    },
  );
  assert.deepEqual(readFileSync(file), before);
}

async function written(t: TestContext): Promise<string> {
  const file = join(temporaryFolder(t), 'snapshot');
  await write(file, RECORDS);
  return file;
}

test('what was written is read, in its order; nothing beside it stays', async (t) => {
  const file = await written(t);
  assert.deepEqual(read(file), { savedWallMs: SAVED_MS, records: RECORDS });
  assert.equal(existsSync(`${file}.new`), false);
  assert.equal(read(`${file}-of-nobody`), undefined);
});

test('more than one chunk', async (t) => {
  const file = join(temporaryFolder(t), 'snapshot');
  const payload = Buffer.alloc(1024 * 1024, 7);
  const nothing = Buffer.alloc(0);
  const message = { topic: Buffer.from('t'), properties: nothing, payload, qos: 1, retain: false };
  const many = Array.from(
    { length: 20 },
    (_, at): SnapshotRecord => ({
      kind: 'retained',
      message: { ...message, expiresWallMs: at },
      source: undefined,
    }),
  );
  await write(file, many);
  const times: number[] = [];
  readSnapshot(file, (record) => {
    assert.equal(record.kind === 'retained' && payload.equals(record.message.payload), true);
    if (record.kind === 'retained') times.push(record.message.expiresWallMs);
  });
  assert.deepEqual(
    times,
    many.map((_, at) => at),
  );
});

test('a file with any byte changed, or cut anywhere, is refused and stays', async (t) => {
  const file = await written(t);
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1 << (at % 8);
    writeFileSync(file, changed);
    isRefused(file, /is damaged|is no snapshot|has version/);
    writeFileSync(file, whole.subarray(0, at));
    isRefused(file, /is damaged|is no snapshot|is empty/);
  }
  writeFileSync(file, Buffer.concat([whole, whole]));
  isRefused(file, /bytes stand behind its end/);
});

test('version 1 is read as it is, a later one refused in one sentence', async (t) => {
  const file = await written(t);
  const whole = readFileSync(file);
  const { frames } = decodeFrames(whole);
  const { payload } = frames[0]!;
  const at = 'wsar-snapshot'.length;
  assert.equal(payload[at], 2);
  const ofVersion = (version: number): void => {
    const header = Buffer.from(payload);
    header[at] = version;
    writeFileSync(file, Buffer.concat([encodeFrame(1, header), whole.subarray(9 + header.length)]));
  };
  ofVersion(1);
  assert.deepEqual(read(file), { savedWallMs: SAVED_MS, records: RECORDS });
  ofVersion(3);
  isRefused(file, /^the snapshot .* has version 3, and this server reads versions 1 to 2$/);
});

test('foreign files are named as such', async (t) => {
  const file = join(temporaryFolder(t), 'mosquitto.db');
  writeFileSync(
    file,
    Buffer.from('00b5006d6f737175697474 6f20646200000000'.replace(' ', ''), 'hex'),
  );
  isRefused(file, /mosquitto\.db is no snapshot of this server/);
  writeFileSync(file, '');
  isRefused(file, /is empty/);
});

test('larger than allowed, or nowhere to write: the older file stays', async (t) => {
  const file = await written(t);
  const whole = readFileSync(file);
  await assert.rejects(write(file, RECORDS, whole.length - 1), { code: 'WSAR_ERR_LIMIT' });
  assert.deepEqual(readFileSync(file), whole);
  assert.equal(existsSync(`${file}.new`), false);
  mkdirSync(`${file}.new`);
  await assert.rejects(write(file, RECORDS), { code: 'WSAR_ERR_SYSTEM' });
  assert.deepEqual(readFileSync(file), whole);
});

test('a folder in its place is a file that cannot be read', (t) => {
  const folder = temporaryFolder(t);
  assert.throws(() => readSnapshot(folder), {
    code: 'WSAR_ERR_FILE',
    message: /cannot be read: EISDIR/,
  });
});

test('given up where the file beside it cannot be removed: what went wrong first is told', async (t) => {
  const file = await written(t);
  const writer = await SnapshotWriter.create(file, SAVED_MS, 100);
  unlinkSync(`${file}.new`);
  mkdirSync(join(`${file}.new`, 'full'), { recursive: true });
  await assert.rejects(writer.add(new Uint8Array(101), 1), { code: 'WSAR_ERR_LIMIT' });
  await writer.abandon();
  assert.equal(existsSync(`${file}.new`), true);
});
