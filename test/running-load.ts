// A real `wsar load` of messages from one user to another, what it says at the end, and a server for it.

import type { TestContext } from 'node:test';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { type RunningCommand, startWsar } from '#test/command.ts';

/** Hosts of tests are busy: how late the generator was is no matter of those that say this. */
export const UNHURRIED = ['--lateness-max', '60s'];

/** Starts it with `--json`; it is ended with the test. */
export function startLoad(
  t: TestContext,
  target: string,
  args: readonly string[],
  options: { env?: Record<string, string> } = {},
): RunningCommand {
  const what = ['load', '--scenario', 'one-to-one', '--target', target, '--json'];
  return startWsar(t, [...what, ...args], options);
}

/** The last line of a load that has ended. */
export function summaryOf(run: RunningCommand): LoadSummary {
  return JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
}

/** Starts `wsar serve` on a free port; its address. It is ended with the test. */
export async function serve(t: TestContext, args: readonly string[] = []): Promise<string> {
  const server = startWsar(t, ['serve', '--port', '0', '--lab', ...args]);
  const [, url] = await server.line(/^ready (mqtt:\S+)$/m);
  return url!;
}
