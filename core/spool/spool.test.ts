import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  decodeFrames,
  encodeFrame,
  FRAME_HEADER_BYTES,
  PAYLOAD_BYTES_MAX,
} from '#core/spool/frame.ts';
import { SEGMENT_MARK, segmentFile } from '#core/spool/segment.ts';
import { Spool, type SpoolOptions } from '#core/spool/spool.ts';
import { killedAfter } from '#core/spool/test/killed-writer.ts';
import { runOnSmallFileSystem, smallDisk } from '#core/spool/test/small-disk.ts';
import { temporaryFolder } from '#test/command.ts';

const payload = (index: number): Buffer => Buffer.from(`row ${index} ${'x'.repeat(index % 7)}`);

function open(t: TestContext, options: Partial<SpoolOptions> = {}): Spool {
  return new Spool({ folder: temporaryFolder(t), ...options });
}

/** Reads everything, acknowledging it; the payloads as text. */
function drain(spool: Spool, bytesMax = 1000): string[] {
  const texts: string[] = [];
  for (;;) {
    const batch = spool.read(bytesMax);
    if (batch.frames.length === 0) return texts;
    texts.push(...batch.frames.map((frame) => frame.payload.toString()));
    batch.acknowledge();
  }
}

async function fill(spool: Spool, from: number, to: number): Promise<string[]> {
  const texts: string[] = [];
  for (let index = from; index < to; index++) {
    assert.ok(spool.append(1, payload(index)));
    texts.push(payload(index).toString());
  }
  await spool.flush();
  return texts;
}

test('frames come back as they were, in order, over many segments, and leave no file', async (t) => {
  const folder = temporaryFolder(t);
  const spool = new Spool({ folder, segmentBytesMax: 300 });
  const written: string[] = [];
  for (let round = 0; round < 10; round++) {
    written.push(...(await fill(spool, round * 20, round * 20 + 20)));
  }
  assert.ok(readdirSync(folder).filter((name) => name.endsWith('.spool')).length > 5);
  assert.deepEqual(drain(spool), written);
  assert.equal(readdirSync(folder).filter((name) => name.endsWith('.spool')).length, 1);
  const { appended, acknowledged, refused, waitingBytes } = spool.stats;
  assert.deepEqual([appended, acknowledged, refused, waitingBytes], [200, 200, 0, 0]);
  await spool.close();
  assert.deepEqual(readdirSync(folder), []);
});

test('cut at every byte: whole frames before the cut are read, and appending goes on', async (t) => {
  const folder = temporaryFolder(t);
  const original = new Spool({ folder });
  const written = await fill(original, 0, 100);
  await original.close();
  const file = segmentFile(folder, 1);
  const content = readFileSync(file);
  const ends: number[] = [];
  let end = SEGMENT_MARK.length;
  for (let index = 0; index < 100; index++)
    ends.push((end += FRAME_HEADER_BYTES + payload(index).length));
  assert.equal(end, content.length);
  const cut = temporaryFolder(t);
  for (let length = 0; length <= content.length; length++) {
    const here = join(cut, String(length));
    mkdirSync(here);
    copyFileSync(file, segmentFile(here, 1));
    truncateSync(segmentFile(here, 1), length);
    const spool = new Spool({ folder: here });
    const whole = ends.filter((frameEnd) => frameEnd <= length).length;
    assert.ok(spool.append(1, payload(1000)));
    await spool.flush();
    const texts = drain(spool);
    assert.equal(texts.length, whole + 1, `cut at ${length}`);
    assert.deepEqual(texts, [...written.slice(0, whole), payload(1000).toString()]);
    const before =
      whole === 0 ? (length < SEGMENT_MARK.length ? 0 : SEGMENT_MARK.length) : ends[whole - 1]!;
    assert.equal(spool.stats.cutBytes, length - before);
    assert.equal(spool.stats.damagedBytes, 0);
    await spool.close();
    assert.deepEqual(readdirSync(here), []);
  }
});

test('a flipped bit ends the last segment before it, and costs an older segment its rest', async (t) => {
  const folder = temporaryFolder(t);
  const first = new Spool({ folder, segmentBytesMax: 900 });
  const one = await fill(first, 0, 50);
  const two = await fill(first, 50, 100);
  await first.close();
  const flip = (index: number, at: number): void => {
    const content = readFileSync(segmentFile(folder, index));
    content[at]! ^= 4;
    writeFileSync(segmentFile(folder, index), content);
  };
  const size = readFileSync(segmentFile(folder, 1)).length;
  flip(1, Math.floor(size / 2));
  flip(2, readFileSync(segmentFile(folder, 2)).length - 1);
  const spool = new Spool({ folder, segmentBytesMax: 900 });
  assert.ok(spool.stats.cutBytes > 0);
  const texts = drain(spool);
  const lost = [...one, ...two].filter((text) => !texts.includes(text));
  assert.ok(lost.length > 1 && lost.length < 60, `${lost.length} lost`);
  assert.deepEqual(
    texts,
    [...one, ...two].filter((text) => texts.includes(text)),
  );
  assert.ok(spool.stats.damagedBytes > 0);
  await spool.close();
});

