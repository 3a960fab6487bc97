// Node programs that run with the agent: finds their files in memory, reads them, and gives each thread its metrics and
// the runtime table their sum. It asks the programs nothing; one that hangs is seen by the age of what it told.
//
//   /dev/shm/wsar-node-<uid>/<pid namespace>-<pid>.<thread>
//
// A program in a container has a /dev/shm and a process id of its own: given its id as seen from here, its file is
// found through /proc/PID/root. Who reports must be the user whose process it claims to be.

import { type Dir, existsSync, opendirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InstanceSlots } from '#collector/process/instance-slots.ts';
import {
  cpuOf,
  gcCountOf,
  gcShareOf,
  NODE_METRICS,
  stallOf,
  utilizationOf,
} from '#collector/runtime/node-metrics.ts';
import { NodeReport } from '#collector/runtime/node-report.ts';
import { RuntimeTable } from '#collector/runtime/runtime-table.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

export const THREADS_MAX = 64;
const FOLDERS_MAX = 64;
const AGENT = fileURLToPath(new URL('./node-agent.mjs', import.meta.url));
const FILES_MAX = 512;
const MEMORY_FOLDER = '/dev/shm';
const FOLDER_NAME = /^wsar-node-\d+$/;
const FILE_NAME = /^(\d+)-(\d+)\.(\d+)$/;
/** What was told is a value for so many periods; after that only its age is. */
const AGE_PERIODS_MAX = 3;
const PERIOD_MS_USUAL = 1000;
const US_PER_S = 1e6;
const MS_PER_S = 1000;

interface NodeThread {
  report: NodeReport;
  path: string;
  pid: number;
  place: number;
  /** When something new was read last. */
  changedUs: number;
  isFresh: boolean;
}

