import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteCopier } from '#core/byte-copier.ts';

/** 512 bytes, none of which is like its neighbours. */
function patternOf(seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: 512 }, (_, index) => (index * 37 + seed) & 0xff));
}

test('every length, from and to every place of a word, is copied and nothing beside it', () => {
  const copier = new ByteCopier();
  const source = patternOf(1).subarray(3);
  for (let length = 0; length <= 280; length++) {
    for (let shift = 0; shift < 8; shift++) {
      const target = new Uint8Array(400).fill(0xee);
      const end = copier.copy(target, shift, source, 7 - shift, 7 - shift + length);
      assert.equal(end, shift + length);
      const expected = new Uint8Array(400).fill(0xee);
      expected.set(source.subarray(7 - shift, 7 - shift + length), shift);
      assert.deepEqual(target, expected, `${length} bytes to ${shift}`);
    }
  }
});

test('arrays in turn, also ones with shared memory and ones within another, are not mixed up', () => {
  const copier = new ByteCopier();
  const shared = new Uint8Array(new SharedArrayBuffer(512));
  shared.set(patternOf(2));
  const sources = [patternOf(3), shared, patternOf(4).subarray(100), patternOf(5)];
  const targets = [new Uint8Array(200), Buffer.alloc(300).subarray(50), new Uint8Array(128)];
  for (let round = 0; round < 60; round++) {
    const source = sources[(round * 7) % sources.length]!;
    const target = targets[(round * 5) % targets.length]!;
    copier.copy(target, 1, source, round, round + 100);
    assert.deepEqual([...target.subarray(1, 101)], [...source.subarray(round, round + 100)]);
  }
});

test('a copy that does not fit throws', () => {
  const copier = new ByteCopier();
  assert.throws(() => copier.copy(new Uint8Array(40), 0, patternOf(1), 0, 64), RangeError);
});

test('arrays that V8 keeps on its heap stay there: no memory of their own is made for 64 bytes', () => {
  const copier = new ByteCopier();
  const target = new Uint8Array(100);
  const kept = Array.from({ length: 10_000 }, (_, i) => new Uint8Array(64).fill(i));
  const before = process.memoryUsage().arrayBuffers;
  for (const source of kept) copier.copy(target, 0, source, 0, 64);
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 64_000, `${grown} bytes for ${kept.length} arrays`);
  assert.equal(target[0], kept.at(-1)![0]);
});
