// npm run bench:loadgen [-- --small] [-- --json] [-- --only TABLES]: what `wsar load` costs and what it shows, beside
// other generators in the same run. All tables take about ten minutes; each of them alone less than four:
//
//   engines   every engine of this host on `wsar serve`: logins a second, own memory of a user, CPU of a message
//   fill      CPU of a login by how full the generator is: 500,000 kernel sockets, 1,000,000 clients of engine stack
//   ports     CPU of a connection by how full the ports of one address are, for each plan of ports
//   hosts     150,000 users on 30 virtual hosts, one of which is killed
//   message   CPU of one QoS 1 message through Debian's mosquitto, by ours, mosquitto's clients and tsung
//   frozen    a server that stands still: samples that saw it, and p99.9, by us, wrk and autocannon
//
// Ratios count; absolute figures are this machine's.

import { join } from 'node:path';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import { whyNoStack } from '#core/socket/stack/why-no-stack.ts';
import { benchOptions, json, small, words } from '#scripts/bench/bench-options.ts';
import { fillCost } from '#scripts/bench/loadgen-fill.ts';
import { frozenServer } from '#scripts/bench/loadgen-frozen.ts';
import { hostDeaths } from '#scripts/bench/loadgen-hosts.ts';
import { messageCosts } from '#scripts/bench/loadgen-peers.ts';
import { portCosts } from '#scripts/bench/loadgen-ports.ts';
import { runLoad, startServer } from '#scripts/bench/loadgen-process.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { freePort } from '#test/free-port.ts';

const NAMES = ['engines', 'fill', 'ports', 'hosts', 'message', 'frozen'] as const;
const {
  small: isSmall,
  json: isJson,
  only,
} = benchOptions('bench:loadgen', { small, json, only: words('tables', NAMES) });
const size = isSmall
  ? { users: 500, netUsers: 500, ratePerS: 300, seconds: 1, messages: 200 }
  : { users: 100_000, netUsers: 18_000, ratePerS: 5000, seconds: 20, messages: 40_000 };
const frozen = isSmall
  ? { ratePerS: 200, connections: 10, seconds: 7, frozenS: 1 }
  : { ratePerS: 1000, connections: 50, seconds: 15, frozenS: 5 };

interface EngineFigures {
  engine: string;
  users: number;
  logins_per_s: number;
  user_bytes: number | null;
  cpu_us_per_message: number | null;
  lateness_p99_us: number;
}

const fill = isSmall ? { ring: 3000, stack: 3000 } : { ring: 500_000, stack: 1_000_000 };
const ports = isSmall ? 1000 : 9000;
const hosts = isSmall
  ? { hosts: 4, usersEach: 25, ratePerS: 100, seconds: 4 }
  : { hosts: 30, usersEach: 5000, ratePerS: 1000, seconds: 15 };

const TABLES: Record<(typeof NAMES)[number], () => Promise<object[]> | object[]> = {
  engines: () => eachEngine(['ring', 'epoll', 'net', 'stack'], measureEngine),
  fill: () => eachEngine(['ring', 'stack'], (engine) => fillCost(engine, fill[engine])),
  ports: () => portCosts(ports),
  hosts: () => hostDeaths(hosts),
  message: async () => await messageCosts(size.messages, await freePort(), await freePort()),
  frozen: () => frozenServer(frozen),
};
for (const name of only) print(name, await TABLES[name]());

/** Those that this host has, one after the other. */
async function eachEngine<E extends 'ring' | 'epoll' | 'net' | 'stack'>(
  engines: readonly E[],
  measure: (engine: E) => Promise<object>,
): Promise<object[]> {
  const rows: object[] = [];
  for (const engine of engines) {
    const lack = engine === 'stack' ? whyNoStack() : lackOf(engine);
    if (lack === undefined) rows.push(await measure(engine));
    else process.stderr.write(`engine ${engine} is left out: ${lack}\n`);
  }
  return rows;
}

function lackOf(engine: EngineName): string | undefined {
  try {
    chooseEngine(engine);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function measureEngine(engine: EngineName): Promise<EngineFigures> {
  // These two need a descriptor for each connection.
  const users = engine === 'net' || engine === 'epoll' ? size.netUsers : size.users;
  const room = ['--connections', String(users + 1000), '--users', String(2 * users + 2000)];
  const wsar = join(ROOT, 'bin/wsar');
  const server = await startServer(
    wsar,
    ['serve', '--port', '0', '--lab', ...room],
    /^ready (\S+)/m,
  );
  try {
    const target = ['--target', server.match[1]!, '--engine', engine];
    const { summary } = await runLoad([
      ...[...target, '--connections', String(users), '--rate', `${size.ratePerS}/s`],
      ...['--duration', `${size.seconds}s`, '--lateness-max', '60s'],
    ]);
    return {
      engine,
      users: summary.connections.loggedIn,
      logins_per_s: Math.round(summary.connectsPerS),
      user_bytes: Number.isFinite(summary.userBytesPerConnection)
        ? Math.round(summary.userBytesPerConnection)
        : null,
      cpu_us_per_message: summary.cpuUsPerMessage,
      lateness_p99_us: summary.latenessUs.p99,
    };
  } finally {
    await server.end();
  }
}

function print(table: string, rows: readonly object[]): void {
  if (isJson) {
    for (const row of rows) process.stdout.write(`${JSON.stringify({ table, ...row })}\n`);
    return;
  }
  const heads = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => Object.values(row).map((value) => String(value ?? '-')));
  const widths = heads.map((head, i) =>
    Math.max(head.length, ...cells.map((line) => line[i]!.length)),
  );
  const line = (words: string[]): string =>
    `${words.map((word, i) => (i === 0 ? word.padEnd(widths[i]!) : word.padStart(widths[i]!))).join('  ')}\n`;
  process.stdout.write(`${table}\n${line(heads)}${cells.map(line).join('')}\n`);
}
