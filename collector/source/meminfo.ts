// /proc/meminfo: what the memory is used for. proc(5), Documentation/filesystems/proc.rst.
//
// wsar's columns are FreeBSD's; on Linux they mean: %util is 1 - MemAvailable / MemTotal, what could not
// be had without paging; act and inac are the kernel's lists; cach is Cached + Buffers; wire is kernel
// memory that cannot be reclaimed. Socket buffers are partly in it (their heads and small data lie in
// slabs) and partly not (large data lies in pages of its own): network.linux.tcp.memory shows them apart.

import type { SampleTable } from '#collector/sample-table.ts';
import { KeyedFile } from '#collector/source/keyed-file.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const KIB = { scale: 1024 };
const bytes = (name: string, short: string, help: string) => gauge(name, short, 'By', help, KIB);

const WANTED = {
  MemTotal: bytes('system.memory.limit', 'memtot', 'memory of the host'),
  MemFree: bytes('memory.linux.free', 'free', 'memory that holds nothing'),
  MemAvailable: bytes(
    'system.memory.linux.available',
    'avail',
    'memory that can be had without paging, as the kernel estimates it',
  ),
  Buffers: bytes('memory.linux.buffers', 'buff', 'cached blocks of disks'),
  Cached: bytes('memory.linux.page_cache', 'pgcach', 'cached pages of files'),
  Active: bytes('memory.linux.active', 'act', 'pages used lately'),
  Inactive: bytes('memory.linux.inactive', 'inac', 'pages not used lately'),
  AnonPages: bytes('memory.linux.anonymous', 'anon', 'heaps and stacks of programs'),
  Shmem: bytes('memory.linux.shared', 'shmem', 'shared memory and tmpfs'),
  Dirty: bytes('memory.linux.dirty', 'dirty', 'pages that wait to be written'),
  Writeback: bytes('memory.linux.writeback', 'wrback', 'pages that are being written'),
  SReclaimable: bytes(
    'system.memory.linux.slab.usage{state=reclaimable}',
    'slabr',
    'kernel objects that can be given up',
  ),
  SUnreclaim: bytes(
    'system.memory.linux.slab.usage{state=unreclaimable}',
    'slabu',
    'kernel objects that cannot be given up: sockets, descriptors',
  ),
  KernelStack: bytes('memory.linux.kernel_stack', 'kstack', 'kernel stacks of threads'),
  PageTables: bytes('memory.linux.page_tables', 'pgtab', 'page tables of programs'),
  Percpu: bytes('memory.linux.percpu', 'percpu', 'kernel memory kept for each CPU'),
  Mlocked: bytes('memory.linux.locked', 'mlock', 'pages locked into memory'),
  SwapTotal: bytes('system.paging.limit', 'swptot', 'size of the swap space'),
  SwapFree: bytes('memory.linux.swap_free', 'swpfre', 'swap space that is free'),
  SwapCached: bytes('memory.linux.swap_cached', 'swpcad', 'swapped pages that are in memory too'),
  Committed_AS: bytes('memory.linux.committed', 'commit', 'memory that was promised to programs'),
  CommitLimit: bytes('memory.linux.commit_limit', 'comlim', 'memory that may be promised'),
  SecPageTables: bytes('memory.linux.page_tables{of=guests}', 'secpgt', 'page tables of guests'),
  AnonHugePages: bytes('memory.linux.anonymous_huge', 'anonhp', 'anonymous memory in huge pages'),
};

function otherLine(key: string): MetricSpec {
  const name = `memory.linux.meminfo{name=${key}}`;
  const help = `${key} of /proc/meminfo`;
  // These lines count pages and have no unit behind them.
  return key.startsWith('HugePages_')
    ? gauge(name, key, '{page}', help)
    : gauge(name, key, 'By', help, KIB);
}

/** Kernel memory that cannot be reclaimed. */
const WIRED = ['SUnreclaim', 'KernelStack', 'PageTables', 'SecPageTables', 'Percpu', 'Mlocked'];

export class MeminfoSource implements Source {
  readonly id = 'meminfo';
  readonly budgetUs = 20_000;
  readonly #file: KeyedFile;
  /** Slots that the derived ones are made of. */
  #total = -1;
  #available = -1;
  #pageCache = -1;
  #buffers = -1;
  #wiredParts: number[] = [];
  #wired = -1;
  #cached = -1;
  #utilization = -1;

  /** `isDetailed`: every line of the file, also those that have no name of their own here. */
  constructor(root: string, isDetailed = false) {
    this.#file = new KeyedFile(`${root}/meminfo`, WANTED, isDetailed ? otherLine : undefined);
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#file.declare(metrics);
    this.#total = this.#file.slot('MemTotal');
    this.#available = this.#file.slot('MemAvailable');
    this.#pageCache = this.#file.slot('Cached');
    this.#buffers = this.#file.slot('Buffers');
    this.#wiredParts = WIRED.map((key) => this.#file.slot(key));
    this.#utilization = metrics.declare(
      gauge(
        'system.memory.utilization',
        '%mem',
        '1',
        'share of the memory that cannot be had without paging: 1 - available / total',
        { decays: true },
      ),
    );
    this.#cached = metrics.declare(
      gauge('memory.linux.cached', 'cach', 'By', 'cached pages of files and blocks of disks'),
    );
    this.#wired = metrics.declare(
      gauge('memory.linux.wired', 'wire', 'By', 'kernel memory that cannot be reclaimed'),
    );
  }

  sample(table: SampleTable): number {
    return this.#file.sample(table) ? Freshness.now : Freshness.stale;
  }

  derive(table: SampleTable): void {
    const available = table.value(this.#available);
    table.set(this.#utilization, 1 - available / table.value(this.#total));
    table.set(this.#cached, table.value(this.#pageCache) + table.value(this.#buffers));
    // The first part is the big one; the others came with later kernels and may be missing.
    let wired = table.value(this.#wiredParts[0]!);
    for (let i = 1; i < this.#wiredParts.length; i++) {
      const part = table.value(this.#wiredParts[i]!);
      if (part > 0) wired += part;
    }
    table.set(this.#wired, wired);
  }

  close(): void {
    this.#file.close();
  }
}