export class NodeSource implements Source {
  readonly id = 'node';
  readonly budgetUs = 20_000;
  readonly #wanted: readonly number[] | 'all';
  readonly #runtime: RuntimeTable | undefined;
  readonly #threads = new Map<string, NodeThread>();
  readonly #instances = new InstanceSlots(THREADS_MAX, (label) => [
    ...NODE_METRICS.map(({ spec }) => spec(label)),
    gauge(
      `nodejs.agent.age{${label}}`,
      'age',
      's',
      'since the agent told something: how long the loop is stuck',
    ),
  ]);
  #slots!: { count: number; torn: number; refused: number };
  #torn = 0;

  /** `fillsTable`: it is the runtime that was chosen for the runtime table. */
  constructor(wanted: readonly number[] | 'all', fillsTable: boolean) {
    this.#wanted = wanted;
    this.#runtime = fillsTable ? new RuntimeTable() : undefined;
  }

  probe(): Capability {
    let seen = 0;
    this.#find((_path, pid) => {
      // Programs that were killed leave their report.
      if (existsSync(`/proc/${pid}`)) seen++;
    });
    if (seen > 0) return { state: 'ok' };
    const who =
      this.#wanted === 'all'
        ? 'no Node program'
        : `none of the processes ${this.#wanted.join(', ')}`;
    return {
      state: 'degraded',
      reason: `${who} runs with the agent yet; start it with node --import ${AGENT} app.js`,
    };
  }

  declare(metrics: MetricScope): void {
    this.#instances.declare(metrics);
    this.#runtime?.declare(metrics);
    const count = (what: string, short: string, unit: string, help: string): number =>
      metrics.declare(gauge(`nodejs.agent.${what}`, short, unit, help));
    this.#slots = {
      count: count('threads', 'nthr', '{thread}', 'Node threads that report'),
      torn: count(
        'torn',
        'ntorn',
        '{reading}',
        'readings of a text that was just being written, since the start',
      ),
      refused: count(
        'refused',
        'nrefu',
        '{thread}',
        `sightings of threads beyond the first ${THREADS_MAX}, which are not shown, since the start`,
      ),
    };
  }

  sample(table: SampleTable, nowUs: number): number {
    this.#find((path, pid) => this.#take(path, pid, table, nowUs));
    for (const thread of this.#threads.values()) this.#read(thread, table, nowUs);
    table.gauge(this.#slots.count, this.#threads.size);
    table.gauge(this.#slots.torn, this.#torn);
    table.gauge(this.#slots.refused, this.#instances.refused);
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    if (this.#runtime === undefined) return;
    const reports = [...this.#threads.values()].filter(({ isFresh }) => isFresh);
    fillTable(this.#runtime, table, reports);
  }

  close(): void {
    for (const { report } of this.#threads.values()) report.close();
    this.#threads.clear();
  }

  /** Labels of the threads that report. */
  labels(): string[] {
    return this.#instances.names();
  }

  #take(path: string, pid: number, table: SampleTable, nowUs: number): void {
    if (this.#threads.has(path)) return;
    const thread = path.slice(path.lastIndexOf('.') + 1);
    try {
      // A report about somebody else's process, or one that has ended, is none.
      const owner = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
      if (owner === undefined) return;
      const report = new NodeReport(path, owner);
      const place = this.#instances.take(`pid=${pid},thread=${thread}`, table);
      if (place < 0) {
        report.close();
        return;
      }
      this.#threads.set(path, {
        report,
        path,
        pid,
        place,
        changedUs: nowUs,
        isFresh: false,
      });
    } catch {
      // It has ended meanwhile, or the file is not ours to read.
    }
  }

  #read(thread: NodeThread, table: SampleTable, nowUs: number): void {
    const { report, place, path } = thread;
    const result = report.read();
    if (
      result === 'gone' ||
      statSync(`/proc/${thread.pid}`, { throwIfNoEntry: false }) === undefined
    ) {
      report.close();
      this.#threads.delete(path);
      this.#instances.release(place);
      return;
    }
    if (result === 'torn') this.#torn++;
    if (result === 'new') thread.changedUs = nowUs;
    const ageUs = nowUs - thread.changedUs;
    const periodMs = report.value('period_ms') || PERIOD_MS_USUAL;
    thread.isFresh = ageUs <= AGE_PERIODS_MAX * periodMs * 1000;
    const slots = this.#instances.slots(place);
    table.gauge(slots[NODE_METRICS.length]!, ageUs / US_PER_S);
    if (!thread.isFresh) return;
    for (let i = 0; i < NODE_METRICS.length; i++)
      table.gauge(slots[i]!, NODE_METRICS[i]!.of(report));
  }

  /** Calls `found` for each file that may be a report, with the id of its process as seen from here. */
  #find(found: (path: string, pid: number) => void): void {
    if (this.#wanted === 'all') {
      const own = namespaceOf('self');
      eachFile(MEMORY_FOLDER, own, found);
      return;
    }
    for (const pid of this.#wanted) {
      const inner = innerPid(pid);
      eachFile(`/proc/${pid}/root${MEMORY_FOLDER}`, namespaceOf(String(pid)), (path, fileId) => {
        if (fileId === inner) found(path, pid);
      });
    }
  }
}

/** Sums of all threads; the longest of what is a longest. */
function fillTable(
  runtime: RuntimeTable,
  table: SampleTable,
  threads: readonly { report: NodeReport }[],
): void {
  const sum = (of: (report: NodeReport) => number): number =>
    threads.length === 0
      ? Number.NaN
      : threads.reduce((total, { report }) => total + of(report), 0);
  const most = (of: (report: NodeReport) => number): number =>
    threads.length === 0 ? Number.NaN : Math.max(...threads.map(({ report }) => of(report)));
  const mean = (of: (report: NodeReport) => number): number => sum(of) / threads.length;
  const heap = sum((report) => report.value('heap_used_bytes'));
  const resident = threads.reduce(
    (total, { report }) => total + (report.value('rss_bytes') || 0),
    0,
  );
  runtime.set(table, 'load', sum(utilizationOf));
  runtime.set(table, 'utilization', mean(utilizationOf));
  runtime.set(
    table,
    'process',
    mean((report) => Math.max(0, cpuOf(report) - gcShareOf(report))),
  );
  runtime.set(table, 'system', mean(gcShareOf));
  runtime.set(table, 'stall', mean(stallOf));
  runtime.set(table, 'gcCount', sum(gcCountOf));
  runtime.set(
    table,
    'gcCollected',
    sum((report) => report.value('gc_collected_bytes')),
  );
  runtime.set(
    table,
    'gcLong',
    sum((report) => report.value('gc_long_count')),
  );
  runtime.set(
    table,
    'gcLongTime',
    sum((report) => report.value('gc_long_ms')),
  );
  runtime.set(table, 'lagP99', most((report) => report.value('delay_p99_ms')) / MS_PER_S);
  runtime.set(table, 'lagMax', most((report) => report.value('delay_max_ms')) / MS_PER_S);
  runtime.set(table, 'memoryTotal', resident > 0 ? resident : Number.NaN);
  runtime.set(table, 'memoryProcess', heap);
  runtime.set(table, 'memorySystem', resident > 0 ? resident - heap : Number.NaN);
  runtime.set(table, 'processes', threads.length === 0 ? Number.NaN : threads.length);
}

function eachFile(
  memory: string,
  namespace: string | undefined,
  found: (path: string, pid: number) => void,
): void {
  if (namespace === undefined) return;
  for (const folder of namesIn(memory, FOLDERS_MAX, FOLDER_NAME)) {
    for (const name of namesIn(`${memory}/${folder}`, FILES_MAX, FILE_NAME)) {
      const [, inode, pid] = FILE_NAME.exec(name)!;
      if (inode === namespace) found(`${memory}/${folder}/${name}`, Number(pid));
    }
  }
}

/** Names in a folder that match, the first ones when there are very many; none when it cannot be read. */
function namesIn(path: string, namesMax: number, pattern: RegExp): string[] {
  const names: string[] = [];
  let folder: Dir | undefined;
  try {
    folder = opendirSync(path);
    for (let i = 0; i < 8 * namesMax && names.length < namesMax; i++) {
      const entry = folder.readSync();
      if (entry === null) break;
      if (pattern.test(entry.name)) names.push(entry.name);
    }
  } catch {
    // Another user's folder, or nobody reports here.
  }
  folder?.closeSync();
  return names;
}

/** Inode of the namespace of process ids that a process is in. */
function namespaceOf(pid: string): string | undefined {
  try {
    return /\d+/.exec(readlinkSync(`/proc/${pid}/ns/pid`))?.[0];
  } catch {
    // It has ended, or belongs to somebody else.
    return undefined;
  }
}

/** The id that a process has in its own namespace. */
function innerPid(pid: number): number {
  try {
    const ids = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return Number(ids?.trim().split(/\s+/).at(-1) ?? pid);
  } catch {
    return pid;
  }
}
