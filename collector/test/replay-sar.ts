// Exact replay: Debian's own sar reads a fake /proc, bound over the real one in a mount namespace of its
// own, and we read the same two states of it. sar takes its interval from /proc/uptime and its CPUs from
// /sys/devices/system/cpu, so both are in the tree, and its rates are exact.

import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import { hostSources } from '#collector/source/source-list.ts';
import { makeProcTree, type ProcTree } from '#collector/test/proc-tree.ts';
import { readTree, type TreeReader } from '#collector/test/read-tree.ts';
import { parseSarReport } from '#collector/test/sar-report.ts';
import { watchProcess } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

/** sar's first look must come before the state changes, and its second one after. */
const SWITCH_MS = 900;
const TRIES = 5;
/** Half of the last digit that sar prints. */
export const ROUNDING = 0.005 + 1e-9;
const BLOCK_FOLDER = 'sysfs/block';
const CPU_FOLDER = 'sysfs/devices/system/cpu';

/** Why replay is not possible here; false when it is. */
export function replayObstacle(): string | false {
  const missing = needPrograms('sar', 'unshare', 'mount');
  if (missing !== false) return missing;
  return spawnSync('unshare', ['--mount', 'true']).status === 0
    ? false
    : 'mount namespaces need root (CAP_SYS_ADMIN)';
}

export interface Replayed {
  /** What sar printed: `column`, or `label column` of a CPU, a device or an interrupt. */
  sar: Map<string, number>;
  /** Ours after the second state. */
  ours: TreeReader;
}

/**
 * Lets sar (its arguments in `activities`) and us read the two states that `write(tree, 0)` and `write(tree, 1)`
 * leave, one second apart. `cpus`: how many the machine has, switched off or not.
 */
export async function replay(
  t: TestContext,
  activities: string,
  cpus: number,
  write: (tree: ProcTree, s: number) => void,
): Promise<Replayed> {
  const tree = makeProcTree(t);
  const writeAll = (s: number): void => {
    tree.write('uptime', `${(1000 + s).toFixed(2)} 900.00\n`);
    write(tree, s);
  };
  for (let cpu = 0; cpu < cpus; cpu++) tree.write(`${CPU_FOLDER}/cpu${cpu}/uevent`, '');
  tree.write(`${CPU_FOLDER}/online`, `0-${cpus - 1}\n`);
  writeAll(0);
  const ours = readTree(...hostSources(tree.root));
  t.after(() => ours.sampler.close());
  ours.tick();
  writeAll(1);
  ours.tick();
  for (let i = 0; i < TRIES; i++) {
    const sar = await askSar(t, tree, activities, writeAll);
    if (sar !== undefined) return { sar, ours };
  }
  throw new Error(`sar never looked within ${SWITCH_MS} ms of its start`);
}

/** What sar says of the step from state 0 to state 1, or undefined when it looked too late. */
async function askSar(
  t: TestContext,
  tree: ProcTree,
  activities: string,
  writeAll: (s: number) => void,
): Promise<Map<string, number> | undefined> {
  writeAll(0);
  const bind = (from: string, to: string): string =>
    `{ test ! -d '${from}' || mount --bind '${from}' ${to}; }`;
  const script = [
    bind(join(tree.root, CPU_FOLDER), '/sys/devices/system/cpu'),
    bind(join(tree.root, BLOCK_FOLDER), '/sys/block'),
    bind(tree.root, '/proc'),
    `exec sar -w ${activities} 2 1`,
  ].join(' && ');
  const sar = watchProcess(
    spawn('unshare', ['--mount', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', S_TIME_FORMAT: 'ISO', S_COLORS: 'never' },
    }),
  );
  t.after(() => void sar.child.kill('SIGKILL'));
  await setTimeoutAsync(SWITCH_MS);
  writeAll(1);
  const code = await sar.exit();
  if (code !== 0) throw new Error(`sar ended with ${code}: ${sar.stderr()}`);
  const values = parseSarReport(sar.stdout());
  return values.get('cswch/s') === 0 ? undefined : values;
}

/** sar's column, our metric, and the factor from ours to sar's. */
export type Pair = readonly [column: string, metric: string, factor: number];

/** Each pair that differs by more than sar's rounding, as a sentence. */
export function differences({ sar, ours }: Replayed, pairs: readonly Pair[]): string[] {
  return pairs.flatMap(([column, metric, factor]) => {
    // 'sum intr/s' was the column before sysstat 12.5.
    const theirs = sar.get(column) ?? sar.get(column.replace(' all', ' intr/s'));
    const mine = ours.value(metric) * factor;
    const isSame = theirs !== undefined && Math.abs(mine - theirs) <= ROUNDING;
    return isSame ? [] : [`${column}: sar ${theirs}, ${metric} ${mine}`];
  });
}
