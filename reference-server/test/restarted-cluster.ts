// A simulated server as the records of a snapshot, and a new one that is given them.

import assert from 'node:assert/strict';
import { decodeFrames } from '#core/spool/frame.ts';
import type { AccessRules } from '#reference-server/access/access-rules.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import { HomeCapture } from '#reference-server/snapshot/home-capture.ts';
import { HomeRestore } from '#reference-server/snapshot/home-restore.ts';
import { decodeRecord, type SnapshotRecord } from '#reference-server/snapshot/snapshot-record.ts';
import {
  type SimulatedCluster,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

export function captured(all: SimulatedCluster): SnapshotRecord[] {
  return all.workers.flatMap(({ home }, self) => {
    const capture = new HomeCapture(home, all.clock, self, self === 0);
    const records: SnapshotRecord[] = [];
    for (let chunk = capture.slice(); chunk !== undefined; chunk = capture.slice()) {
      const { frames } = decodeFrames(Buffer.from(chunk.frames));
      records.push(...frames.map(({ type, payload }) => decodeRecord(type, payload)));
    }
    return records;
  });
}

/** A new server at the time of `all` that was given `records`. All of it finds room. */
export function restarted(
  all: SimulatedCluster,
  records: readonly SnapshotRecord[],
  workers: number,
  limits: ServerLimits,
  access?: AccessRules,
): SimulatedCluster {
  const next = simulateCluster(workers, limits, undefined, access);
  next.clock.advance(all.clock.monoUs() / 1000);
  next.workers.forEach(({ home }, self) => {
    const restore = new HomeRestore(home, next.clock, self, workers);
    for (const record of records) restore.take(record);
    restore.finish();
    assert.equal(restore.dropped, 0);
  });
  for (let i = 0; i < 4; i++) next.turn();
  return next;
}
