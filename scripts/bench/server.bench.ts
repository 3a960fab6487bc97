// npm run bench:server [-- --small] [-- --json]: `wsar serve` (engines ring and net) beside mosquitto and aedes in
// one run, interleaved, the same client for all (mqtt-client.ts), plain MQTT 3.1.1. Server on one core, client on
// the other. What is measured of the whole server process:
//
//   CPU of a delivered message, QoS 0 and 1, at several rates (open loop) and saturated (closed loop)
//   logins a second; memory of an idle session with one subscription; fan-out; drain of offline users
//
// Medians of rounds. Ratios count: absolute figures are this machine's and wander with what else runs on it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BenchProcess, residentBytes, startPinned } from '#scripts/bench/bench-process.ts';
import type { Answer, Order } from '#scripts/bench/mqtt-client.ts';
import {
  hasMosquitto,
  PEER_NAMES,
  type Peer,
  type PeerName,
  preciseCpuUs,
  startPeer,
} from '#scripts/bench/server-peers.ts';
import { type PeerFigures, printTable } from '#scripts/bench/server-table.ts';
import { freePort } from '#test/free-port.ts';

const isSmall = process.argv.includes('--small');
const CLIENT_CORE = 1;
const size = isSmall
  ? { rounds: 1, users: 100, seconds: 0.3, warmUpS: 0.2, idle: 500, stored: 500 }
  : { rounds: rounds(), users: 1000, seconds: 2, warmUpS: 1.5, idle: 15_000, stored: 20_000 };
const RATES = isSmall ? [1000] : [1000, 4000, 12_000];
const FANS = isSmall ? [1, 10] : [1, 10, 100, 1000];
const TOKENS = isSmall ? 20 : 1000;
const OFFLINE_USERS = 100;
/** Sessions before the memory of idle ones is measured: what a server allocates once is not theirs. */
const IDLE_WARM_UP = isSmall ? 50 : 1000;

const scratch = mkdtempSync(join(tmpdir(), 'wsar-bench-server-'));
try {
  await main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const isThere = await hasMosquitto();
  if (!isThere) process.stderr.write('mosquitto is not installed: left out\n');
  const wanted = process.argv
    .find((arg) => arg.startsWith('--peers='))
    ?.slice(8)
    .split(',');
  const names = PEER_NAMES.filter(
    (name) => (name !== 'mosquitto' || isThere) && (wanted?.includes(name) ?? true),
  );
  const figures = new Map(names.map((name) => [name, newFigures()]));
  for (let round = 0; round < size.rounds; round++) {
    // Rotated, so that no server always runs first.
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length]!;
      await measure(name, figures.get(name)!);
    }
  }
  printTable(figures, {
    isJson: process.argv.includes('--json'),
    rates: RATES,
    fans: FANS,
    head:
      `${size.users} users one to one, 64 B, ${size.rounds} interleaved rounds of ${size.seconds} s, medians; ` +
      `idle: ${size.idle} sessions with one subscription; ` +
      `drain: ${size.stored} QoS 1 messages of ${OFFLINE_USERS} users`,
  });
}

/** --rounds=N, or 3. */
function rounds(): number {
  return Number(process.argv.find((arg) => arg.startsWith('--rounds='))?.slice(9) ?? 3);
}

function newFigures(): PeerFigures {
  return {
    cpuUs: {},
    perS: {},
    p99Us: {},
    logins: [],
    idleBytes: [],
    fanUs: {},
    drainPerS: [],
    drainUs: [],
  };
}

async function measure(name: PeerName, figures: PeerFigures): Promise<void> {
  await withPeer(name, ['--lab'], async (peer, client) => {
    await measureMessages(peer, client, figures);
    await measureDrain(peer, client, figures);
    await measureIdle(peer, client, figures);
  });
  // General topics are open in this profile only.
  await withPeer(name, ['--profile', 'conformance'], async (peer, client) => {
    await measureFan(peer, client, figures);
  });
}

/** Starts a broker and its client for `use`; `purpose` is how ours is told what it is for. */
async function withPeer(
  name: PeerName,
  purpose: string[],
  use: (peer: Peer, client: BenchProcess) => Promise<void>,
): Promise<void> {
  const capacity = size.idle + 4000;
  const peer = await startPeer(name, await freePort(), scratch, [
    ...[...purpose, '--connections', String(capacity), '--mailbox', '100000'],
  ]);
  const client = startPinned(CLIENT_CORE, process.execPath, [
    join(dirname(fileURLToPath(import.meta.url)), 'mqtt-client.ts'),
    String(peer.port),
    String(capacity),
  ]);
  try {
    await use(peer, client);
  } finally {
    await client.end();
    await peer.end();
  }
}

