// What bench:server and bench:peers measure of a broker, the same for every one: how it is driven by the one client
// (mqtt-client.ts) and what is read of the server's process meanwhile. Figures of all rounds are gathered here.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type BenchProcess,
  CLIENT_CORE,
  residentBytes,
  startPinned,
} from '#scripts/bench/bench-process.ts';
import type { FreePort } from '#scripts/bench/erlang-peers.ts';
import type { Answer, Order } from '#scripts/bench/mqtt-client.ts';
import {
  OURS,
  type Peer,
  type PeerName,
  preciseCpuUs,
  startPeer,
  versionOf,
} from '#scripts/bench/server-peers.ts';

/** How much is asked of each broker. */
export interface LoadSize {
  rounds: number;
  /** Who talk one to one. */
  users: number;
  /** Messages under way when the loop is closed. */
  tokens: number;
  /** Open loops, messages a second. */
  rates: number[];
  seconds: number;
  warmUpS: number;
  /** Receivers of one publish. */
  fans: number[];
  /** Sessions whose memory is measured, after `idleWarmUp` others. */
  idle: number;
  idleWarmUp: number;
  /** QoS 1 messages for users who are away. */
  stored: number;
  /** Steps of the search for the most messages a second; 0 leaves it out. */
  searchSteps: number;
}

/** What can be measured alone, as --only=idle,fan; all in a run without it. */
export const PARTS = ['idle', 'messages', 'drain', 'fan'] as const;
type PartName = (typeof PARTS)[number];

/** All rounds of one broker. Keys of the first three: qos0@4000, qos1@saturated. */
export interface PeerFigures {
  cpuUs: Record<string, number[]>;
  perS: Record<string, number[]>;
  p99Us: Record<string, number[]>;
  logins: number[];
  idleBytes: number[];
  /** CPU of a delivered message by the number of receivers. */
  fanUs: Record<string, number[]>;
  drainPerS: number[];
  drainUs: number[];
  limits: PeerLimit[];
}

/** The highest rate of QoS 1 messages that the search found to be held, and the latency at half of it. */
export interface PeerLimit {
  perS: number;
  /** Of its core that the server used at that rate; far below 1 the client was the limit. */
  serverCpuRatio: number;
  halfP99Us: number;
  halfCpuUs: number;
}

type Open = Extract<Order, { do: 'open' }>;
type Talk = Extract<Order, { do: 'talk' }>;

export const OFFLINE_USERS = 100;
/** A rate is held when every message came, at that rate, and 99 of 100 within this. */
const HELD_P99_US_MAX = 100_000;
const HELD_RATE_RATIO_MIN = 0.95;
/** A pause of the whole machine is not the server's limit. */
const HELD_TRIES_MAX = 2;
/** Time for the server to give back what logins needed for a moment. */
const IDLE_REST_MS = 500;

/** Measures all brokers that are there, one after the other, round after round. */
export async function measureAll(
  wanted: { peers: readonly PeerName[]; only: readonly PartName[] },
  size: LoadSize,
  freePort: FreePort,
): Promise<Map<PeerName, PeerFigures>> {
  const names = wanted.peers.filter((name) => {
    const isThere = versionOf(name) !== undefined;
    if (!isThere) process.stderr.write(`${name} is not installed: left out\n`);
    return isThere;
  });
  const parts = new Set(wanted.only);
  const figures = new Map(names.map((name) => [name, newFigures()]));
  const scratch = mkdtempSync(join(tmpdir(), 'wsar-bench-server-'));
  const remove = (): void => rmSync(scratch, { recursive: true, force: true });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      remove();
      process.kill(process.pid, signal); // Its servers and clients die with it.
    });
  }
  try {
    for (let round = 0; round < size.rounds; round++) {
      // Rotated, so that no server always runs first.
      for (let turn = 0; turn < names.length; turn++) {
        const name = names[(round + turn) % names.length]!;
        await measure(name, { size, parts, scratch, freePort, figures: figures.get(name)! });
      }
    }
  } finally {
    remove();
  }
  return figures;
}

interface Round {
  size: LoadSize;
  parts: Set<PartName>;
  scratch: string;
  freePort: FreePort;
  figures: PeerFigures;
}

interface Pair {
  peer: Peer;
  client: BenchProcess;
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
    limits: [],
  };
}

async function measure(name: PeerName, round: Round): Promise<void> {
  const { parts } = round;
  const isOurs = OURS.includes(name);
  await withPeer(name, ['--lab'], round, async (pair) => {
    // First: memory that other loads have left behind would hide what sessions take.
    if (parts.has('idle')) await measureIdle(pair, round);
    if (parts.has('messages')) await measureMessages(pair, round);
    if (parts.has('drain')) await measureDrain(pair, round);
    if (parts.has('fan') && !isOurs) await measureFan(pair, round);
  });
  // Ours opens general topics in this profile only, so it starts once more, cold.
  if (parts.has('fan') && isOurs) {
    await withPeer(name, ['--profile', 'conformance'], round, (pair) => measureFan(pair, round));
  }
}

