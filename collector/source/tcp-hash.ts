// How crowded the kernel's table of TCP connections is: connections for each bucket. Every packet walks
// one bucket; at 16 a lookup begins to cost, at 64 it costs a tenth of the throughput (kernel commit
// d1e5e6408b30). The table is fixed when the kernel starts (thash_entries=).
//
// net.ipv4.tcp_ehash_entries is negative in a network namespace that shares the host's table; then the
// connections of the whole host are in it (Documentation/networking/ip-sysctl.rst).

import type { SampleTable } from '#collector/sample-table.ts';
import { CellFile } from '#collector/source/cell-file.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

/** What this source needs of the sockets source, which is sampled before it. */
const OWN = 'network.linux.tcp.control_blocks';
const HOST = 'network.linux.sockets{type=tcp,state=allocated}';
const TIME_WAIT = 'network.linux.sockets{type=tcp,state=time_wait}';

export class TcpHashSource implements Source {
  readonly id = 'tcp-hash';
  readonly budgetUs = 20_000;
  readonly #entries: CellFile;
  #buckets = -1;
  #loadFactor = -1;
  #own = -1;
  #host = -1;
  #timeWait = -1;

  constructor(root: string) {
    this.#entries = new CellFile(`${root}/sys/net/ipv4/tcp_ehash_entries`, [
      gauge('tcp.hash.entries{as=read}', '', '1', 'raw', { isHidden: true }),
    ]);
  }

  probe(): Capability {
    const found = this.#entries.probe();
    return found.state === 'ok'
      ? found
      : { state: 'absent', reason: 'net.ipv4.tcp_ehash_entries came with Linux 6.1' };
  }

  declare(metrics: MetricScope): void {
    this.#entries.declare(metrics);
    this.#buckets = metrics.declare(
      gauge('tcp.hash.entries', 'ehash', '{bucket}', 'buckets of the table of TCP connections'),
    );
    this.#loadFactor = metrics.declare(
      gauge(
        'tcp.hash.load_factor',
        'lf',
        '1',
        'TCP connections for each bucket of their table; above 16 packets wait for the walk',
        { decays: true },
      ),
    );
    const { registry } = metrics;
    this.#own = registry.slotOf(OWN);
    this.#host = registry.slotOf(HOST);
    this.#timeWait = registry.slotOf(TIME_WAIT);
  }

  sample(table: SampleTable): number {
    return this.#entries.sample(table) ? Freshness.now : Freshness.stale;
  }

  derive(table: SampleTable): void {
    const read = table.value(this.#entries.slot(0));
    const connections =
      read < 0 ? table.value(this.#host) + table.value(this.#timeWait) : table.value(this.#own);
    table.set(this.#buckets, Math.abs(read));
    table.set(this.#loadFactor, connections / Math.abs(read));
  }

  close(): void {
    this.#entries.close();
  }
}
