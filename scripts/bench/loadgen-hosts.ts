// A population on many virtual hosts, one of which is killed in the middle: what the report shows of it, what the exit
// code says by policy, and that nothing is left of the hosts.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { whyNoVirtualHosts } from '#loadgen/hosts/virtual-hosts.ts';
import { runLoad, startServer } from '#scripts/bench/loadgen-process.ts';
import { ROOT } from '#scripts/source-tree.ts';

export interface HostsSize {
  hosts: number;
  usersEach: number;
  ratePerS: number;
  seconds: number;
}

export interface HostsFigures {
  policy: string;
  hosts: number;
  users: number;
  logins_per_s: number;
  /** Users in before the kill, and in the first row after it that shows it. */
  in_before: number;
  in_after: number;
  /** From the kill to the row that shows it, s. */
  seen_after_s: number;
  /** Hosts alive of all, at the end. */
  coverage: string;
  lost: number;
  clock_error_us: number;
  exit: number;
  /** Processes and devices of the hosts that are still there. */
  left: number;
}

/** Both policies that need no spare; empty where namespaces cannot be made. */
export async function hostDeaths(size: HostsSize): Promise<HostsFigures[]> {
  const lack = whyNoVirtualHosts();
  if (lack !== undefined) {
    process.stderr.write(`hosts are left out: ${lack}\n`);
    return [];
  }
  return [await oneDeath('degrade', size), await oneDeath('abort', size)];
}

async function oneDeath(policy: string, size: HostsSize): Promise<HostsFigures> {
  const users = size.hosts * size.usersEach;
  const room = ['--connections', String(users + 1000), '--users', String(2 * users + 2000)];
  const server = await startServer(
    join(ROOT, 'bin/wsar'),
    ['serve', '--port', '0', '--lab', ...room],
    /^ready (\S+)/m,
  );
  let pids: number[] = [];
  let killedMs = 0;
  const args = [
    ...['--target', server.match[1]!, '--virtual-hosts', String(size.hosts), '--on-loss', policy],
    ...['--connections', String(users), '--rate', `${size.ratePerS}/s`],
    ...['--duration', `${size.seconds}s`, '--lateness-max', '60s'],
  ];
  try {
    const { rows, summary, exitCode, lastWords } = await runLoad(args, ({ values }, talk) => {
      if (killedMs > 0 || !(Number(values['wsar.load.messages.received']) > size.ratePerS)) return;
      pids = [...talk.matchAll(/virtual host \S+: process (\d+)/g)].map(([, pid]) => Number(pid));
      killedMs = Date.now();
      process.kill(pids[size.hosts >> 1]!, 'SIGKILL');
    });
    const isIn = (row: (typeof rows)[number] | undefined): number =>
      Number(row?.values['wsar.load.connections.logged_in'] ?? Number.NaN);
    // Before all hosts are there, coverage is below 1 too.
    const dip = rows.findIndex(
      ({ wallMs, values }) => wallMs > killedMs && Number(values['wsar.load.coverage']) < 1,
    );
    if (summary.hosts === undefined) throw new Error(lastWords);
    const { alive, total, lost, clockErrorUsMax } = summary.hosts;
    return {
      ...{ policy, hosts: size.hosts, users, logins_per_s: Math.round(summary.connectsPerS) },
      in_before: isIn(rows[dip - 1]),
      in_after: isIn(rows[dip]),
      seen_after_s: Math.round(((rows[dip]?.wallMs ?? Number.NaN) - killedMs) / 100) / 10,
      coverage: `${alive}/${total}`,
      lost: lost.length,
      clock_error_us: clockErrorUsMax,
      exit: exitCode ?? -1,
      left: pids.filter(
        (pid) => existsSync(`/proc/${pid}`) || existsSync(`/sys/class/net/wv${pid}`),
      ).length,
    };
  } finally {
    await server.end();
  }
}
