// Logins by how full the generator already is: a search for ports, a hash table or a list that grows shows as a step.
// CPU of the generator for one login stands beside logins a second, since other programs take the time but not the CPU.

import { join } from 'node:path';
import type { Row } from '#core/metric/row.ts';
import { runLoad, startServer } from '#scripts/bench/loadgen-process.ts';
import { ROOT } from '#scripts/source-tree.ts';

export interface FillFigures {
  engine: string;
  users: number;
  logged_in: number;
  failed: number;
  logins_per_s: number;
  /** CPU of the generator for a login, in five equal parts of the fill. */
  us_at_0: number;
  us_at_20: number;
  us_at_40: number;
  us_at_60: number;
  us_at_80: number;
  /** The largest of these over the one before it: 1.5 and more is a cliff. */
  step: number;
  user_bytes: number | null;
}

const PARTS = 5;

export async function fillCost(engine: string, users: number): Promise<FillFigures> {
  const room = ['--connections', String(users + 1000), '--users', String(2 * users + 2000)];
  const server = await startServer(
    join(ROOT, 'bin/wsar'),
    ['serve', '--port', '0', '--lab', ...room],
    /^ready (\S+)/m,
  );
  try {
    const { rows, summary } = await runLoad([
      ...['--target', server.match[1]!, '--engine', engine, '--connections', String(users)],
      ...['--duration', '2s', '--lateness-max', '60s'],
    ]);
    const costs = partsOf(rows, users, summary.rampCpuUs);
    const steps = costs.slice(1).map((us, i) => us / costs[i]!);
    const bytes = summary.userBytesPerConnection;
    const [us_at_0, us_at_20, us_at_40, us_at_60, us_at_80] = costs as [
      number,
      number,
      number,
      number,
      number,
    ];
    return {
      ...{ engine, users, logged_in: summary.connections.loggedIn },
      ...{ failed: summary.connections.failed, logins_per_s: Math.round(summary.connectsPerS) },
      ...{ us_at_0, us_at_20, us_at_40, us_at_60, us_at_80 },
      step: Math.round(Math.max(...steps) * 100) / 100,
      user_bytes: Number.isFinite(bytes) ? Math.round(bytes) : null,
    };
  } finally {
    await server.end();
  }
}

/**
 * CPU of a login in each part of the fill, us, from the rows of the ramp: what stands between two seconds is taken as
 * evenly spread. A ramp of less than a second is one part.
 */
function partsOf(rows: readonly Row[], users: number, rampCpuUs: number): number[] {
  const points = rows.map(({ values }) => ({
    in: Number(values['wsar.load.connections.logged_in']),
    us: Number(values['wsar.load.cpu_us']),
  }));
  const first = points[0];
  const ramp = points.filter((_, i) => i === 0 || points[i - 1]!.in < users);
  if (first === undefined || ramp.length < 2 || first.in >= users / PARTS) {
    return new Array(PARTS).fill(Math.round((rampCpuUs / users) * 10) / 10);
  }
  const cpuAt = (fill: number): number => {
    const next = ramp.findIndex((point) => point.in >= fill);
    const after = ramp[next] ?? ramp.at(-1)!;
    const before = ramp[next - 1] ?? first;
    if (after.in === before.in) return before.us;
    return before.us + ((after.us - before.us) * (fill - before.in)) / (after.in - before.in);
  };
  return Array.from({ length: PARTS }, (_, part) => {
    const [from, to] = [Math.max(first.in, (users * part) / PARTS), (users * (part + 1)) / PARTS];
    return Math.round(((cpuAt(to) - cpuAt(from)) / (to - from)) * 10) / 10;
  });
}
