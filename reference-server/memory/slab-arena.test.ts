import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlabArena } from '#reference-server/memory/slab-arena.ts';

const KIB = 1024;

test('random allocations keep their bytes, never overlap and leave zeros behind', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('alloc' as const), length: fc.integer({ min: 0, max: 300 }) }),
    fc.record({ kind: fc.constant('alloc' as const), length: fc.integer({ min: 0, max: 65_536 }) }),
    fc.record({ kind: fc.constant('free' as const), length: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const arena = new SlabArena(512 * KIB);
      const live: { handle: number; length: number; mark: number }[] = [];
      let mark = 0;
      for (const { kind, length } of steps) {
        if (kind === 'alloc') {
          const handle = arena.alloc(length);
          if (handle < 0) continue;
          mark = (mark % 255) + 1;
          arena.bytes.fill(mark, arena.offset(handle), arena.offset(handle) + length);
          assert.ok(arena.capacity(handle) >= length);
          live.push({ handle, length, mark });
        } else if (live.length > 0) {
          const [gone] = live.splice(length % live.length, 1);
          arena.free(gone!.handle, gone!.length);
        }
        for (const { handle, length: kept, mark: expected } of live) {
          const at = arena.offset(handle);
          assert.ok(kept === 0 || arena.bytes[at] === expected);
          assert.ok(kept === 0 || arena.bytes[at + kept - 1] === expected);
        }
      }
      for (const { handle, length } of live) arena.free(handle, length);
      assert.equal(arena.usedBytes, 0);
    }),
    { numRuns: 200 },
  );
});

test('a flood of small blocks leaves room for large ones once it is gone', () => {
  const arena = new SlabArena(256 * KIB);
  const small: number[] = [];
  for (let handle = arena.alloc(16); handle >= 0; handle = arena.alloc(16)) small.push(handle);
  assert.equal(small.length, (256 * KIB) / 16);
  assert.equal(arena.alloc(60_000), -1);
  assert.equal(arena.refused, 2);
  for (const handle of small) arena.free(handle, 16);
  for (let i = 0; i < 4; i++) assert.ok(arena.alloc(65_536) >= 0);
  assert.equal(arena.alloc(1), -1);
});

test('freed text is nowhere in the arena', () => {
  const arena = new SlabArena(256 * KIB);
  const secret = Buffer.from('the tide is out and nobody knows');
  const handles = Array.from({ length: 500 }, () => {
    const handle = arena.alloc(secret.length);
    arena.bytes.set(secret, arena.offset(handle));
    return handle;
  });
  assert.ok(Buffer.from(arena.bytes.buffer).includes('the tide'));
  for (const handle of handles) arena.free(handle, secret.length);
  assert.ok(!Buffer.from(arena.bytes.buffer).includes('tide'));
});

test('freeing into an unused chunk is a programmer error', () => {
  const arena = new SlabArena(64 * KIB);
  const handle = arena.alloc(10);
  arena.free(handle, 10);
  assert.throws(() => arena.free(handle, 10), /freed once/);
});

test('blocks beyond 4 GiB have words of their own', () => {
  const chunkBytes = 64 * KIB;
  const chunks = 2 ** 16 + 1;
  // Pages that are not touched are not there.
  const arena = new SlabArena(chunks * chunkBytes);
  const first = arena.alloc(chunkBytes / 2);
  const second = arena.alloc(chunkBytes / 2);
  for (let chunk = 1; chunk < chunks - 1; chunk++) assert.ok(arena.alloc(chunkBytes) >= 0);
  const high = arena.alloc(chunkBytes / 2);
  const higher = arena.alloc(chunkBytes / 2);
  assert.equal(arena.offset(high), 2 ** 32, 'the handle says where the block is');
  for (const handle of [first, second, high, higher]) {
    arena.bytes.fill(0xaa, arena.offset(handle), arena.offset(handle) + 64);
  }
  arena.free(high, 64);
  assert.equal(arena.alloc(chunkBytes / 2), high, 'the free block is found again');
  arena.free(higher, 64);
  assert.ok(arena.bytes.subarray(2 ** 32 + 4, 2 ** 32 + 64).every((byte) => byte === 0));
  for (const handle of [first, second]) {
    const at = arena.offset(handle);
    assert.ok(arena.bytes.subarray(at, at + 64).every((byte) => byte === 0xaa));
  }
});