test('what is not acknowledged is read again, here and after a restart', async (t) => {
  const folder = temporaryFolder(t);
  const first = new Spool({ folder, segmentBytesMax: 400 });
  const written = await fill(first, 0, 60);
  const batch = first.read(100);
  assert.throws(() => first.read(100), /assertion/);
  batch.giveBack();
  const again = first.read(100);
  assert.deepEqual(
    again.frames.map((frame) => frame.payload.toString()),
    batch.frames.map((frame) => frame.payload.toString()),
  );
  again.acknowledge();
  const next = first.read(100);
  assert.ok(next.frames.length > 0);
  next.giveBack();
  await first.close();
  const second = open(t, { folder, segmentBytesMax: 400 });
  assert.equal(second.stats.acknowledged, 0);
  assert.ok(second.stats.waitingBytes > 0);
  assert.deepEqual(drain(second), written.slice(again.frames.length));
  await second.close();
});

test('a lost or damaged cursor means reading again, never skipping', async (t) => {
  for (const content of [
    '',
    '{',
    '{"segment":"x"}',
    '{"segment":99,"offset":5}',
    '{"segment":1,"offset":1e9}',
    '[]',
  ]) {
    const folder = temporaryFolder(t);
    const first = new Spool({ folder });
    const written = await fill(first, 0, 10);
    await first.close();
    writeFileSync(join(folder, 'cursor.json'), content);
    const second = new Spool({ folder });
    const later = await fill(second, 10, 12);
    const expected = content.includes('1e9') ? later : [...written, ...later];
    assert.deepEqual(drain(second), expected, content);
    await second.close();
  }
});

test('a segment of another version is left alone and new ones follow it', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(segmentFile(folder, 7), 'WSARSPL9 of tomorrow');
  const spool = new Spool({ folder });
  const written = await fill(spool, 0, 3);
  assert.ok(readdirSync(folder).includes('00000008.spool'));
  assert.deepEqual(drain(spool), written);
  await spool.close();
});

test('room is bounded in memory, on disk and for a frame; what is refused is counted', async (t) => {
  const small = open(t, { bufferBytesMax: 1000, diskBytesMax: 5000, segmentBytesMax: 900 });
  const hundred = Buffer.alloc(100 - FRAME_HEADER_BYTES);
  let taken = 0;
  for (let index = 0; index < 20; index++) if (small.append(1, hundred)) taken++;
  assert.equal(taken, 10, 'the buffer holds 1000 bytes while nothing is written');
  for (let round = 0; round < 20; round++) {
    await small.flush();
    for (let index = 0; index < 10; index++) if (small.append(1, hundred)) taken++;
  }
  await small.flush();
  assert.ok(small.stats.diskBytes <= 5000);
  assert.equal(taken, 49, '5000 bytes with the marks of 5 segments hold 49 frames');
  assert.equal(small.stats.refused, 220 - taken);
  assert.equal(drain(small).length, taken);
  assert.ok(small.append(1, hundred), 'room again');
  await small.close();

  const large = open(t);
  assert.equal(large.append(1, Buffer.alloc(PAYLOAD_BYTES_MAX + 1)), false);
  assert.equal(large.append(1, Buffer.alloc(PAYLOAD_BYTES_MAX)), true);
  await large.flush();
  assert.equal(drain(large, 100)[0]?.length, PAYLOAD_BYTES_MAX);
  await large.close();
});

test('a full disk stops nothing: frames go out from memory, the file stays whole, writing resumes', async (t) => {
  const folder = temporaryFolder(t);
  const room = { bytes: 300 };
  const spool = new Spool({ folder, openFile: smallDisk(room), bufferBytesMax: 2000 });
  const written: string[] = [];
  for (let index = 0; index < 30; index++) {
    if (spool.append(1, payload(index))) written.push(payload(index).toString());
    await spool.flush();
  }
  assert.equal(spool.failure?.message, 'no space left');
  assert.ok(spool.stats.writeErrors > 0);
  const first = spool.read(10_000);
  first.acknowledge();
  const fromMemory = spool.read(10_000);
  fromMemory.giveBack();
  const again = spool.read(10_000);
  again.acknowledge();
  const texts = [...first.frames, ...again.frames].map((frame) => frame.payload.toString());
  assert.deepEqual(texts, written, 'from the file and from memory, nothing twice');
  room.bytes = 1_000_000;
  const later = await fill(spool, 100, 110);
  assert.equal(spool.failure, undefined);
  assert.deepEqual(drain(spool), later);
  await spool.close();
});

