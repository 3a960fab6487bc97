// How much kernel memory one more TCP socket takes: what slabs and TCP buffers have grown by since the collector
// started, divided by the sockets that were added since. A difference, because the kernel's other memory is
// there anyway; known only while there are so many more sockets that the rest's ups and downs vanish in it.

import { existsSync } from 'node:fs';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const SLAB = 'system.memory.linux.slab.usage{state=unreclaimable}';
const BUFFERS = 'network.linux.tcp.memory';
const SOCKETS = 'network.linux.sockets{type=tcp,state=allocated}';
/** With these the slab's ordinary movement (some MB) is under a tenth of the sum. */
const SOCKETS_MORE_MIN = 10_000;

export class ConnectionMemorySource implements Source {
  readonly id = 'connection-memory';
  readonly budgetUs = 20_000;
  readonly #root: string;
  #slab = -1;
  #buffers = -1;
  #sockets = -1;
  #bytes = -1;
  #startBytes = Number.NaN;
  #startSockets = Number.NaN;

  /** `root` stands for /proc. */
  constructor(root: string) {
    this.#root = root;
  }

  probe(): Capability {
    const path = `${this.#root}/net/sockstat`;
    return existsSync(path)
      ? { state: 'ok' }
      : { state: 'absent', reason: `${path} cannot be read` };
  }

  declare(metrics: MetricScope): void {
    const { registry } = metrics;
    this.#slab = registry.slotOf(SLAB);
    this.#buffers = registry.slotOf(BUFFERS);
    this.#sockets = registry.slotOf(SOCKETS);
    this.#bytes = metrics.declare(
      gauge(
        'memory.linux.kernel_bytes_per_connection',
        'B/conn',
        'By',
        `kernel memory for each TCP socket opened since the start; known from ${SOCKETS_MORE_MIN} on`,
      ),
    );
  }

  sample(): number {
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    const bytes = table.value(this.#slab) + table.value(this.#buffers);
    const sockets = table.value(this.#sockets);
    // The fewest sockets seen are the start: who begins while they close learns it when they open again.
    if (!(sockets >= this.#startSockets) && bytes >= 0) {
      this.#startSockets = sockets;
      this.#startBytes = bytes;
    }
    const more = sockets - this.#startSockets;
    const isKnown = more >= SOCKETS_MORE_MIN && bytes > this.#startBytes;
    table.set(this.#bytes, isKnown ? (bytes - this.#startBytes) / more : Number.NaN);
  }

  close(): void {}
}
