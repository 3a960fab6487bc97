import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COPY, CopyRingReader } from '#tee-proxy/copy-ring.ts';
import { CopySource } from '#tee-proxy/copy-source.ts';
import { SHED } from '#tee-proxy/shed-reason.ts';
import { allocateTeeMemory, PRODUCTION, type TeeMemory } from '#tee-proxy/tee-memory.ts';

const RING_BYTES = 4096;
const BYTES = new Uint8Array(RING_BYTES);

function setUp(share = 1): { memory: TeeMemory; source: CopySource; read: () => string[] } {
  const memory = allocateTeeMemory({ workers: 1, shadows: 1, flowsMax: 64, ringBytes: RING_BYTES });
  memory.share[0] = share;
  const source = new CopySource(0, memory, 64, 1);
  source.obey();
  const reader = new CopyRingReader(memory.rings[0]!);
  const read = (): string[] => {
    const words: string[] = [];
    const onCopyControl = (kind: number, flow: number, value: number): void => {
      words.push(`${kind}/${flow}/${value}`);
    };
    const onCopyData = (flow: number, _: Uint8Array, start: number, end: number): void => {
      words.push(`data/${flow}/${end - start}`);
    };
    reader.drain({ onCopyControl, onCopyData }, 1e9);
    return words;
  };
  return { memory, source, read };
}

test('a bulk copy that fills the ring costs no other copy', () => {
  const { memory, source, read } = setUp();
  source.begin(0, 0);
  source.begin(1, 1);
  for (let chunk = 0; chunk < 8; chunk++) source.bytes(0, BYTES, 0, 400);
  for (let chunk = 0; chunk < 8; chunk++) source.bytes(1, BYTES, 0, 100);
  const words = read();
  assert.ok(words.includes(`${COPY.cut}/0/${SHED.overrun}`), 'the bulk one is given up');
  assert.equal(words.filter((word) => word === 'data/1/100').length, 8, 'the other has all');
  const { offeredBytes, skippedBytes } = PRODUCTION;
  const counters = memory.production[0]!;
  const inRing = words.filter((word) => word.startsWith('data/0/')).length * 400;
  assert.equal(counters[offeredBytes], 8 * 500);
  assert.equal(counters[skippedBytes], 8 * 400 - inRing);
});

test('any amount passes when the ring is emptied in time', () => {
  const { source, read } = setUp();
  source.begin(0, 0);
  for (let chunk = 0; chunk < 100; chunk++) {
    source.bytes(0, BYTES, 0, 1000);
    const parts = read().map((word) => Number(/^data\/0\/(\d+)$/.exec(word)?.[1] ?? 0));
    assert.equal(
      parts.reduce((sum, bytes) => sum + bytes, 0),
      1000,
      `chunk ${chunk}`,
    );
    source.obey();
  }
});

test('a connection outside the share costs nothing and is not counted', () => {
  const { memory, source, read } = setUp(0);
  source.begin(0, 0);
  source.bytes(0, BYTES, 0, 1000);
  source.end(0);
  source.finish(0, COPY.done);
  assert.deepEqual(read(), []);
  assert.equal(memory.production[0]![PRODUCTION.offeredBytes], 0);
});

test('a released copy is skipped, but still ended for the reader', () => {
  const { memory, source, read } = setUp();
  source.begin(5, 0);
  const [open] = read();
  const generation = Number(open!.split('/')[2]);
  Atomics.store(memory.released[0]!, 5, generation);
  source.bytes(5, BYTES, 0, 1000);
  source.end(5);
  source.finish(5, COPY.done);
  assert.deepEqual(read(), [`${COPY.end}/5/0`, `${COPY.done}/5/0`]);
  assert.equal(memory.production[0]![PRODUCTION.skippedBytes], 1000);
  // The next connection in the same place is another generation.
  source.begin(5, 1);
  source.bytes(5, BYTES, 0, 10);
  assert.ok(read().includes('data/5/10'));
});
