// Sockets by number: /proc/net/sockstat and sockstat6. The kernel keeps these counts (a handful of
// microseconds with two million sockets); no socket is ever enumerated here.
//
// Kernel facts (net/ipv4/proc.c): `inuse` and `tw` are of one network namespace, `orphan`, `alloc` and
// `mem` (pages) of the whole host. `inuse` holds every TCP socket in the tables except TIME_WAIT, so
// a loopback connection counts twice. wsar's pcb count is inuse + inuse of IPv6 + tw.

import { readFileSync } from 'node:fs';
import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const sockets = (what: string, short: string, help: string, more = {}) =>
  gauge(`network.linux.sockets{${what}}`, short, '{socket}', help, more);

/** `line.key` of the two files; they have no line in common. */
const WANTED = {
  'sockets.used': sockets('state=used', 'socks', 'sockets of all kinds in this namespace'),
  'TCP.inuse': sockets('type=tcp', 'tcp4', 'TCP over IPv4, TIME_WAIT not counted'),
  'TCP.orphan': sockets('type=tcp,state=orphan', 'orph', 'TCP sockets without a descriptor'),
  'TCP.tw': sockets('type=tcp,state=time_wait', 'tw', 'connections in TIME_WAIT', { decays: true }),
  'TCP.alloc': sockets('type=tcp,state=allocated', 'talloc', 'TCP sockets of the whole host'),
  'TCP.mem': gauge(
    'network.linux.tcp.memory',
    'tcpmem',
    'By',
    'memory of TCP buffers, whole host, both IP versions',
    { decays: true },
  ),
  'TCP6.inuse': sockets('type=tcp6', 'tcp6', 'TCP over IPv6, TIME_WAIT not counted'),
  'UDP.inuse': sockets('type=udp', 'udp4', 'UDP over IPv4'),
  'UDP6.inuse': sockets('type=udp6', 'udp6', 'UDP over IPv6'),
};

export class SocketsSource implements Source {
  readonly id = 'sockets';
  readonly isFast = true;
  readonly budgetUs = 20_000;
  readonly #root: string;
  readonly #files: readonly ProcFile[];
  readonly #scanner = new ByteScanner();
  readonly #lines = new KeyTable(['sockets', 'TCP', 'UDP', 'TCP6', 'UDP6']);
  readonly #keys = new KeyTable(['used', 'inuse', 'orphan', 'tw', 'alloc', 'mem']);
  /** Slot by line and key, -1 where we want nothing. */
  #slots: number[][] = [];
  #memory = -1;
  #pageBytes: number;
  #total = -1;
  #limit = -1;
  readonly #limitBytes: number;

  constructor(root: string, pageBytes: number) {
    this.#root = root;
    this.#pageBytes = pageBytes;
    this.#files = [new ProcFile(`${root}/net/sockstat`), new ProcFile(`${root}/net/sockstat6`)];
    this.#limitBytes = this.#readLimit() * pageBytes;
  }

  probe(): Capability {
    const [four, six] = this.#files.map((file) => file.probe());
    if (four!.state === 'absent') return four!;
    return six!.state === 'ok'
      ? { state: 'ok' }
      : { state: 'degraded', reason: 'this kernel has no IPv6: no counts of its sockets' };
  }

  declare(metrics: MetricScope): void {
    const slotOf = new Map(
      Object.entries(WANTED).map(([key, spec]) => [key, metrics.declare(spec)] as const),
    );
    this.#memory = slotOf.get('TCP.mem')!;
    this.#slots = this.#lines
      .names()
      .map((line) => this.#keys.names().map((key) => slotOf.get(`${line}.${key}`) ?? -1));
    this.#total = metrics.declare(
      gauge(
        'network.linux.tcp.control_blocks',
        'pcb',
        '{socket}',
        'TCP control blocks: both IP versions and TIME_WAIT; a loopback connection has two',
        { decays: true },
      ),
    );
    this.#limit = metrics.declare(
      gauge(
        'network.linux.tcp.memory_limit',
        'tcpmax',
        'By',
        'memory that TCP buffers may take: third number of net.ipv4.tcp_mem',
      ),
    );
  }

  sample(table: SampleTable): number {
    let isRead = false;
    for (let i = 0; i < this.#files.length; i++) {
      if (this.#readFile(this.#files[i]!, table)) isRead = true;
    }
    table.gauge(this.#limit, this.#limitBytes);
    return isRead ? Freshness.now : Freshness.stale;
  }

  derive(table: SampleTable): void {
    const inuse = table.value(this.#slots[1]![1]!);
    const inuse6 = table.value(this.#slots[3]![1]!);
    const timeWait = table.value(this.#slots[1]![3]!);
    // A kernel without IPv6 has no IPv6 sockets; that one is known.
    table.set(this.#total, inuse + timeWait + (Number.isNaN(inuse6) ? 0 : inuse6));
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #readFile(file: ProcFile, table: SampleTable): boolean {
    if (!file.read()) return false;
    const scanner = this.#scanner;
    scanner.start(file.bytes, file.length);
    while (scanner.nextLine()) {
      if (!scanner.word()) continue;
      const line = this.#lines.find(scanner);
      if (line < 0) continue;
      while (scanner.word()) {
        const key = this.#keys.find(scanner);
        if (!scanner.number()) break;
        const slot = key < 0 ? -1 : this.#slots[line]![key]!;
        table.gauge(slot, slot === this.#memory ? scanner.value * this.#pageBytes : scanner.value);
      }
    }
    return true;
  }

  /** Pages that TCP may take; it does not change on its own, so it is read once. NaN when it is not known. */
  #readLimit(): number {
    try {
      const text = readFileSync(`${this.#root}/sys/net/ipv4/tcp_mem`, 'latin1');
      return Number(text.trim().split(/\s+/)[2] ?? Number.NaN);
    } catch {
      // A container may hide it; the value is then null.
      return Number.NaN;
    }
  }
}
