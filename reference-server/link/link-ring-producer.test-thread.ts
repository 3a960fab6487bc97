// The producing thread of link-ring.test.ts.

import { workerData } from 'node:worker_threads';
import { FRAME_ARGS, LinkOut, payloadAt } from '#reference-server/link/link-ring.ts';

const { memory, count } = workerData as { memory: SharedArrayBuffer; count: number };
const link = new LinkOut(memory);
const idle = new Int32Array(new SharedArrayBuffer(4));
for (let serial = 0; serial < count; serial++) {
  const length = 1 + (serial % 37);
  const frame = link.begin(1, length);
  link.words[frame + FRAME_ARGS] = serial;
  link.bytes.fill(serial & 0xff, payloadAt(frame), payloadAt(frame) + length);
  while (link.backlogBytes > 2048 && !link.flush()) Atomics.wait(idle, 0, 0, 0.05);
}
while (link.backlogBytes > 0) if (!link.flush()) Atomics.wait(idle, 0, 0, 0.05);
