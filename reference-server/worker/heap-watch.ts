// The JavaScript heap of one worker and the pauses of its collector, written to the worker's figures. Messages and
// users live outside of the heap, so both stay as they are however much is queued; this is how one sees it.
//
// The heap is read once a second (60 us); pauses come from Node's own record of every collection.

import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';

const READ_INTERVAL_US = 1_000_000;

export class HeapWatch {
  readonly #stats: WorkerStats;
  readonly #observer: PerformanceObserver;
  #nextUs = 0;

  constructor(stats: WorkerStats) {
    this.#stats = stats;
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#collected(entry);
    });
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** Once a turn. */
  onTurn(nowUs: number): void {
    if (nowUs < this.#nextUs) return;
    this.#nextUs = nowUs + READ_INTERVAL_US;
    this.#stats[STAT.heapBytes] = getHeapStatistics().used_heap_size;
  }

  close(): void {
    this.#observer.disconnect();
  }

  #collected({ duration }: PerformanceEntry): void {
    const us = duration * 1000;
    this.#stats[STAT.collections]!++;
    this.#stats[STAT.collectionUs]! += us;
    if (us > this.#stats[STAT.collectionUsMax]!) this.#stats[STAT.collectionUsMax] = us;
  }
}
