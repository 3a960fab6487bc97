// A lab for one test: a bus that is watched, and agents of this host on it, which need no namespace.

import type { TestContext } from 'node:test';
import type { Bus } from '#core/bus/bus.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { type LoadWatcher, watchLoad } from '#loadgen/test/load-watcher.ts';
import { type RunningCommand, startWsar, temporaryFolder } from '#test/command.ts';

export interface AgentLab {
  bus: Bus;
  watcher: LoadWatcher;
  env: Record<string, string>;
  agents: RunningCommand[];
  /** Starts `wsar load --hosts` on all agents, one-to-one unless `population` is asked for. */
  load(...options: string[]): RunningCommand;
  population(...options: string[]): RunningCommand;
}

/** Resolves when all agents wait on the bus. All of it ends with the test. */
export async function startAgentLab(t: TestContext, lab: string, count = 2): Promise<AgentLab> {
  const { bus, url, watcher } = await watchLoad(t, lab);
  const env = { WSAR_BUS_URL: url, WSAR_LAB: lab, WSAR_STATE_DIR: temporaryFolder(t) };
  const ids = Array.from({ length: count }, (_, index) => `h${index}`);
  const agents = ids.map((id) => startWsar(t, ['agent', '--id', id], { env }));
  await Promise.all(agents.map((agent, index) => agent.line(new RegExp(`^ready h${index}$`, 'm'))));
  const population = (...options: string[]): RunningCommand =>
    startWsar(
      t,
      ['load', '--json', '--hosts', String(count), '--lateness-max', '60s', ...options],
      { env },
    );
  const load = (...options: string[]): RunningCommand =>
    population('--scenario', 'one-to-one', ...options);
  return { bus, watcher, env, agents, load, population };
}

export function summaryOf(run: RunningCommand): LoadSummary {
  return JSON.parse(run.stdout().trimEnd().split('\n').at(-1) ?? '') as LoadSummary;
}
