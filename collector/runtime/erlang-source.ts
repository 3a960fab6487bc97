// An Erlang node as metrics: `erlang.*{node=<name@host>}`, and the runtime table when it was chosen for it. What the
// probe (collector/runtime/erlang-probe.ts) was told stands with the time it was asked for; rates are over that time.
//
// Meanings (erlang(3), statistics/1): utilisation is active time of the normal schedulers / their wall time; the split
// by state is of the same threads (emulator: code of processes; port: drivers and sockets; the rest that is not
// sleep: the runtime). Collected bytes are exact words. Mailboxes are counted by walking all processes; how old that
// count is stands beside it.

import type { ErlangProbe } from '#collector/runtime/erlang-probe.ts';
import { type RuntimeColumn, RuntimeTable } from '#collector/runtime/runtime-table.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, derivedRate, gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const AGE_PERIODS_MAX = 3;
const US_PER_S = 1e6;
const D = { decays: true };
const HIDDEN = { isHidden: true };

const read = (name: string, short: string, unit: string, help: string, more = {}): MetricSpec =>
  gauge(`erlang.${name}`, short, unit, help, more);
const grows = (name: string, short: string, unit: string, help: string, more = {}): MetricSpec =>
  counter(`erlang.${name}`, short, unit, help, more);
const bytes = (kind: string, help: string): MetricSpec =>
  read(`memory{kind=${kind}}`, 'mem', 'By', help);
const raw = (name: string): MetricSpec => grows(name, '', '1', 'raw', HIDDEN);

/** Key of the probe -> metric. */
const TOLD: Record<string, MetricSpec> = {
  run_queue: read('run_queue', 'runq', '{task}', 'processes and ports that are ready to run', D),
  active_tasks: read(
    'active_tasks',
    'act',
    '{task}',
    'processes and ports that run or are ready to',
    D,
  ),
  schedulers: read('schedulers', 'scheds', '{scheduler}', 'schedulers online'),
  switches: grows('context_switches', 'csw', '{switch}/s', 'processes scheduled', D),
  reductions: grows('reductions', 'red', '{reduction}/s', 'reductions', D),
  gc_count: grows('gc.count', 'gc/s', '{collection}/s', 'collections of garbage', D),
  gc_bytes: grows('gc.collected', 'gcB/s', 'By/s', 'memory that they freed', D),
  io_in: grows('io{direction=in}', 'inio', 'By/s', 'bytes received through ports', D),
  io_out: grows('io{direction=out}', 'outio', 'By/s', 'bytes sent through ports', D),
  dist_in: grows(
    'dist.messages{direction=in}',
    'msgin',
    '{message}/s',
    'messages from other nodes',
    D,
  ),
  dist_out: grows(
    'dist.messages{direction=out}',
    'msgout',
    '{message}/s',
    'messages to other nodes',
    D,
  ),
  cpu_ms: grows('cpu.time', 'cpu', '1', 'CPU time of the node per second', { scale: 1e-3 }),
  processes: read('process.count', 'nproc', '{process}', 'processes', D),
  process_limit: read('process.limit', 'maxproc', '{process}', 'processes that there may be'),
  ports: read('port.count', 'ports', '{port}', 'ports: sockets, files, drivers'),
  atoms: read('atom.count', 'atoms', '{atom}', 'atoms, which are never freed'),
  ets_tables: read('ets.count', 'ets', '{table}', 'ETS tables'),
  nodes: read('nodes', 'nodes', '{node}', 'connected nodes, hidden ones not counted'),
  memory_total: bytes('total', 'memory of the node'),
  memory_processes: bytes('processes', 'memory of processes'),
  memory_system: bytes('system', 'memory that belongs to no process'),
  memory_atom: bytes('atom', 'memory of atoms'),
  memory_binary: bytes('binary', 'memory of shared binaries'),
  memory_code: bytes('code', 'memory of code'),
  memory_ets: bytes('ets', 'memory of ETS tables'),
  queue_total: read('mailbox.length{stat=sum}', 'tot', '{message}', 'messages in all mailboxes'),
  queue_max: read('mailbox.length{stat=max}', 'max', '{message}', 'longest mailbox'),
  queue_nonempty: read('mailbox.nonempty', 'nonz', '{mailbox}', 'mailboxes that hold something'),
  queue_age_ms: read('mailbox.age', 'qage', 's', 'age of the count of mailboxes', { scale: 1e-3 }),
  queue_scan_us: read('mailbox.count_time', 'qtook', 's', 'how long counting them took', {
    scale: 1e-6,
  }),
  uptime_ms: read('uptime', 'up', 's', 'time since its start', { scale: 1e-3 }),
  sched_active: raw('raw.sched_active'),
  sched_wall: raw('raw.sched_wall'),
  dirty_active: raw('raw.dirty_active'),
  dirty_wall: raw('raw.dirty_wall'),
  state_emulator: raw('raw.state_emulator'),
  state_gc: raw('raw.state_gc'),
  state_port: raw('raw.state_port'),
  state_check_io: raw('raw.state_check_io'),
  state_aux: raw('raw.state_aux'),
  state_other: raw('raw.state_other'),
  state_sleep: raw('raw.state_sleep'),
};
const STATES = ['emulator', 'gc', 'port', 'check_io', 'aux', 'other', 'sleep'];

