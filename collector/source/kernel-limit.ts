// Tables of the kernel that have a limit, and how full they are: inodes, directory entries, terminals,
// threads, process ids, ports for outgoing connections. Small files of /proc/sys; proc(5).

import type { SampleTable } from '#collector/sample-table.ts';
import { CellFile, joined } from '#collector/source/cell-file.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

export class KernelLimitSource implements Source {
  readonly id = 'limit';
  readonly budgetUs = 20_000;
  readonly #cells: readonly CellFile[];
  readonly #ports: CellFile;
  #portCount = -1;

  constructor(root: string) {
    const cell = (path: string, name: string, short: string, unit: string, help: string) =>
      new CellFile(`${root}/sys/${path}`, [gauge(name, short, unit, help)]);
    this.#ports = new CellFile(`${root}/sys/net/ipv4/ip_local_port_range`, [
      gauge('network.linux.ports.first', 'port1', '1', 'first port for outgoing connections'),
      gauge('network.linux.ports.last', 'portn', '1', 'last port for outgoing connections'),
    ]);
    this.#cells = [
      new CellFile(`${root}/sys/fs/inode-nr`, [
        gauge('linux.inodes{state=allocated}', 'inode', '{inode}', 'inodes in memory'),
        gauge('linux.inodes{state=free}', 'inodfr', '{inode}', 'inodes in memory, unused'),
      ]),
      new CellFile(`${root}/sys/fs/dentry-state`, [
        gauge('linux.dentries{state=allocated}', 'dent', '{entry}', 'directory entries in memory'),
        gauge('linux.dentries{state=unused}', 'dentun', '{entry}', 'directory entries, unused'),
      ]),
      cell('kernel/pty/nr', 'linux.pseudo_terminals', 'pty', '{terminal}', 'pseudo terminals open'),
      cell('kernel/threads-max', 'system.thread.limit', 'thrmax', '{thread}', 'threads allowed'),
      cell(
        'kernel/pid_max',
        'linux.process_ids.limit',
        'pidmax',
        '1',
        'first process id not given',
      ),
      this.#ports,
    ];
  }

  probe(): Capability {
    return joined(this.#cells.map((cell) => cell.probe()));
  }

  declare(metrics: MetricScope): void {
    for (const cell of this.#cells) cell.declare(metrics);
    this.#portCount = metrics.declare(
      gauge(
        'network.linux.ports.limit',
        'ports',
        '{port}',
        'ports for outgoing connections: so many can one address of this host open to one address and port',
      ),
    );
  }

  sample(table: SampleTable): number {
    let isRead = false;
    for (let i = 0; i < this.#cells.length; i++) {
      if (this.#cells[i]!.sample(table)) isRead = true;
    }
    return isRead ? Freshness.now : Freshness.stale;
  }

  derive(table: SampleTable): void {
    const first = table.value(this.#ports.slot(0));
    table.set(this.#portCount, table.value(this.#ports.slot(1)) - first + 1);
  }

  close(): void {
    for (const cell of this.#cells) cell.close();
  }
}
