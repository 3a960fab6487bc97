import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  allocateCopyRing,
  COPY,
  CopyRingReader,
  CopyRingWriter,
  type CopyVisitor,
} from '#tee-proxy/copy-ring.ts';

/** Collects what comes out as text, one word a record. */
class Collector implements CopyVisitor {
  readonly words: string[] = [];
  readonly bytes = new Map<number, number[]>();

  onCopyData(flow: number, bytes: Uint8Array, start: number, end: number): void {
    const all = this.bytes.get(flow) ?? [];
    all.push(...bytes.subarray(start, end));
    this.bytes.set(flow, all);
  }

  onCopyControl(kind: number, flow: number, value: number): void {
    this.words.push(`${kind}/${flow}/${value}`);
  }
}

test('what goes in comes out, in order and whole, over many laps', () => {
  const memory = allocateCopyRing(4096);
  const writer = new CopyRingWriter(memory);
  const reader = new CopyRingReader(memory);
  const source = Uint8Array.from({ length: 1000 }, (_, index) => (index * 7) & 255);
  for (let lap = 0; lap < 1000; lap++) {
    const out = new Collector();
    const length = 1 + ((lap * 37) % 999);
    assert.ok(writer.open(lap, lap + 1));
    assert.ok(writer.data(lap, source, 0, length));
    writer.end(lap);
    writer.finish(lap, COPY.done, 0, true);
    reader.drain(out, 1e9);
    assert.deepEqual(out.bytes.get(lap), [...source.subarray(0, length)]);
    assert.deepEqual(out.words, [`1/${lap}/${lap + 1}`, `3/${lap}/0`, `4/${lap}/0`]);
    assert.equal(reader.usedBytes, 0);
  }
});

test('a full ring refuses data and new copies, and always takes the end of the open ones', () => {
  const step = fc.record({
    op: fc.constantFrom('open', 'data', 'end', 'finish', 'read'),
    pick: fc.nat(1000),
    length: fc.integer({ min: 1, max: 900 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const memory = allocateCopyRing(4096);
      const writer = new CopyRingWriter(memory);
      const reader = new CopyRingReader(memory);
      const out = new Collector();
      const expected = new Map<number, number[]>();
      const open = new Map<number, { ended: boolean }>();
      const words: string[] = [];
      const source = new Uint8Array(1000);
      let flows = 0;
      for (const { op, pick, length } of steps) {
        const flow = [...open.keys()][pick % Math.max(1, open.size)];
        if (op === 'open' && writer.open(flows, 5)) {
          words.push(`1/${flows}/5`);
          open.set(flows++, { ended: false });
        } else if (op === 'read') reader.drain(out, length);
        else if (flow === undefined) continue;
        else if (op === 'data' && !open.get(flow)!.ended) {
          source.fill(pick & 255);
          if (writer.data(flow, source, 10, 10 + length)) {
            const all = expected.get(flow) ?? [];
            expected.set(flow, [...all, ...source.subarray(10, 10 + length)]);
          } else {
            writer.finish(flow, COPY.cut, 3, false);
            words.push(`6/${flow}/3`);
            open.delete(flow);
          }
        } else if (op === 'end' && !open.get(flow)!.ended) {
          writer.end(flow);
          words.push(`3/${flow}/0`);
          open.get(flow)!.ended = true;
        } else if (op === 'finish') {
          writer.finish(flow, COPY.reset, 0, open.get(flow)!.ended);
          words.push(`5/${flow}/0`);
          open.delete(flow);
        }
        assert.ok(writer.usedBytes <= 4096, `${writer.usedBytes} bytes in the ring`);
      }
      reader.drain(out, 1e9);
      assert.deepEqual(out.words, words);
      assert.deepEqual(out.bytes, expected);
    }),
  );
});

test('positions wrap at 2^32', () => {
  const memory = allocateCopyRing(4096);
  // Both positions 16 bytes before the wrap.
  const words = new Int32Array(memory, 0, 32);
  words[0] = words[16] = -16;
  const writer = new CopyRingWriter(memory);
  const reader = new CopyRingReader(memory);
  const out = new Collector();
  assert.ok(writer.open(1, 1));
  assert.ok(writer.data(1, new Uint8Array(100).fill(9), 0, 100));
  assert.equal(writer.usedBytes, 8 + 8 + 104);
  reader.drain(out, 1e9);
  assert.deepEqual(out.bytes.get(1), Array(100).fill(9));
  assert.equal(reader.usedBytes, 0);
});

test('a cleared ring is empty and serves on', () => {
  const memory = allocateCopyRing(4096);
  const writer = new CopyRingWriter(memory);
  for (let flow = 0; writer.open(flow, 1); flow++);
  writer.clear();
  assert.equal(writer.usedBytes, 0);
  const out = new Collector();
  assert.ok(writer.open(7, 2));
  new CopyRingReader(memory).drain(out, 1e9);
  assert.deepEqual(out.words, ['1/7/2']);
});
