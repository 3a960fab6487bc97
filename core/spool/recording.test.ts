import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeFrame } from '#core/spool/frame.ts';
import { CellState } from '#core/spool/number-column.ts';
import type { NumberRow, SpoolRecord } from '#core/spool/record.ts';
import { Recording, type RecordingOptions } from '#core/spool/recording.ts';
import { RECORDING_MARK, readFileFrames } from '#core/spool/recording-files.ts';
import { noCounts, readRecording } from '#core/spool/recording-reader.ts';
import { killedAfter } from '#core/spool/test/killed-writer.ts';
import { runOnSmallFileSystem, smallDisk } from '#core/spool/test/small-disk.ts';
import { temporaryFolder } from '#test/command.ts';

const HOUR_MS = 3_600_000;

function rowOf(values: (number | null | undefined)[]): NumberRow {
  return {
    values: Float64Array.from(values, (value) => value ?? 0),
    states: Uint8Array.from(values, (value) =>
      value === null ? CellState.null : value === undefined ? CellState.absent : CellState.number,
    ),
  };
}

const numbers = (index: number): SpoolRecord => ({
  kind: 'numbers',
  stream: 0,
  row: rowOf([index, 1e12 + index * 4096, index % 3 === 0 ? null : index / 8, Math.sqrt(index), 7]),
});

/** A record as plain text, to compare. */
function plain(record: SpoolRecord): string {
  if (record.kind !== 'numbers') return JSON.stringify(record);
  const { values, states } = record.row;
  const cells = [...states].map((state, column) =>
    state === CellState.number ? bits(values[column]!) : state === CellState.null ? 'null' : '-',
  );
  while (cells.at(-1) === '-') cells.pop();
  return `${record.stream}: ${cells.join(' ')}`;
}

function bits(value: number): string {
  return Buffer.from(Float64Array.of(value).buffer).toString('hex');
}

function read(path: string): { texts: string[]; counts: ReturnType<typeof noCounts> } {
  const counts = noCounts();
  const texts: string[] = [];
  for (const { record } of readRecording(path, counts)) texts.push(plain(record));
  return { texts, counts };
}

/** Records `count` rows and leaves the folder as a kill would: nothing closed. */
async function recorded(
  folder: string,
  count: number,
  options: Partial<RecordingOptions> = {},
  wallMs = 0,
): Promise<{ recording: Recording; texts: string[] }> {
  const recording = new Recording({ folder, ...options });
  const texts: string[] = [];
  for (let index = 0; index < count; index++) {
    recording.segmentFor(wallMs);
    assert.ok(recording.append(numbers(index)));
    texts.push(plain(numbers(index)));
  }
  await recording.flush();
  return { recording, texts };
}

const files = (folder: string, ending: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, name));

