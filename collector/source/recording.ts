// How the recording of a lab goes: what waits in the spool for the store, what was lost, and what came
// from the bus that was no row. A run whose rows were dropped must not look complete.

import type { RecorderStats } from '#collector/recording/tick-recorder.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

export interface Recording {
  recorder: RecorderStats;
  /** Messages of the bus that were neither rows nor events. */
  refused: number;
}

export class RecordingSource implements Source {
  readonly id = 'recording';
  readonly budgetUs = 20_000;
  readonly #recording: () => Recording | undefined;
  #taken = -1;
  #shipped = -1;
  #dropped = -1;
  #retried = -1;
  #refused = -1;
  #waiting = -1;
  #removed = -1;

  /** `recording` gives undefined until there is one. */
  constructor(recording: () => Recording | undefined) {
    this.#recording = recording;
  }

  probe(): Capability {
    return { state: 'ok' };
  }

  declare(metrics: MetricScope): void {
    const count = (what: string, short: string, unit: string, help: string): number =>
      metrics.declare(counter(`wsar.collector.spool.${what}`, short, `{${unit}}/s`, help));
    this.#taken = count('taken', 'sptake', 'row', 'rows and events taken into the spool');
    this.#shipped = count('shipped', 'spship', 'row', 'rows and events that the store has taken');
    this.#dropped = count('dropped', 'spdrop', 'row', 'rows and events lost: no room, or refused');
    this.#retried = count('retried', 'spretr', 'batch', 'batches that had to be sent again');
    this.#refused = count(
      'refused',
      'sprefu',
      'message',
      'messages that were no rows and no events',
    );
    this.#waiting = metrics.declare(
      gauge(
        'wsar.collector.spool.waiting',
        'spwait',
        'By',
        'bytes that the store, or without one the disk, has not taken yet',
      ),
    );
    this.#removed = metrics.declare(
      gauge(
        'wsar.collector.spool.removed',
        'spremo',
        'By',
        'bytes of old recordings that were removed for room or age since the start',
      ),
    );
  }

  sample(table: SampleTable): number {
    const recording = this.#recording();
    if (recording === undefined) return Freshness.stale;
    const { taken, shipped, dropped, retried, waitingBytes, removedBytes } = recording.recorder;
    table.counterNumber(this.#taken, taken);
    table.counterNumber(this.#dropped, dropped);
    // Without a store there is none that takes rows, and with one nothing is removed.
    if (!Number.isNaN(shipped)) table.counterNumber(this.#shipped, shipped);
    if (!Number.isNaN(retried)) table.counterNumber(this.#retried, retried);
    table.gauge(this.#removed, removedBytes);
    table.counterNumber(this.#refused, recording.refused);
    table.gauge(this.#waiting, waitingBytes);
    return Freshness.now;
  }

  close(): void {}
}
