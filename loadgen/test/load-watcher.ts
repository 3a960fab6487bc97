// A bus for one test, and everything that a load says on it.

import type { TestContext } from 'node:test';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { Row, SourceSchema } from '#core/metric/row.ts';

/** Resolves when `condition` holds; looked at with every message of the bus. */
export class LoadWatcher {
  readonly rows: Row[] = [];
  readonly events: LabEvent[] = [];
  schema: SourceSchema | undefined;
  #waiting: (() => void)[] = [];

  take(name: string, value: unknown): void {
    if (name.endsWith('/row')) this.rows.push(value as Row);
    else if (name.endsWith('/event')) this.events.push(value as LabEvent);
    else if (name.endsWith('/schema')) this.schema = value as SourceSchema;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** A gauge or counter of the newest row. */
  last(name: string): number {
    return this.rows.at(-1)?.values[name] ?? Number.NaN;
  }

  phases(): (string | undefined)[] {
    return this.events.filter(({ kind }) => kind === 'phase').map(({ text }) => text);
  }
}

/** A bus of lab `lab` and who listens to the load on it; both end with the test. */
export async function watchLoad(
  t: TestContext,
  lab: string,
): Promise<{ bus: Bus; url: string; watcher: LoadWatcher }> {
  const embedded = await startEmbeddedBus();
  t.after(() => embedded.close());
  const bus = await connectBus(embedded.url, { clientId: 'test' });
  t.after(() => bus.close());
  const watcher = new LoadWatcher();
  await bus.subscribe(`wsar/${lab}/+/load/+`, (name, value) => watcher.take(name, value));
  return { bus, url: embedded.url, watcher };
}