test('every double comes back bit for bit, from tails and from blocks: random rows', async (t) => {
  const seed = Number(process.env['SEED'] ?? 20_261_123);
  t.diagnostic(`SEED=${seed}`);
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const special = [
    0,
    -0,
    NaN,
    Infinity,
    -Infinity,
    5e-324,
    1.797e308,
    2 ** 53,
    -(2 ** 53) - 2,
    0.1,
  ];
  const draw = (before: number | null | undefined): number | null | undefined => {
    const kind = Math.floor(random() * 12);
    if (kind < 4) return before;
    if (kind === 4) return null;
    if (kind === 5) return undefined;
    if (kind === 6) return special[Math.floor(random() * special.length)];
    if (kind === 7) return Math.round(random() * 1e9) / 1e6;
    if (kind === 8) return Math.round((random() - 0.5) * 1e7) / 1e3;
    if (kind === 9) return (random() - 0.5) * 10 ** (random() * 600 - 300);
    return (before ?? 0) + Math.floor(random() * 2000) - 500;
  };
  for (const blockRows of [7, 1000]) {
    const folder = temporaryFolder(t);
    const recording = new Recording({ folder, blockRows });
    const written: string[] = [];
    const rows: (number | null | undefined)[][] = [[], [], []];
    for (let index = 0; index < 400; index++) {
      recording.segmentFor(0);
      const stream = Math.floor(random() * 3);
      const columns = 20 + Math.floor(index / 40);
      rows[stream] = Array.from({ length: columns }, (_, column) => draw(rows[stream]![column]));
      const record: SpoolRecord =
        random() < 0.05
          ? { kind: 'text', json: JSON.stringify({ index, text: 'x'.repeat(index) }) }
          : { kind: 'numbers', stream, row: rowOf(rows[stream]!) };
      written.push(plain(record));
      assert.ok(recording.append(record));
    }
    await recording.flush();
    const firstWrong = (): number => {
      const { texts } = read(folder);
      if (texts.length !== written.length) return Math.min(texts.length, written.length);
      return texts.findIndex((text, index) => text !== written[index]);
    };
    assert.equal(firstWrong(), -1, `open, blocks of ${blockRows}`);
    await recording.close();
    assert.deepEqual(files(folder, '.tail'), []);
    assert.equal(firstWrong(), -1, `closed, blocks of ${blockRows}`);
  }
});

test('a recording of 100 rows cut at every byte: all whole rows before the cut, then appending goes on', async (t) => {
  const folder = temporaryFolder(t);
  const ends: number[] = [];
  const recording = new Recording({ folder, blockRows: 1000 });
  const texts: string[] = [];
  for (let index = 0; index < 100; index++) {
    recording.segmentFor(0);
    recording.append(numbers(index));
    await recording.flush();
    texts.push(plain(numbers(index)));
    ends.push(statSync(files(folder, '.tail')[0]!).size);
  }
  const [tail] = files(folder, '.tail');
  const whole = readFileSync(tail!);
  await recording.close();
  const cut = temporaryFolder(t);
  const name = join(cut, '00000001.0.tail');
  for (let length = 0; length <= whole.length; length++) {
    for (const file of readdirSync(cut)) rmSync(join(cut, file));
    writeFileSync(name, whole.subarray(0, length));
    const rows = ends.filter((end) => end <= length).length;
    assert.deepEqual(read(cut).texts, texts.slice(0, rows), `cut at ${length}`);
    if (length % 13 !== 0) continue;
    const again = new Recording({ folder: cut });
    assert.equal(again.stats.recovered.records, rows);
    again.segmentFor(0);
    again.append(numbers(500));
    await again.close();
    assert.deepEqual(read(cut).texts, [...texts.slice(0, rows), plain(numbers(500))]);
  }
});

test('a segment of blocks cut at every byte: all whole blocks before the cut, then appending goes on', async (t) => {
  const folder = temporaryFolder(t);
  const { recording, texts } = await recorded(folder, 100, { blockRows: 10 });
  await recording.close();
  const [segment] = files(folder, '.rec');
  const whole = readFileSync(segment!);
  const cut = temporaryFolder(t);
  const name = join(cut, '00000001.rec');
  let before = 0;
  for (let length = 0; length <= whole.length; length++) {
    for (const file of readdirSync(cut)) rmSync(join(cut, file));
    writeFileSync(name, whole.subarray(0, length));
    const rows = read(cut).texts;
    assert.deepEqual(rows, texts.slice(0, rows.length));
    assert.ok(rows.length % 10 === 0 && rows.length >= before && rows.length - before <= 10);
    before = rows.length;
    if (length % 5 !== 0) continue;
    const again = new Recording({ folder: cut });
    again.segmentFor(0);
    again.append(numbers(500));
    await again.close();
    assert.deepEqual(read(cut).texts, [...texts.slice(0, rows.length), plain(numbers(500))]);
  }
  assert.equal(before, 100);
});