/** Columns of the runtime table that are one of these metrics each. */
const COLUMNS: [RuntimeColumn, string][] = [
  ['queueTotal', 'queue_total'],
  ['queueMax', 'queue_max'],
  ['queueNonEmpty', 'queue_nonempty'],
  ['queueAge', 'queue_age_ms'],
  ['distIn', 'dist_in'],
  ['distOut', 'dist_out'],
  ['nodes', 'nodes'],
  ['ioIn', 'io_in'],
  ['ioOut', 'io_out'],
  ['runQueue', 'run_queue'],
  ['switches', 'switches'],
  ['reductions', 'reductions'],
  ['gcCount', 'gc_count'],
  ['gcCollected', 'gc_bytes'],
  ['memoryTotal', 'memory_total'],
  ['memorySystem', 'memory_system'],
  ['memoryProcess', 'memory_processes'],
  ['processes', 'processes'],
];

export class ErlangSource implements Source {
  readonly id = 'erlang';
  readonly budgetUs = 20_000;
  readonly #probe: ErlangProbe;
  readonly #node: string;
  readonly #periodUs: number;
  readonly #runtime: RuntimeTable | undefined;
  readonly #slots = new Map<string, number>();
  readonly #shares = new Map<string, number>();
  #utilization = -1;
  #dirtyUtilization = -1;
  #answers = 0;

  constructor(
    probe: ErlangProbe,
    options: { node: string; periodMs: number; fillsTable: boolean },
  ) {
    this.#probe = probe;
    this.#node = options.node.replace(/[{},=]/g, '_');
    this.#periodUs = Math.max(1000, options.periodMs) * 1000;
    this.#runtime = options.fillsTable ? new RuntimeTable() : undefined;
  }

  probe(): Capability {
    const { failure } = this.#probe;
    return failure === undefined
      ? { state: 'ok' }
      : { state: 'absent', reason: `${this.#node}: ${failure}` };
  }