async function ask(client: BenchProcess, order: Order): Promise<Answer> {
  client.say(JSON.stringify(order));
  return JSON.parse(await client.line());
}

/** Answer and CPU of the server meanwhile, us. */
async function cost(
  peer: Peer,
  client: BenchProcess,
  order: Order,
): Promise<Answer & { cpuUs: number }> {
  const beforeUs = preciseCpuUs(peer.pid);
  const answer = await ask(client, order);
  return { ...answer, cpuUs: preciseCpuUs(peer.pid) - beforeUs };
}

async function measureMessages(
  peer: Peer,
  client: BenchProcess,
  figures: PeerFigures,
): Promise<void> {
  const { users, seconds, warmUpS } = size;
  await ask(client, { do: 'open', users, first: 0, clean: true, filter: 'own' });
  for (const qos of [0, 1] as const) {
    const common = { do: 'talk', users, qos } as const;
    await ask(client, { ...common, tokens: TOKENS, seconds: warmUpS });
    for (const rate of [...RATES, undefined]) {
      const load = rate === undefined ? { tokens: TOKENS } : { rate };
      const {
        count,
        failed,
        cpuUs,
        latencyUs,
        seconds: tookS,
      } = await cost(peer, client, {
        ...common,
        ...load,
        seconds,
      });
      if (failed !== 0) throw new Error(`${peer.name}: ${failed} messages did not come`);
      const key = `qos${qos}@${rate ?? 'saturated'}`;
      (figures.cpuUs[key] ??= []).push(cpuUs / count);
      (figures.perS[key] ??= []).push(count / tookS);
      (figures.p99Us[key] ??= []).push(latencyUs!.p99);
    }
  }
  await ask(client, { do: 'close' });
}

/** One publish at a time, to all. A server that refuses the filter has no figure. */
async function measureFan(peer: Peer, client: BenchProcess, figures: PeerFigures): Promise<void> {
  // The first one is to warm up.
  for (const [index, receivers] of [10, ...FANS].entries()) {
    const opened = await ask(client, {
      ...{ do: 'open', users: receivers, first: 0, clean: true, filter: 'fan' },
    });
    if (opened.failed === 0) {
      const { count, cpuUs } = await cost(peer, client, {
        ...{ do: 'fan', receivers, seconds: size.seconds / 2 },
      });
      if (count > 0 && index > 0) (figures.fanUs[receivers] ??= []).push(cpuUs / count);
    }
    await ask(client, { do: 'close' });
  }
}

async function measureDrain(peer: Peer, client: BenchProcess, figures: PeerFigures): Promise<void> {
  const away = { first: 2000, clean: false, filter: 'own' } as const;
  const open = { do: 'open', users: OFFLINE_USERS, ...away } as const;
  await ask(client, open);
  await ask(client, { do: 'close' });
  await ask(client, { do: 'open', users: 1, first: 0, clean: true, filter: 'none' });
  const messages = size.stored;
  const stored = await ask(client, {
    ...{ do: 'store', users: OFFLINE_USERS, first: away.first, messages },
  });
  if (stored.failed > 0) throw new Error(`${peer.name}: ${stored.failed} messages not stored`);
  const beforeUs = preciseCpuUs(peer.pid);
  const drained = await ask(client, { ...open, messages });
  if (drained.failed > 0) throw new Error(`${peer.name}: ${drained.failed} messages did not come`);
  figures.drainUs.push((preciseCpuUs(peer.pid) - beforeUs) / messages);
  figures.drainPerS.push(messages / drained.seconds);
  await ask(client, { do: 'close' });
}

async function measureIdle(peer: Peer, client: BenchProcess, figures: PeerFigures): Promise<void> {
  const login = { do: 'open', clean: true, filter: 'own' } as const;
  await ask(client, { ...login, users: IDLE_WARM_UP, first: 0 });
  const before = residentBytes(peer.pid);
  const { seconds, count, failed } = await ask(client, {
    ...{ ...login, users: size.idle, first: IDLE_WARM_UP },
  });
  // On a machine that stands still for seconds a login may be given up by either side.
  if (failed > size.idle / 100) throw new Error(`${peer.name}: ${failed} logins failed`);
  figures.logins.push(count / seconds);
  figures.idleBytes.push((residentBytes(peer.pid) - before) / count);
}