test('damage at any byte costs a block, is counted, and throws nothing', async (t) => {
  const folder = temporaryFolder(t);
  const { recording, texts } = await recorded(folder, 60, { blockRows: 10 });
  await recording.close();
  const [segment] = files(folder, '.rec');
  const whole = readFileSync(segment!);
  for (let at = 8; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 0x55;
    writeFileSync(segment!, damaged);
    const { texts: left, counts } = read(folder);
    assert.equal(left.length, 50, `byte ${at}`);
    assert.ok(left.every((text) => texts.includes(text)));
    assert.ok(counts.damagedBytes + counts.cutBytes > 0);
  }
  writeFileSync(segment!, 'no recording at all');
  assert.deepEqual(read(folder).texts, []);
  await new Recording({ folder }).close();
  assert.equal(readFileSync(segment!, 'utf8'), 'no recording at all');
});

test('damage at any byte of a tail: the rows before it are read, and appending goes on', async (t) => {
  const folder = temporaryFolder(t);
  const { recording, texts } = await recorded(folder, 20, { blockRows: 1000 });
  const [tail] = files(folder, '.tail');
  const whole = readFileSync(tail!);
  await recording.close();
  const other = temporaryFolder(t);
  const name = join(other, '00000001.0.tail');
  for (let at = 0; at < whole.length; at++) {
    for (const file of readdirSync(other)) rmSync(join(other, file));
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 0x55;
    writeFileSync(name, damaged);
    const { texts: left, counts } = read(other);
    assert.deepEqual(left, texts.slice(0, left.length));
    assert.ok(left.length < 20 && counts.damagedBytes + counts.cutBytes > 0);
    if (at % 9 !== 0) continue;
    const again = new Recording({ folder: other });
    again.segmentFor(0);
    again.append(numbers(500));
    await again.close();
    assert.deepEqual(read(other).texts, [...left, plain(numbers(500))]);
  }
});

test('bytes that lie under a right checksum are damage: random changes of blocks and tails', async (t) => {
  const seed = Number(process.env['SEED'] ?? 20_261_123);
  t.diagnostic(`SEED=${seed}`);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const folder = temporaryFolder(t);
  const { recording } = await recorded(folder, 25, { blockRows: 10 });
  recording.append({ kind: 'schema', stream: 1, json: JSON.stringify({ text: 'x'.repeat(500) }) });
  recording.append({ kind: 'text', json: '{}' });
  await recording.flush();
  const originals = [...files(folder, '.rec'), ...files(folder, '.tail')].map((file) => ({
    name: file.split('/').at(-1)!,
    frames: readFileFrames(file).frames,
  }));
  await recording.close();
  const other = temporaryFolder(t);
  for (let round = 0; round < 1500; round++) {
    const { name, frames } = originals[random(originals.length)]!;
    const chosen = random(frames.length);
    const parts = frames.map(({ type, payload }, index) => {
      const changed = Buffer.from(payload);
      for (let count = 1 + random(3); index === chosen && count > 0; count--) {
        changed[random(changed.length)] = random(256);
      }
      return encodeFrame(index === chosen && random(9) === 0 ? random(32) : type, changed);
    });
    writeFileSync(join(other, name), Buffer.concat([RECORDING_MARK, ...parts]));
    const counts = noCounts();
    for (const { record } of readRecording(join(other, name), counts)) plain(record);
    if (round % 100 === 0) await new Recording({ folder: other }).close();
  }
});

test('a crash between a block and the removal of its tail loses nothing and doubles nothing', async (t) => {
  const folder = temporaryFolder(t);
  const { recording, texts } = await recorded(folder, 9, { blockRows: 10 });
  const [tail] = files(folder, '.tail');
  const kept = readFileSync(tail!);
  recording.append(numbers(9));
  await recording.flush();
  await recording.close();
  assert.equal(existsSync(tail!), false);
  writeFileSync(tail!, kept);
  const all = [...texts, plain(numbers(9))];
  assert.deepEqual(read(folder).texts, all);
  const again = new Recording({ folder });
  await again.close();
  assert.equal(existsSync(tail!), false);
  assert.deepEqual(read(folder).texts, all);
});