test('the same on a real file system that is full', (t) => {
  const folder = temporaryFolder(t);
  // Fills a file system of 64 KiB with a filler and frames, makes room, and goes on.
  const script = `
    import { rmSync, writeFileSync } from 'node:fs';
    import { Spool } from '#core/spool/spool.ts';
    const folder = ${JSON.stringify(folder)};
    writeFileSync(folder + '/filler', Buffer.alloc(32 * 1024));
    const spool = new Spool({ folder });
    const count = (bytes) => {
      let frames = 0;
      for (let batch; (batch = spool.read(bytes)).frames.length > 0; batch.acknowledge()) {
        frames += batch.frames.length;
      }
      return frames;
    };
    for (let index = 0; index < 100; index++) {
      spool.append(1, Buffer.alloc(1000, index));
      await spool.flush();
    }
    const whileFull = { code: spool.failure?.code, frames: count(5000) };
    rmSync(folder + '/filler');
    for (let index = 0; index < 10; index++) spool.append(1, Buffer.alloc(1000));
    await spool.flush();
    const after = { failure: spool.failure ?? null, frames: count(5000) };
    await spool.close();
    process.stdout.write(JSON.stringify({ whileFull, after, refused: spool.stats.refused }));`;
  const told = runOnSmallFileSystem(t, folder, script);
  if (told === undefined) return;
  assert.deepEqual(told, {
    whileFull: { code: 'ENOSPC', frames: 100 },
    after: { failure: null, frames: 10 },
    refused: 0,
  });
});

test('frames that a full disk kept from the file are lost with the process, whole ones are not', async (t) => {
  const folder = temporaryFolder(t);
  const spool = new Spool({ folder, openFile: smallDisk({ bytes: 300 }) });
  for (let index = 0; index < 30; index++) spool.append(1, payload(index));
  await spool.flush();
  await spool.flush();
  // The process dies here: another folder sees the file as it is.
  const after = temporaryFolder(t);
  copyFileSync(segmentFile(folder, 1), segmentFile(after, 1));
  const survivor = open(t, { folder: after });
  const texts = drain(survivor);
  assert.ok(texts.length > 0 && texts.length < 30);
  await survivor.close();
  assert.deepEqual(
    texts,
    texts.map((_, index) => payload(index).toString()),
  );
  await spool.close();
});

test('one process at a time, and a dead one holds nothing', async (t) => {
  const folder = temporaryFolder(t);
  const first = new Spool({ folder });
  assert.throws(() => new Spool({ folder }), {
    code: 'WSAR_ERR_SYSTEM',
    message: new RegExp(`already open in process ${process.pid}`),
  });
  await first.close();
  writeFileSync(join(folder, 'lock.json'), JSON.stringify({ pid: process.pid, startTicks: 1 }));
  const second = new Spool({ folder });
  await second.close();
  writeFileSync(join(folder, 'lock.json'), '');
  await new Spool({ folder }).close();
});

test('SIGKILL loses nothing that was flushed', async (t) => {
  const folder = temporaryFolder(t);
  const script = `
    import { Spool } from '#core/spool/spool.ts';
    const spool = new Spool({ folder: ${JSON.stringify(folder)}, segmentBytesMax: 1000 });
    for (let index = 0; ; index++) {
      spool.append(1, Buffer.from('row ' + index));
      await spool.flush();
      process.stdout.write(index + '\\n');
    }`;
  const last = await killedAfter(t, 300, script);
  const spool = new Spool({ folder });
  const texts = drain(spool);
  assert.ok(texts.length > last, `${texts.length} of ${last + 1}`);
  assert.deepEqual(
    texts,
    texts.map((_, index) => `row ${index}`),
  );
  await spool.close();
});

test('a frame is found whole or not at all', () => {
  const frame = encodeFrame(7, Buffer.from('hello'));
  assert.deepEqual([...frame.subarray(0, 4)], [5, 0, 0, 0]);
  assert.equal(frame[8], 7);
  const { frames, bytes, end } = decodeFrames(Buffer.concat([frame, frame]));
  assert.deepEqual([frames.length, bytes, end], [2, 28, 'empty']);
  for (let length = 1; length < frame.length; length++) {
    assert.deepEqual(decodeFrames(frame.subarray(0, length)), { frames: [], bytes: 0, end: 'cut' });
  }
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const damaged = Buffer.from(frame);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(decodeFrames(damaged).frames.length, 0, `bit ${bit}`);
  }
});
