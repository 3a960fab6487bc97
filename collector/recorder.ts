// The recorder of a lab: everything that travels on its bus as a row or an event goes where the collector's own
// rows go (tick-recorder.ts). Those are handed in directly, so that a lost bus costs
// the run only the others' rows.

import type { TickRecorder } from '#collector/recording/tick-recorder.ts';
import { asEvent, asRow } from '#collector/row-shape.ts';
import type { Row } from '#core/metric/row.ts';

/** The collector's own source. */
export const HOST_SOURCE = 'host';

export interface RecorderOptions {
  shipper: Pick<TickRecorder, 'row' | 'event'>;
  host: string;
  /** Sees every row of another source of this host. */
  onRow?: (source: string, row: Row) => void;
}

export class Recorder {
  /** Messages that were no rows, no events, or came from a topic we do not know. */
  refused = 0;
  readonly #options: RecorderOptions;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Takes a message of `wsar/<lab>/<host>/<source>/row` or `.../event`. */
  take(topic: string, value: unknown): void {
    const { shipper, host: ownHost, onRow } = this.#options;
    const [, , host, source, kind] = topic.split('/');
    if (host === undefined || source === undefined) {
      this.refused++;
      return;
    }
    // Our own come back from the bus; they were taken already.
    if (host === ownHost && source === HOST_SOURCE) return;
    const row = kind === 'row' ? asRow(value) : undefined;
    const event = kind === 'event' ? asEvent(value) : undefined;
    if (row !== undefined) {
      shipper.row(host, source, row);
      if (host === ownHost) onRow?.(source, row);
    } else if (event !== undefined) shipper.event(host, source, event);
    else this.refused++;
  }
}