test('an hour is a segment; the oldest go for room and for age, and are counted', async (t) => {
  const folder = temporaryFolder(t);
  const recording = new Recording({ folder, diskBytesMax: 4000, blockRows: 10 });
  const seen = new Set<number>();
  for (let index = 0; index < 2000; index++) {
    seen.add(recording.segmentFor(index * 60_000));
    assert.ok(recording.append(numbers(index)));
  }
  await recording.flush();
  assert.ok(seen.size >= 33, '2000 minutes are 34 hours');
  const { removedSegments, removedBytes, diskBytes } = recording.stats;
  const left = files(folder, '.rec').length + removedSegments;
  assert.ok(removedSegments > 10 && removedBytes > 0 && left >= 33);
  assert.ok(diskBytes <= 4000, `${diskBytes} bytes`);
  const onDisk = readdirSync(folder).filter((name) => name !== 'lock.json');
  const bytes = onDisk.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  assert.equal(bytes, diskBytes);
  assert.equal(read(folder).texts.at(-1), plain(numbers(1999)));
  await recording.close();
  const later = new Recording({ folder, ageMsMax: HOUR_MS });
  const newest = Math.max(...files(folder, '.rec').map((file) => statSync(file).mtimeMs));
  later.segmentFor(newest + 2 * HOUR_MS);
  later.append(numbers(1));
  await later.close();
  assert.equal(files(folder, '.rec').length, 1);
  assert.ok(later.stats.removedSegments > 0);
});

test('a clock that goes back by hours begins a segment, one that goes back a little does not', async (t) => {
  const folder = temporaryFolder(t);
  const recording = new Recording({ folder });
  for (const hour of [5, 6, 5, 3]) {
    recording.segmentFor(hour * HOUR_MS);
    recording.append(numbers(hour));
  }
  await recording.close();
  assert.equal(files(folder, '.rec').length, 3);
  assert.deepEqual(
    read(folder).texts,
    [5, 6, 5, 3].map((hour) => plain(numbers(hour))),
  );
});

test('a full disk: rows wait in memory within its bound and are written later', async (t) => {
  const folder = temporaryFolder(t);
  const room = { bytes: 400 };
  const options = { openFile: smallDisk(room), bufferBytesMax: 4000, blockRows: 1000 };
  const recording = new Recording({ folder, ...options });
  const taken: string[] = [];
  for (let index = 0; index < 500; index++) {
    recording.segmentFor(0);
    if (recording.append(numbers(index))) taken.push(plain(numbers(index)));
    await recording.flush();
  }
  assert.equal(recording.failure?.message, 'no space left');
  assert.ok(recording.stats.refused > 0 && taken.length + recording.stats.refused === 500);
  assert.ok(recording.stats.waitingBytes < 4200);
  room.bytes = 1e6;
  await recording.flush();
  assert.equal(recording.failure, undefined);
  assert.deepEqual(read(folder).texts, taken);
  recording.append(numbers(900));
  await recording.close();
  assert.deepEqual(read(folder).texts, [...taken, plain(numbers(900))]);
});

