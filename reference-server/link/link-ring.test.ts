import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import {
  createLinkMemory,
  FRAME_ARGS,
  FRAME_BYTES,
  FRAME_TYPE,
  LinkIn,
  LinkOut,
  payloadAt,
} from '#reference-server/link/link-ring.ts';

function write(link: LinkOut, type: number, serial: number, length: number): void {
  const frame = link.begin(type, length);
  link.words[frame + FRAME_ARGS] = serial;
  link.words[frame + FRAME_ARGS + 6] = ~serial;
  link.bytes.fill(serial & 0xff, payloadAt(frame), payloadAt(frame) + length);
}

test('random writing, flushing and draining keeps every frame, in order and whole', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.nat(200).map((length) => ({ kind: 'write' as const, length })) },
    { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const, length: 0 }) },
    { weight: 1, arbitrary: fc.nat(9).map((length) => ({ kind: 'drain' as const, length })) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.nat(), (steps, start) => {
      const memory = createLinkMemory(256);
      // Head and tail start anywhere, also just before they turn negative.
      new Int32Array(memory).fill((0x7fff_ff00 + (start % 512)) | 0, 0, 17);
      const out = new LinkOut(memory);
      const input = new LinkIn(memory);
      const written: number[] = [];
      let next = 0;
      const read = (words: Int32Array, bytes: Uint8Array, frame: number): void => {
        const serial = words[frame + FRAME_ARGS]!;
        assert.equal(serial, next++);
        assert.equal(words[frame + FRAME_ARGS + 6], ~serial);
        assert.equal(words[frame + FRAME_TYPE], 1 + (serial % 5));
        assert.equal(words[frame + FRAME_BYTES], written[serial]);
        const payload = bytes.subarray(payloadAt(frame), payloadAt(frame) + written[serial]!);
        assert.ok(payload.every((byte) => byte === (serial & 0xff)));
      };
      for (const { kind, length } of steps) {
        if (kind === 'write') {
          write(out, 1 + (written.length % 5), written.length, length);
          written.push(length);
        } else if (kind === 'flush') out.flush();
        else {
          const before = next;
          assert.equal(input.drain(read, length), next - before);
          assert.ok(next - before <= length, 'no more than asked for');
        }
      }
      while (next < written.length) {
        out.flush();
        input.drain(read);
      }
      assert.equal(out.backlogBytes, 0);
      assert.equal(out.flush(), false);
    }),
    { numRuns: 300 },
  );
});

test('a ring that nobody reads keeps the rest in the outbox', () => {
  const memory = createLinkMemory(1024);
  const out = new LinkOut(memory);
  for (let serial = 0; serial < 1000; serial++) write(out, 1, serial, 100);
  assert.equal(out.flush(), true);
  assert.equal(out.flush(), false);
  assert.ok(out.backlogBytes > 100_000);
  const input = new LinkIn(memory);
  let count = 0;
  while (count < 1000) {
    count += input.drain(() => {});
    out.flush();
  }
  assert.equal(out.backlogBytes, 0);
});

test('two threads: 200,000 frames arrive in order', async () => {
  const memory = createLinkMemory(4096);
  const worker = new Worker(new URL('./link-ring-producer.test-thread.ts', import.meta.url), {
    workerData: { memory, count: 200_000 },
  });
  const exited = once(worker, 'exit');
  const input = new LinkIn(memory);
  let next = 0;
  while (next < 200_000) {
    const count = input.drain((words, bytes, frame) => {
      assert.equal(words[frame + FRAME_ARGS], next);
      assert.equal(bytes[payloadAt(frame)], next & 0xff);
      next++;
    });
    if (count === 0) await new Promise(setImmediate);
  }
  assert.equal(next, 200_000);
  const [code] = (await exited) as [number];
  assert.equal(code, 0);
});
