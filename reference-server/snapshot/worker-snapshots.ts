// A worker's side of snapshots: hands over what its home has, slice by slice as it is asked, while the reactor runs
// and once more when it has ended. Then nothing of the network moves any more, but frames of other workers may still
// be on their way (who was logged out, wills): `settle` takes them in.

import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import type { Clock } from '#core/clock/clock.ts';
import type { Home } from '#reference-server/home/home.ts';
import { HomeCapture } from '#reference-server/snapshot/home-capture.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';
import type { FromNews, News } from '#reference-server/worker/worker-news.ts';

export interface WorkerSnapshotsOptions {
  home: Home;
  exchange: Exchange;
  clock: Clock;
  port: MessagePort;
}

export class WorkerSnapshots {
  readonly #options: WorkerSnapshotsOptions;
  #capture: HomeCapture | undefined;

  constructor(options: WorkerSnapshotsOptions) {
    this.#options = options;
  }

  /** The main thread asks for records: the first, or those that follow. */
  capture(isFirst: boolean): void {
    const { home, clock, exchange } = this.#options;
    const { self } = exchange;
    if (isFirst) this.#capture = new HomeCapture(home, clock, self, self === 0);
    const chunk = this.#capture?.slice();
    if (chunk === undefined) this.#capture = undefined;
    const frames = chunk === undefined ? [] : [chunk.frames.buffer];
    this.#options.port.postMessage({ kind: 'captured', chunk } satisfies FromNews, frames);
  }

  /** The snapshot was given up: what it held of messages is let go. */
  release(): void {
    this.#capture = undefined;
  }

  /** After the reactor: does what the main thread asks until it says that it has everything. */
  async handOver(): Promise<void> {
    const { port, exchange, home } = this.#options;
    // Nothing is worth waiting for.
    exchange.wakeBytes = 0;
    this.#tell({ kind: 'stopped' });
    for (;;) {
      const [news] = (await once(port, 'message')) as [News];
      if (news.kind === 'end') return;
      if (news.kind === 'capture') this.capture(news.isFirst);
      else if (news.kind === 'release') this.release();
      else if (news.kind === 'settle') {
        const frames = exchange.drain();
        home.settle();
        const behindBytes = exchange.flush(this.#options.clock.monoUs());
        this.#tell({ kind: 'settled', isQuiet: frames === 0 && behindBytes === 0 });
      }
    }
  }

  #tell(answer: FromNews): void {
    this.#options.port.postMessage(answer);
  }
}