test('a disk that is really full (64 KiB) is survived', (t) => {
  const folder = temporaryFolder(t);
  // Rows of a kilobyte: some before a filler takes the room, twenty while there is none, then room again.
  const script = `
    import { rmSync, writeFileSync } from 'node:fs';
    import { Recording } from '#core/spool/recording.ts';
    import { noCounts, readRecording } from '#core/spool/recording-reader.ts';
    const folder = ${JSON.stringify(folder)};
    const recording = new Recording({ folder, blockRows: 20 });
    const row = (n) => ({ kind: 'numbers', stream: 0,
      row: { values: Float64Array.from({ length: 100 }, (_, i) => Math.sin(n * i)), states: new Uint8Array(100) } });
    const record = async (from, to) => {
      for (let n = from; n < to; n++) {
        recording.segmentFor(0);
        recording.append(row(n));
        await recording.flush();
      }
    };
    const count = () => [...readRecording(folder, noCounts())].length;
    await record(0, 10);
    writeFileSync(folder + '/filler', Buffer.alloc(44 * 1024));
    await record(10, 30);
    const isPart = count() >= 10 && count() < 30;
    const whileFull = { code: recording.failure?.code, isPart, taken: recording.stats.taken };
    rmSync(folder + '/filler');
    await recording.flush();
    const after = { failure: recording.failure ?? null, records: count() };
    await recording.close();
    const { refused } = recording.stats;
    process.stdout.write(JSON.stringify({ whileFull, after, closed: count(), refused }));`;
  const told = runOnSmallFileSystem(t, folder, script);
  if (told === undefined) return;
  assert.deepEqual(told, {
    whileFull: { code: 'ENOSPC', isPart: true, taken: 30 },
    after: { failure: null, records: 30 },
    closed: 30,
    refused: 0,
  });
});

test('SIGKILL loses no row that was flushed', async (t) => {
  const folder = temporaryFolder(t);
  const script = `
    import { Recording } from '#core/spool/recording.ts';
    const recording = new Recording({ folder: ${JSON.stringify(folder)}, blockRows: 7 });
    for (let index = 0; ; index++) {
      recording.segmentFor(index * 60_000);
      recording.append({ kind: 'text', json: JSON.stringify(index) });
      const row = { values: Float64Array.of(index), states: new Uint8Array(1) };
      recording.append({ kind: 'numbers', stream: 0, row });
      await recording.flush();
      process.stdout.write(index + '\\n');
    }`;
  const last = await killedAfter(t, 200, script);
  const { texts } = read(folder);
  assert.ok(texts.length >= 2 * (last + 1), `${texts.length} records of ${last + 1} rounds`);
  const again = new Recording({ folder });
  await again.close();
  assert.deepEqual(read(folder).texts, texts);
});

test('reading beside the writer sees a whole beginning, whatever it is doing', async (t) => {
  const folder = temporaryFolder(t);
  const recording = new Recording({ folder, blockRows: 3 });
  for (let index = 0; index < 300; index++) {
    recording.segmentFor(0);
    recording.append(numbers(index));
    if (index % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    const { texts } = read(folder);
    assert.deepEqual(
      texts,
      Array.from(texts, (_, row) => plain(numbers(row))),
      `at row ${index}`,
    );
  }
  await recording.close();
  assert.equal(read(folder).texts.length, 300);
});

test('a copied segment, a copied tail and a renamed file are read alone', async (t) => {
  const folder = temporaryFolder(t);
  const { recording, texts } = await recorded(folder, 25, { blockRows: 10 });
  const [tail] = files(folder, '.tail');
  const [segment] = files(folder, '.rec');
  assert.deepEqual(read(tail!).texts, texts.slice(20));
  assert.deepEqual(read(segment!).texts, texts, 'with its tail');
  const elsewhere = join(temporaryFolder(t), 'copy');
  cpSync(segment!, elsewhere);
  assert.deepEqual(read(elsewhere).texts, texts.slice(0, 20));
  truncateSync(elsewhere, 4);
  assert.deepEqual(read(elsewhere).texts, []);
  await recording.close();
});

test('one process records in a folder at a time', async (t) => {
  const folder = temporaryFolder(t);
  const first = new Recording({ folder });
  assert.throws(() => new Recording({ folder }), { code: 'WSAR_ERR_SYSTEM' });
  await first.close();
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const nowhere of [file, join(file, 'below'), '/proc/nothing/below']) {
    assert.throws(() => new Recording({ folder: nowhere }), { code: 'WSAR_ERR_SYSTEM' });
  }
});
