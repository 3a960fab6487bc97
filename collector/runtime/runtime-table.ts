// The runtime table: wsar's own columns of the virtual machine under the server, in terms that Erlang and Node share.
// The runtime that was chosen fills them (`--erlang`, else `--node`); without one the rows of `wsar serve` do
// (collector/source/server-row.ts), which has the same metrics of queues.
//
// A column that a runtime does not have stays without a value: Node has no mailboxes, Erlang no stall.

import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { derivedRate, gauge } from '#collector/source/metric-shape.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const D = { decays: true };
const run = (name: string): string => `wsar.runtime.${name}`;
const rate = (name: string, short: string, unit: string, help: string): MetricSpec =>
  derivedRate(run(name), short, unit, help, D);
const share = (part: string, short: string, help: string): MetricSpec =>
  rate(`sched.utilization${part === '' ? '' : `{part=${part}}`}`, short, '1', help);
const memory = (kind: string, short: string, help: string): MetricSpec =>
  gauge(run(`memory{kind=${kind}}`), short, 'By', help, D);

const COLUMNS = {
  queueTotal: gauge('mailbox.length{stat=sum}', 'tot', '{message}', 'messages that wait', D),
  queueMax: gauge('mailbox.length{stat=max}', 'max', '{message}', 'longest queue', D),
  queueNonEmpty: gauge('mailbox.nonempty', 'nonz', '{queue}', 'queues that hold something', D),
  queueAge: gauge('mailbox.age', 'qage', 's', 'age of the counts of queues'),
  distIn: rate('dist.messages{direction=in}', 'msgin', '{message}/s', 'messages from other nodes'),
  distOut: rate('dist.messages{direction=out}', 'msgout', '{message}/s', 'messages to other nodes'),
  nodes: gauge(run('nodes'), 'nodes', '{node}', 'nodes that it is connected to'),
  ioIn: rate('io{direction=in}', 'inio', 'By/s', 'bytes received through ports'),
  ioOut: rate('io{direction=out}', 'outio', 'By/s', 'bytes sent through ports'),
  load: gauge(
    run('sched.load'),
    'load',
    '1',
    'schedulers or event loops busy at once, in the mean',
    D,
  ),
  runQueue: gauge(run('sched.run_queue'), 'runq', '{task}', 'tasks that are ready to run', D),
  utilization: share('', '%util', 'share of the time that schedulers or event loops were busy'),
  process: share('process', '%proc', 'share of the time in the code of the program'),
  system: share('system', '%sys', 'share of the time in the runtime itself: collecting garbage'),
  port: share('port', '%port', 'share of the time in ports: drivers and sockets'),
  stall: share(
    'stall',
    '%stall',
    'busy, but not on a CPU: waiting for one, for a lock, for a disk',
  ),
  switches: rate(
    'sched.switches',
    'csw',
    '{switch}/s',
    'processes of the runtime that were scheduled',
  ),
  reductions: rate(
    'sched.reductions',
    'red',
    '{reduction}/s',
    'reductions: function calls, roughly',
  ),
  gcCount: rate('gc.count', 'gc/s', '{collection}/s', 'collections of garbage'),
  gcCollected: rate('gc.collected', 'gcB/s', 'By/s', 'memory that they freed'),
  gcLong: rate('gc.long.count', 'long', '{collection}/s', 'collections of 10 ms and more'),
  gcLongTime: rate('gc.long.time', 'longms', 'ms/s', 'time in them'),
  lagP99: gauge(run('lag{quantile=0.99}'), 'lag99', 's', 'delay of the event loop, 99th of 100', D),
  lagMax: gauge(run('lag{quantile=1}'), 'lagmx', 's', 'longest delay of the event loop', D),
  memoryTotal: memory('total', 'tot', 'memory of the runtime'),
  memorySystem: memory('system', 'sys', 'memory that belongs to no process of it, to no heap'),
  memoryProcess: memory('process', 'proc', 'memory of its processes, its heaps'),
  processes: gauge(
    run('processes'),
    'nproc',
    '{process}',
    'its processes (Erlang), its threads (Node)',
  ),
} satisfies Record<string, MetricSpec>;

export type RuntimeColumn = keyof typeof COLUMNS;

export class RuntimeTable {
  readonly #slots = new Map<RuntimeColumn, number>();

  declare(metrics: MetricScope): void {
    for (const [column, spec] of Object.entries(COLUMNS)) {
      this.#slots.set(column as RuntimeColumn, metrics.declare(spec));
    }
  }

  /** Fills a column; NaN: not known. Called while a source derives. */
  set(table: SampleTable, column: RuntimeColumn, value: number): void {
    table.set(this.#slots.get(column)!, value);
  }
}
