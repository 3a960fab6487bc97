// /proc/net/snmp6: what IP version 6 counted. Part of `--detail`.

import type { SampleTable } from '#collector/sample-table.ts';
import { KeyedFile } from '#collector/source/keyed-file.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

export class Ip6CounterSource implements Source {
  readonly id = 'ip6';
  readonly budgetUs = 20_000;
  readonly #file: KeyedFile;

  constructor(root: string) {
    this.#file = new KeyedFile(`${root}/net/snmp6`, {}, (key) =>
      counter(`network.linux.counter{name=${key}}`, key, '{event}/s', `kernel counter ${key}`),
    );
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#file.declare(metrics);
  }

  sample(table: SampleTable): number {
    return this.#file.sample(table) ? Freshness.now : Freshness.stale;
  }

  close(): void {
    this.#file.close();
  }
}
