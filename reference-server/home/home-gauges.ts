// What a home tells of itself at the end of a turn: lengths and sizes, in the memory that other threads read.

import type { Home } from '#reference-server/home/home.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';

/** `gatherDropped`: receipts that found no room where they gather. Allocates nothing. */
export function writeGauges(home: Home, stats: WorkerStats, gatherDropped: number): void {
  const { broker, mailboxes, groups } = home;
  stats[STAT.queued] = mailboxes.messages;
  stats[STAT.queuedBytes] = mailboxes.arena.usedBytes;
  stats[STAT.boxesTouched] = mailboxes.boxes.touched;
  stats[STAT.parked] = mailboxes.parked;
  stats[STAT.receiptsDropped] = mailboxes.receiptsDropped + gatherDropped;
  stats[STAT.groupReceiptsLost] = groups.ledger.evicted;
  stats[STAT.memoryBytes] = mailboxes.memoryBytes + broker.queues.bytes;
  stats[STAT.memberships] = groups.table.count;
  // Of mailboxes that needed the room.
  stats[STAT.dequeued]! += mailboxes.takeMadeRoom();
  stats[STAT.brokerSessions] = broker.sessionCount;
  stats[STAT.subscriptions] = broker.subscriptions.count;
  stats[STAT.retained] = broker.retained.count;
  stats[STAT.brokerQueuedBytes] = broker.queues.bytes;
  stats[STAT.retainedRefused] = broker.retained.refused;
}
