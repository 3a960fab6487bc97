// The control group this process is in (version 2): CPU time and throttling, memory against its limit,
// events, processes. In a container this is the container, and its limits are what counts, not those of
// the host. Documentation/admin-guide/cgroup-v2.rst. Without such a group (version 1, or the root, which
// has no limits) the values are null and the probe says why.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SampleTable } from '#collector/sample-table.ts';
import { CellFile, joined } from '#collector/source/cell-file.ts';
import { KeyedFile } from '#collector/source/keyed-file.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import { sysfsRoot } from '#collector/source/sysfs-root.ts';

const US = { scale: 1e-6 };

const CPU = {
  usage_usec: counter('cgroup.cpu.usage', 'cgcpu', '1', 'CPUs in use by the group', {
    ...US,
    decays: true,
  }),
  user_usec: counter('cgroup.cpu.usage{cpu.mode=user}', 'cgusr', '1', 'of it in programs', US),
  system_usec: counter(
    'cgroup.cpu.usage{cpu.mode=system}',
    'cgsys',
    '1',
    'of it in the kernel',
    US,
  ),
  nr_throttled: counter(
    'cgroup.cpu.throttled.periods',
    'thrtl',
    '{period}/s',
    'periods in which the group had used up its CPU quota',
  ),
  throttled_usec: counter(
    'cgroup.cpu.throttled.time',
    'thrtim',
    '1',
    'threads that waited for the next period, mean',
    US,
  ),
};

const event = (name: string, short: string, help: string) =>
  counter(`cgroup.memory.events{event=${name}}`, short, '{event}/s', help);
const EVENTS = {
  high: event('high', 'cghigh', 'the group was slowed down because it was above memory.high'),
  max: event('max', 'cgmax', 'the group wanted more than memory.max'),
  oom_kill: event('oom_kill', 'cgoom', 'processes of the group killed for want of memory'),
};

const bytes = (name: string, short: string, help: string) => gauge(name, short, 'By', help);
const MEMORY = {
  anon: bytes('cgroup.memory.usage{state=anonymous}', 'cganon', 'heaps and stacks of the group'),
  file: bytes('cgroup.memory.usage{state=file}', 'cgfile', 'cached pages of files of the group'),
  sock: bytes('cgroup.memory.usage{state=socket}', 'cgsock', 'socket buffers of the group'),
  slab: bytes('cgroup.memory.usage{state=slab}', 'cgslab', 'kernel objects of the group'),
};

export class CgroupSource implements Source {
  readonly id = 'cgroup';
  readonly budgetUs = 20_000;
  readonly #folder: string | undefined;
  readonly #parts: readonly (CellFile | KeyedFile)[];

  constructor(root: string) {
    this.#folder = ownGroup(root);
    const at = (file: string): string => join(this.#folder ?? '/nonexistent', file);
    const cell = (file: string, name: string, short: string, unit: string, help: string) =>
      new CellFile(at(file), [gauge(name, short, unit, help)]);
    this.#parts =
      this.#folder === undefined
        ? []
        : [
            new KeyedFile(at('cpu.stat'), CPU),
            cell('memory.current', 'cgroup.memory.usage', 'cgmem', 'By', 'memory of the group'),
            cell('memory.max', 'cgroup.memory.limit', 'cgmlim', 'By', 'memory it may have'),
            new KeyedFile(at('memory.events'), EVENTS),
            new KeyedFile(at('memory.stat'), MEMORY),
            cell('pids.current', 'cgroup.pids', 'cgpids', '{thread}', 'threads of the group'),
          ];
  }

  probe(): Capability {
    if (this.#folder === undefined) {
      return { state: 'absent', reason: 'no control group of version 2 is mounted here' };
    }
    return joined(this.#parts.map((part) => part.probe()));
  }

  declare(metrics: MetricScope): void {
    for (const part of this.#parts) part.declare(metrics);
  }

  sample(table: SampleTable): number {
    let isRead = false;
    for (let i = 0; i < this.#parts.length; i++) {
      if (this.#parts[i]!.sample(table)) isRead = true;
    }
    return isRead ? Freshness.now : Freshness.stale;
  }

  close(): void {
    for (const part of this.#parts) part.close();
  }
}

/** Folder of the group of this process in the unified hierarchy, where it is mounted; undefined: nowhere. */
function ownGroup(root: string): string | undefined {
  const path = /^0::(.*)$/m.exec(readText(join(root, 'self', 'cgroup')))?.[1];
  if (path === undefined) return undefined;
  const mount = join(sysfsRoot(root), 'fs', 'cgroup');
  return [join(mount, path), join(mount, 'unified', path)].find((folder) =>
    existsSync(join(folder, 'cgroup.procs')),
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // A kernel without control groups.
    return '';
  }
}