  declare(metrics: MetricScope): void {
    const named = (spec: MetricSpec): MetricSpec => ({
      ...spec,
      name: spec.name.endsWith('}')
        ? `${spec.name.slice(0, -1)},node=${this.#node}}`
        : `${spec.name}{node=${this.#node}}`,
    });
    for (const [key, spec] of Object.entries(TOLD))
      this.#slots.set(key, metrics.declare(named(spec)));
    const share = (name: string, short: string, help: string): number =>
      metrics.declare(named(derivedRate(`erlang.${name}`, short, '1', help, D)));
    this.#utilization = share(
      'scheduler.utilization',
      '%util',
      'share of the time that schedulers were active',
    );
    this.#dirtyUtilization = share(
      'dirty_cpu.utilization',
      '%dirty',
      'the same of dirty CPU schedulers',
    );
    for (const state of STATES) {
      const help = `share of the time of the schedulers in state ${state}`;
      this.#shares.set(state, share(`scheduler.time{state=${state}}`, state.slice(0, 5), help));
    }
    this.#runtime?.declare(metrics);
  }

  sample(table: SampleTable, nowUs: number): number {
    const probe = this.#probe;
    probe.arrange(nowUs, this.#periodUs / 1000);
    if (probe.answers === 0 || nowUs - probe.stampUs > AGE_PERIODS_MAX * this.#periodUs)
      return Freshness.stale;
    if (probe.answers === this.#answers) return Freshness.unchanged;
    this.#answers = probe.answers;
    for (const [key, spec] of Object.entries(TOLD)) {
      const value = probe.values.get(key);
      if (value === undefined || !(value >= 0)) continue;
      const slot = this.#slots.get(key)!;
      if (spec.counter === undefined) table.gauge(slot, value);
      else table.counterNumber(slot, value);
    }
    return probe.stampUs;
  }

  derive(table: SampleTable): void {
    const delta = (key: string): number => table.delta(this.#slots.get(key)!);
    const utilization = delta('sched_active') / delta('sched_wall');
    table.set(this.#utilization, utilization);
    table.set(this.#dirtyUtilization, delta('dirty_active') / delta('dirty_wall'));
    const all = STATES.reduce((sum, state) => sum + delta(`state_${state}`), 0);
    const shareOf = (state: string): number =>
      all > 0 ? delta(`state_${state}`) / all : Number.NaN;
    for (const state of STATES) table.set(this.#shares.get(state)!, shareOf(state));
    const runtime = this.#runtime;
    if (runtime === undefined) return;
    for (const [column, key] of COLUMNS)
      runtime.set(table, column, table.value(this.#slots.get(key)!));
    runtime.set(table, 'load', utilization * table.value(this.#slots.get('schedulers')!));
    runtime.set(table, 'utilization', utilization);
    runtime.set(table, 'process', shareOf('emulator'));
    runtime.set(table, 'port', shareOf('port'));
    const system = shareOf('gc') + shareOf('aux') + shareOf('check_io') + shareOf('other');
    runtime.set(table, 'system', system);
  }

  close(): void {}
}

/** How asking the node goes; it never falls silent. */
export class ErlangStatusSource implements Source {
  readonly id = 'erlang-status';
  readonly budgetUs = 20_000;
  readonly #probe: ErlangProbe;
  #slots: number[] = [];

  constructor(probe: ErlangProbe) {
    this.#probe = probe;
  }

  probe(): Capability {
    return { state: 'ok' };
  }

  declare(metrics: MetricScope): void {
    const of = (what: string, short: string, unit: string, help: string): number =>
      metrics.declare(gauge(`erlang.probe.${what}`, short, unit, help));
    this.#slots = [
      of('up', 'up', '1', '1 when the node answered last, 0 when it did not'),
      of('age', 'age', 's', 'since the question that was answered last'),
      of('duration', 'took', 's', 'how long that answer took'),
      of('failures', 'fail', '{answer}', 'questions without an answer since the start'),
      of('restarts', 'restarts', '{process}', 'probes that were started again'),
    ];
  }

  sample(table: SampleTable, nowUs: number): number {
    const { failure, stampUs, answeredUs, failures, restarts } = this.#probe;
    const values = [
      failure === undefined ? 1 : 0,
      (nowUs - stampUs) / US_PER_S,
      (answeredUs - stampUs) / US_PER_S,
      failures,
      restarts,
    ];
    for (let i = 0; i < values.length; i++) table.gauge(this.#slots[i]!, values[i]!);
    return Freshness.now;
  }

  close(): void {}
}