/** Starts a broker and its client for `use`; `purpose` is how ours is told what it is for. */
async function withPeer(
  name: PeerName,
  purpose: string[],
  { size, scratch, freePort }: Round,
  use: (pair: Pair) => Promise<void>,
): Promise<void> {
  const capacity = size.idle + 4000;
  // Tables for those who come: a table of users is touched all over by the first ones.
  const peer = await startPeer(name, freePort, scratch, [
    ...[...purpose, '--connections', String(capacity), '--users', String(capacity * 2)],
    ...['--mailbox', '100000'],
  ]);
  const client = startPinned(CLIENT_CORE, process.execPath, [
    join(dirname(fileURLToPath(import.meta.url)), 'mqtt-client.ts'),
    ...[String(peer.port), String(capacity), ...peer.login],
  ]);
  try {
    await use({ peer, client });
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
async function cost({ peer, client }: Pair, order: Order): Promise<Answer & { cpuUs: number }> {
  const beforeUs = preciseCpuUs(peer.pid);
  const answer = await ask(client, order);
  return { ...answer, cpuUs: preciseCpuUs(peer.pid) - beforeUs };
}

async function measureIdle({ peer, client }: Pair, { size, figures }: Round): Promise<void> {
  const { idle, idleWarmUp } = size;
  const login = { do: 'open', clean: true, filter: 'own' } as const;
  const warmUp: Open = { ...login, users: idleWarmUp, first: 0 };
  await ask(client, warmUp);
  await ask(client, { do: 'close' });
  await ask(client, warmUp);
  await sleep(IDLE_REST_MS);
  const before = residentBytes(peer.pid);
  const { seconds, count, failed } = await ask(client, {
    ...{ ...login, users: idle, first: idleWarmUp },
  });
  // On a machine that stands still for seconds a login may be given up by either side.
  if (failed > idle / 100) throw new Error(`${peer.name}: ${failed} logins failed`);
  await sleep(IDLE_REST_MS);
  figures.logins.push(count / seconds);
  figures.idleBytes.push((residentBytes(peer.pid) - before) / count);
  await ask(client, { do: 'close' });
}

async function measureMessages(pair: Pair, { size, figures }: Round): Promise<void> {
  const { peer, client } = pair;
  const { users, seconds, warmUpS, tokens, rates } = size;
  await ask(client, { do: 'open', users, first: 0, clean: true, filter: 'own' });
  for (const qos of [0, 1] as const) {
    const common = { do: 'talk', users, qos } as const;
    await ask(client, { ...common, tokens, seconds: warmUpS });
    const loads: Record<string, Pick<Talk, 'rate' | 'tokens' | 'chain'>> = {
      ...Object.fromEntries(rates.map((rate) => [rate, { rate }])),
      saturated: { tokens },
      chained: { tokens, chain: true },
    };
    for (const [name, load] of Object.entries(loads)) {
      const answer = await cost(pair, { ...common, ...load, seconds });
      const { count, failed, cpuUs, latencyUs } = answer;
      if (failed !== 0) throw new Error(`${peer.name}: ${failed} messages did not come`);
      const key = `qos${qos}@${name}`;
      (figures.cpuUs[key] ??= []).push(cpuUs / count);
      (figures.perS[key] ??= []).push(count / answer.seconds);
      (figures.p99Us[key] ??= []).push(latencyUs!.p99);
    }
  }
  if (size.searchSteps > 0) {
    const guessPerS = figures.perS['qos1@saturated']!.at(-1)!;
    figures.limits.push(await searchLimit(pair, size, guessPerS));
  }
  await ask(client, { do: 'close' });
}

/** Halves, in ratio, the span in which the limit of an open loop lies; then measures at half of what was held. */
async function searchLimit(pair: Pair, size: LoadSize, guessPerS: number): Promise<PeerLimit> {
  const { users, seconds, searchSteps } = size;
  const common = { do: 'talk', users, qos: 1 } as const;
  let held = { perS: guessPerS / 8, serverCpuRatio: Number.NaN };
  let tooMany = guessPerS * 2;
  for (let step = 0; step < searchSteps; step++) {
    const rate = Math.sqrt(held.perS * tooMany);
    let isHeld = false;
    for (let attempt = 0; attempt < HELD_TRIES_MAX && !isHeld; attempt++) {
      const answer = await cost(pair, { ...common, rate, seconds });
      isHeld =
        answer.failed === 0 &&
        answer.count >= rate * seconds * HELD_RATE_RATIO_MIN &&
        answer.latencyUs!.p99 <= HELD_P99_US_MAX;
      if (isHeld) held = { perS: rate, serverCpuRatio: answer.cpuUs / (answer.seconds * 1e6) };
    }
    if (!isHeld) tooMany = rate;
  }
  const half = await cost(pair, { ...common, rate: held.perS / 2, seconds });
  const halfCpuUs = half.cpuUs / half.count;
  return { ...held, halfP99Us: half.latencyUs!.p99, halfCpuUs };
}

/** One publish at a time, to all. A server that refuses the filter has no figure. */
async function measureFan(pair: Pair, { size, figures }: Round): Promise<void> {
  const { client } = pair;
  // The first one is to warm up.
  for (const [index, receivers] of [10, ...size.fans].entries()) {
    const opened = await ask(client, {
      ...{ do: 'open', users: receivers, first: 0, clean: true, filter: 'fan' },
    });
    if (opened.failed === 0) {
      const order: Order = { do: 'fan', receivers, seconds: size.seconds / 2 };
      const { count, cpuUs } = await cost(pair, order);
      if (count > 0 && index > 0) (figures.fanUs[receivers] ??= []).push(cpuUs / count);
    }
    await ask(client, { do: 'close' });
  }
}

async function measureDrain(pair: Pair, { size, figures }: Round): Promise<void> {
  const { peer, client } = pair;
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
  const drained = await cost(pair, { ...open, messages });
  if (drained.failed > 0) throw new Error(`${peer.name}: ${drained.failed} messages did not come`);
  figures.drainUs.push(drained.cpuUs / messages);
  figures.drainPerS.push(messages / drained.seconds);
  await ask(client, { do: 'close' });
}
