// What restoring costs: how often the file is opened and read, and what stays in memory of what was read.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CONFORMANCE } from '#reference-server/access/access-rules.ts';
import { HomeCapture } from '#reference-server/snapshot/home-capture.ts';
import { HomeRestore } from '#reference-server/snapshot/home-restore.ts';
import { checkSnapshotFile } from '#reference-server/snapshot/snapshot-desk.ts';
import { SnapshotWriter } from '#reference-server/snapshot/snapshot-file.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';
import { temporaryFolder } from '#test/command.ts';

const PAYLOAD_BYTES = 300;

/** The file of a server whose user 'ann' has been told nothing yet of so many messages. */
async function written(t: TestContext, messages: number): Promise<string> {
  const all = simulateCluster(1, SMALL_LIMITS, undefined, CONFORMANCE);
  const ann = new PacketClient(all, 0, 5);
  ann.connect('ann', { clean: false, properties: { sessionExpiryInterval: 100 } });
  ann.subscribe('t/+', 1);
  ann.subscribe('m/ann', 1);
  ann.hangUp();
  const bob = new PacketClient(all, 1, 5);
  bob.connect('bob', { clean: false, properties: { sessionExpiryInterval: 100 } });
  for (let i = 1; i <= messages; i++) {
    bob.publish('t/1', 'x'.repeat(PAYLOAD_BYTES), 1, { messageId: i });
    bob.publish('m/ann', 'y'.repeat(PAYLOAD_BYTES), 1, { messageId: 100 + i });
  }
  bob.publish('t/r', 'z'.repeat(PAYLOAD_BYTES), 1, { messageId: 99, retain: true });
  const file = join(temporaryFolder(t), 'snapshot');
  await write(all, file);
  return file;
}

async function write(all: SimulatedCluster, file: string): Promise<void> {
  const writer = await SnapshotWriter.create(file, all.clock.wallMs());
  for (const [self, { home }] of all.workers.entries()) {
    const capture = new HomeCapture(home, all.clock, self, self === 0);
    for (let chunk = capture.slice(); chunk !== undefined; chunk = capture.slice()) {
      await writer.add(chunk.frames, chunk.count);
    }
  }
  await writer.finish();
}

/** Counts what is read of files while `what` runs. */
function counted(t: TestContext, what: () => void): { opened: number; readBytes: number } {
  const { openSync, readSync } = fs;
  const counts = { opened: 0, readBytes: 0 };
  t.mock.method(fs, 'openSync', (...args: Parameters<typeof openSync>) => {
    counts.opened++;
    return openSync(...args);
  });
  t.mock.method(fs, 'readSync', (...args: Parameters<typeof readSync>) => {
    const read = readSync(...args);
    counts.readBytes += read;
    return read;
  });
  syncBuiltinESMExports();
  try {
    what();
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  }
  return counts;
}

test('a worker reads the file once, and the main thread only what it says of itself', async (t) => {
  const file = await written(t, 3);
  const { size } = fs.statSync(file);
  const next = simulateCluster(1, SMALL_LIMITS);
  const { home } = next.workers[0]!;
  const once = counted(t, () => new HomeRestore(home, next.clock, 0, 1).restore(file));
  assert.deepEqual(once, { opened: 1, readBytes: size });
  const { readBytes } = counted(t, () => checkSnapshotFile(file));
  assert.ok(readBytes <= 64, `${readBytes} of ${size} bytes`);
});

test('what is restored keeps no memory but its own', async (t) => {
  const file = await written(t, 3);
  const next = simulateCluster(1, SMALL_LIMITS);
  const { home } = next.workers[0]!;
  new HomeRestore(home, next.clock, 0, 1).restore(file);
  const ann = home.broker.session(home.users.find(Buffer.from('ann'), 0, 3, hashOf(home, 'ann')));
  const queued = [...ann!.queue, ...ann!.inflight.values()].map(({ message }) => message);
  const kept = [...queued, ...home.broker.retained.messages()];
  assert.deepEqual([queued.length, kept.length], [4, 5]);
  for (const { payload, topic, properties } of kept) {
    assert.equal(payload.length, PAYLOAD_BYTES);
    for (const bytes of [payload, topic, properties]) {
      assert.equal(bytes.buffer.byteLength, bytes.length);
    }
  }
});

function hashOf(home: SimulatedCluster['workers'][0]['home'], uid: string): number {
  return home.users.hashOf(Buffer.from(uid), 0, uid.length);
}
