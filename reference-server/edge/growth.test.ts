// No turn is long while the server grows to a million sessions with a million queued messages, nor when a mailbox of
// hundreds of thousands is thrown away: tables are made in full size and touched as they are needed, so nothing is
// ever moved to a larger one. Measured is the CPU of the thread, which others on the host cannot make longer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#core/clock/clock.ts';
import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';
import { encodeConnect, encodePublish, encodeSubscribe } from '#core/wire/mqtt/encode.ts';
import { OWN_MAILBOX } from '#reference-server/access/access-rules.ts';
import { createInterest } from '#reference-server/broker/peers.ts';
import { Edge } from '#reference-server/edge/edge.ts';
import { Home } from '#reference-server/home/home.ts';
import { DEFAULT_LIMITS, type ServerLimits } from '#reference-server/limits.ts';
import { createWorkerStats, STAT } from '#reference-server/statistics/worker-stats.ts';
import { StillReactor } from '#reference-server/test/still-reactor.ts';
import { Exchange } from '#reference-server/worker/exchange.ts';

const USERS = 1_000_000;
/** What a turn of a busy server handles. */
const PER_TURN = 256;
const CPU_US_MAX = 10_000;
/** The compiler is at work in the first ones. */
const WARM_TURNS = 200;

function build(more: Partial<ServerLimits>) {
  const limits = { ...DEFAULT_LIMITS, ...more };
  const stats = createWorkerStats();
  const [outgoing, incoming] = [[undefined], [undefined]];
  const exchange = new Exchange({ self: 0, outgoing, incoming, limits, stats });
  const shared = { hashSeed: 5, access: OWN_MAILBOX, interest: createInterest(1) };
  const options = { limits, exchange, stats, clock: systemClock, ...shared };
  const home = new Home(options);
  const edge = new Edge({ ...options, onWake: () => {}, onTurn: () => home.endTurn() });
  edge.attach(new StillReactor());
  exchange.join(edge, home);
  return { home, edge, stats };
}

/** CPU of the longest and of a usual call, us. */
function longest(count: number, turn: (at: number) => void): { maxUs: number; meanUs: number } {
  let maxUs = 0;
  let last = cpuUs();
  const start = last;
  for (let at = 0; at < count; at++) {
    turn(at);
    const now = cpuUs();
    if (at >= WARM_TURNS) maxUs = Math.max(maxUs, now - last);
    last = now;
  }
  return { maxUs, meanUs: (last - start) / count };
}

function cpuUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

test('a million logins and a million queued messages: the longest turn', (t) => {
  const { edge, stats } = build({
    connectionsMax: USERS,
    usersMax: USERS,
    messagesMax: USERS + 1000,
    messageBytesMax: 256 * 1024 * 1024,
  });
  const packet = new Uint8Array(256);
  const logins = longest(Math.ceil(USERS / PER_TURN), (at) => {
    for (let conn = at * PER_TURN; conn < Math.min(USERS, (at + 1) * PER_TURN); conn++) {
      const clientId = `user-${conn}`;
      edge.onAccept(conn);
      const end = encodeConnect(packet, 0, { clientId, keepAliveS: 60, cleanSession: false });
      edge.onData(conn, packet, 0, end);
    }
    edge.onTurn(systemClock.monoUs());
  });
  assert.equal(stats[STAT.sessions], USERS);
  const payload = new Uint8Array(80).fill(65);
  const messages = longest(Math.ceil(USERS / PER_TURN), (at) => {
    for (let conn = at * PER_TURN; conn < Math.min(USERS, (at + 1) * PER_TURN); conn++) {
      const topic = Buffer.from(`m/user-${(conn * 7919) % USERS}`);
      const end = encodePublish(packet, 0, topic, topic.length, 1, 1, false, false, payload, 0, 80);
      edge.onData(conn, packet, 0, end);
    }
    edge.onTurn(systemClock.monoUs());
  });
  assert.equal(stats[STAT.queued], USERS);
  for (const [what, { maxUs, meanUs }] of Object.entries({ logins, messages })) {
    t.diagnostic(`${PER_TURN} ${what}: longest ${maxUs} us of CPU, mean ${meanUs.toFixed(0)}`);
    assert.ok(maxUs < CPU_US_MAX, `${what}: a turn took ${maxUs} us of CPU`);
  }
});

test('a mailbox of 300,000 is thrown away in slices, and all of it', (t) => {
  const count = 300_000;
  const { edge, home, stats } = build({
    connectionsMax: 2,
    usersMax: 16,
    messagesMax: count,
    mailboxMessagesMax: count,
    mailboxBytesMax: 1 << 30,
  });
  const packet = new Uint8Array(256);
  const login = (cleanSession: boolean): void => {
    const end = encodeConnect(packet, 0, { clientId: 'ann', keepAliveS: 60, cleanSession });
    edge.onAccept(0);
    edge.onData(0, packet, 0, end);
  };
  login(false);
  edge.onData(0, packet, 0, encodeSubscribe(packet, 0, 1, ['r/ann'], 0));
  const topic = Buffer.from('m/ann');
  for (let i = 0; i < count; i++) {
    const end = encodePublish(packet, 0, topic, topic.length, 1, 1, false, false, topic, 0, 5);
    edge.onData(0, packet, 0, end);
  }
  edge.onTurn(systemClock.monoUs());
  assert.equal(home.mailboxes.messages, count);
  edge.onEnd(0);
  edge.onClose(0, 0);
  let most = 0;
  let turns = 0;
  const freed = (act: () => void): void => {
    const before = home.mailboxes.messages;
    act();
    most = Math.max(most, before - home.mailboxes.messages);
  };
  freed(() => login(true));
  assert.equal(stats[STAT.discarded], count, 'it is said at once');
  while (home.mailboxes.messages > 0) {
    let wishUs = 0;
    freed(() => (wishUs = edge.onTurn(systemClock.monoUs())));
    if (home.mailboxes.messages > 0) assert.ok(wishUs <= 1, 'the next turn is wanted at once');
    turns++;
  }
  t.diagnostic(`${turns} turns, at most ${most} messages in one`);
  assert.ok(most <= 4096, `${most} messages in one turn`);
  assert.equal(home.mailboxes.arena.usedBytes, 0);
});

test('deadlines that come due together fire in slices, in order, each once', () => {
  const wheel = new TimerWheel(20_000, 0);
  for (let index = 0; index < 20_000; index++) wheel.set(index, 0, 1000);
  const fired: number[] = [];
  const onDue = (index: number): void => void fired.push(index);
  assert.equal(wheel.advance(1000, onDue, 4096), 4096);
  assert.equal(wheel.msUntilNext(1000), 0);
  // One that is left may still be moved or cleared.
  wheel.clear(19_999);
  wheel.set(19_998, 1000, 5000);
  while (wheel.msUntilNext(1000) === 0) assert.ok(wheel.advance(1000, onDue, 4096) <= 4096);
  assert.deepEqual(
    fired,
    Array.from({ length: 19_998 }, (_, index) => index),
  );
  assert.equal(wheel.armed, 1);
  assert.equal(wheel.advance(6000, onDue, 4096), 1);
});
