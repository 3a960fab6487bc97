// The network of another process: /proc/PID/net is that of its network namespace. The sources that read /proc/net for
// this one read it for that one, under names with `netns=PID` behind them; both stand in a row.
//
// Kernel fact (fs/proc/proc_net.c): an open file of /proc/PID/net holds the namespace, also after its processes have
// ended. So this source watches the process, and closes the files when it is gone.

import { ProcessStat } from '#collector/process/process-stat.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import { MetricScope } from '#collector/source/metric-scope.ts';
import { instanceName } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

export class NetworkNamespaceSource implements Source {
  readonly id: string;
  readonly budgetUs: number;
  readonly #pid: number;
  readonly #inner: Source;
  readonly #process: ProcessStat;
  #startTicks = -1;
  #isGone = false;

  /** `inner` reads `${root}/${pid}` as its root. */
  constructor(root: string, pid: number, inner: Source) {
    this.id = `${inner.id}@${pid}`;
    this.budgetUs = inner.budgetUs;
    this.#pid = pid;
    this.#inner = inner;
    this.#process = new ProcessStat(`${root}/${pid}`);
  }

  probe(): Capability {
    if (!this.#process.read()) {
      return { state: 'absent', reason: `there is no process ${this.#pid}` };
    }
    return this.#inner.probe();
  }

  declare(metrics: MetricScope): void {
    this.#inner.declare(new NamedScope(metrics, this.#pid));
  }

  sample(table: SampleTable, nowUs: number): number {
    if (this.#isGone) return Freshness.stale;
    const isThere = this.#process.read();
    if (isThere && this.#startTicks < 0) this.#startTicks = this.#process.startTicks;
    if (!isThere || this.#process.startTicks !== this.#startTicks) {
      this.#isGone = true;
      this.close();
      return Freshness.stale;
    }
    return this.#inner.sample(table, nowUs);
  }

  derive(table: SampleTable): void {
    this.#inner.derive?.(table);
  }

  close(): void {
    this.#process.close();
    this.#inner.close();
  }
}

/** Declares in another scope, under names of the namespace. */
class NamedScope extends MetricScope {
  readonly #outer: MetricScope;
  readonly #pid: number;

  constructor(outer: MetricScope, pid: number) {
    super(outer.registry);
    this.#outer = outer;
    this.#pid = pid;
  }

  override declare(spec: MetricSpec): number {
    return this.#outer.declare(this.#named(spec));
  }

  override redeclare(slot: number, spec: MetricSpec): void {
    this.#outer.redeclare(slot, this.#named(spec));
  }

  #named(spec: MetricSpec): MetricSpec {
    return {
      ...spec,
      name: instanceName(spec.name, 'netns', this.#pid),
      help: `${spec.help}; network of process ${this.#pid}`,
    };
  }
}
