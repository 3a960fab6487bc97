// npm run bench:loadgen [-- --small] [-- --json]: what `wsar load` costs and what it shows, beside other
// generators in the same run. Three tables:
//
//   engines   every engine of this host on `wsar serve`: logins a second, the worst tenth of the ramp against the
//             best, own memory of a user, CPU of a message
//   message   CPU of one QoS 1 message through Debian's mosquitto, by ours, mosquitto's clients and tsung
//   frozen    a server that stands still: samples that saw it, and p99.9, by us, wrk and autocannon
//
// Ratios count; absolute figures are this machine's.

import { join } from 'node:path';
import type { Row } from '#core/metric/row.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { whyNoStack } from '#core/socket/stack/why-no-stack.ts';
import { type FrozenFigures, frozenServer } from '#scripts/bench/loadgen-frozen.ts';
import { type MessageCost, messageCosts } from '#scripts/bench/loadgen-peers.ts';
import { runLoad, startServer } from '#scripts/bench/loadgen-process.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { freePort } from '#test/free-port.ts';

const isSmall = process.argv.includes('--small');
const isJson = process.argv.includes('--json');
const size = isSmall
  ? { users: 500, netUsers: 500, ratePerS: 300, seconds: 1, messages: 200 }
  : { users: 100_000, netUsers: 18_000, ratePerS: 5000, seconds: 20, messages: 40_000 };
const frozen = isSmall
  ? { ratePerS: 200, connections: 10, seconds: 4, frozenS: 1 }
  : { ratePerS: 1000, connections: 50, seconds: 15, frozenS: 5 };

interface EngineFigures {
  engine: string;
  users: number;
  logins_per_s: number;
  /** Logins a second in the best part of the ramp over those in the worst; 1 = no cliff. */
  step: number;
  user_bytes: number | null;
  cpu_us_per_message: number | null;
  lateness_p99_us: number;
}

const engines: EngineFigures[] = [];
const names = ['ring', 'epoll', 'net', 'stack'] as const;
for (const engine of names) {
  const lack = engine === 'stack' ? whyNoStack() : lackOf(engine);
  if (lack === undefined) engines.push(await measureEngine(engine));
  else process.stderr.write(`engine ${engine} is left out: ${lack}\n`);
}
print('engines', engines);
print('message', await messageCosts(size.messages, await freePort()));
print('frozen', await frozenServer(frozen));

function lackOf(engine: 'ring' | 'epoll' | 'net'): string | undefined {
  try {
    chooseEngine(engine);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function measureEngine(engine: (typeof names)[number]): Promise<EngineFigures> {
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
    const { rows, summary } = await runLoad([
      ...[...target, '--connections', String(users), '--rate', `${size.ratePerS}/s`],
      ...['--duration', `${size.seconds}s`, '--lateness-max', '60s'],
    ]);
    return {
      engine,
      users: summary.connections.loggedIn,
      logins_per_s: Math.round(summary.connectsPerS),
      step: worstStep(rows, users),
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

/** Best whole second of the ramp over its worst; its first and last seconds are parts of seconds. */
function worstStep(rows: readonly Row[], users: number): number {
  const inAt = rows.map(({ values }) => Number(values['wsar.load.connections.logged_in']));
  const perSecond = inAt
    .map((now, i) => now - (inAt[i - 1] ?? 0))
    .filter((_, i) => i > 1 && inAt[i]! < users);
  if (perSecond.length < 2) return 1;
  return Math.round((Math.max(...perSecond) / Math.max(1, Math.min(...perSecond))) * 100) / 100;
}

function print(table: string, rows: EngineFigures[] | MessageCost[] | FrozenFigures[]): void {
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
