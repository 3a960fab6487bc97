// Users on a reactor of the test: who leaves, and who takes part in a group that its server gave him.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import { CLOSE_REASON, type CloseReason } from '#core/socket/reactor.ts';
import type { Region } from '#loadgen/group-map.ts';
import { LiveSettings } from '#loadgen/live-settings.ts';
import { LoginPacer } from '#loadgen/login-pacer.ts';
import type { MessageReceiver } from '#loadgen/message-receiver.ts';
import type { MessageSource } from '#loadgen/message-sender.ts';
import { PlanChanges } from '#loadgen/plan-changes.ts';
import { Population } from '#loadgen/population.ts';
import { PHASE, RunControl } from '#loadgen/run-control.ts';
import { SessionClock } from '#loadgen/session-clock.ts';
import { SlowReaders } from '#loadgen/slow-readers.ts';
import { type Storm, USUAL_RETURN } from '#loadgen/storm.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';
import { type Ties, UserPackets } from '#loadgen/user-packets.ts';
import { PRESENT, USER, UserTable } from '#loadgen/user-table.ts';
import { BOARD, createBoard } from '#loadgen/worker-board.ts';

const DURATION_MS = 60_000;
const CONNACK = Uint8Array.of(0x20, 2, 0, 0);

/** A reactor whose connections do as the test says. */
class FakeReactor {
  readonly capacity: number;
  connections = 0;
  /** Whether output is taken; of what was taken, the goodbyes. */
  takes = true;
  readonly goodbyes: number[] = [];
  readonly aborted: number[] = [];
  isStopped = false;
  readonly #free: number[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
    for (let conn = capacity - 1; conn >= 0; conn--) this.#free.push(conn);
  }

  connect(): number {
    this.connections++;
    return this.#free.pop()!;
  }

  over(conn: number): void {
    this.connections--;
    this.#free.push(conn);
  }

  send(conn: number, bytes: Uint8Array): boolean {
    if (this.takes && bytes[0] === 0xe0) this.goodbyes.push(conn);
    return this.takes;
  }

  abort(conn: number): void {
    assert.ok(conn >= 0, 'there is such a connection');
    this.aborted.push(conn);
  }

  resumeReceive(conn: number): void {
    assert.ok(conn >= 0, 'there is such a connection');
  }

  pauseReceive(): void {}
  close(): void {}
  setDeadline(): void {}

  stop(): void {
    this.isStopped = true;
  }
}

interface Given {
  hasSessions?: boolean;
  ties?: Ties;
  /** Answers to a subscription. */
  codes?: number[];
  storms?: Storm[];
  regionOf?: (country: string) => Region | undefined;
}

/** `count` users of whom each is in, or away. */
function setUp(count: number, given: Given = {}) {
  const { hasSessions = false, ties, codes = [1, 0], storms = [] } = given;
  const clock = new VirtualClock();
  const reactor = new FakeReactor(count + 1);
  const users = new UserTable(0, count, reactor.capacity, 0);
  const control = new RunControl();
  control.endUs = DURATION_MS * 1000;
  const schedule = new PlanChanges();
  schedule.rate.append(1, 1);
  const board = createBoard();
  const present = new Uint8Array(count);
  const live = new LiveSettings({
    ...{ slowPercent: 0, slowBytesPerS: 1024, pingS: 60, payloadBytes: 64 },
    ...{ mediaPercent: 0, downBlock: 0 },
  });
  const options = {
    ...{ level: 4, keepAliveS: 60, isCleanSession: true, receipts: true },
    ...{ payloadBytes: 64, run: 1, uidOffset: 0 },
  };
  const packets = new UserPackets(options, ties);
  const sender: MessageSource = {
    ...{
      turn: () => Number.POSITIVE_INFINITY,
      skip: () => true,
      abandon: () => true,
      ready: () => {},
    },
  };
  const below = reactor as unknown as ClientReactor;
  const sessions = hasSessions
    ? new SessionClock({ sessionMs: 1e9, awayMs: 1 }, users, 1, { startUs: 0 }, 0)
    : undefined;
  const population = new Population({
    ...{ clock, reactor: below, users, present, packets, schedule, live, control, board, sender },
    ...{ seed: 1, level: 4, joinsLate: false, storms, hasSessions: false, sessions },
    route: { targetAddress: 1, targetPorts: [1], sources: undefined, networks: [] },
    pacer: new LoginPacer(count, Number.POSITIVE_INFINITY),
    receiver: undefined as unknown as MessageReceiver,
    returnPolicy: USUAL_RETURN,
    slow: new SlowReaders(users, below, [], live, 1),
    announces: false,
    regionOf: given.regionOf ?? (() => undefined),
  });
  const close = (conn: number, reason: CloseReason = CLOSE_REASON.aborted): void => {
    reactor.over(conn);
    population.onClose(conn, reason, 0);
  };
  const suback = Uint8Array.of(0x90, 2 + codes.length, 0, 1, ...codes);
  /** Turns until everybody is in. */
  const logIn = (): void => {
    for (let turns = 0; turns <= count; turns++) {
      population.onTurn();
      for (let user = 0; user < count; user++) {
        const conn = users.conn[user]!;
        if (users.state[user] !== USER.connecting) continue;
        population.onConnect(conn, 0);
        population.onData(conn, CONNACK, 0, CONNACK.length);
        population.onData(conn, suback, 0, suback.length);
      }
      if (board[BOARD.ready] === count) return;
    }
    assert.fail('not everybody is in');
  };
  return { clock, reactor, users, control, board, present, population, close, logIn };
}

test('a user whose connection takes no goodbye goes without it, and comes again like any other', () => {
  const { clock, reactor, users, board, population, close, logIn, control } = setUp(3, {
    hasSessions: true,
  });
  logIn();
  control.phase = PHASE.steady;
  reactor.takes = false;
  const conn = users.conn[1]!;
  population.leave(1);
  assert.deepEqual(reactor.aborted, [conn]);
  close(conn);
  assert.deepEqual([board[BOARD.left], board[BOARD.ready], board[BOARD.parked]], [1, 2, 1]);
  reactor.takes = true;
  clock.advance(DURATION_MS / 2);
  logIn();
  assert.deepEqual([board[BOARD.ready], board[BOARD.parked], board[BOARD.left]], [3, 0, 1]);
});

test('who is saying goodbye when the run ends is not told to again, and counts once', () => {
  const { reactor, users, board, population, close, logIn, control } = setUp(4, {
    hasSessions: true,
  });
  logIn();
  control.phase = PHASE.steady;
  population.leave(2);
  control.phase = PHASE.logout;
  for (let turns = 0; turns < 3; turns++) population.onTurn();
  assert.deepEqual([reactor.goodbyes.length, reactor.aborted.length], [4, 0]);
  for (const conn of [...reactor.goodbyes]) {
    assert.ok(!reactor.isStopped);
    population.onEnd(conn);
    close(conn);
  }
  population.onTurn();
  assert.deepEqual([reactor.isStopped, board[BOARD.left], board[BOARD.ready]], [true, 4, 0]);
  assert.ok(users.state.every((state) => state === USER.gone));
});

test('who was refused his group is there for himself alone', () => {
  const ties = { groupOf: (user: number) => (user < 2 ? 0 : -1), contactOf: () => 0 };
  const { board, present, logIn, close, users } = setUp(3, { ties, codes: [1, 0, 0x80] });
  logIn();
  const { outsideGroup, yes, no } = PRESENT;
  assert.deepEqual(
    [[...present], board[BOARD.groupRefused]],
    [[outsideGroup, outsideGroup, yes], 2],
  );
  close(users.conn[0]!);
  assert.equal(present[0], no);
});

test('where the users of a country are is asked once a storm, not for each user', () => {
  const asked: string[] = [];
  const storms = ['BR', 'DE', 'XX'].map((country, i) => ({ share: 0.1, country, atMs: 100 + i }));
  const regions: Record<string, Region> = {
    BR: { first: 10, count: 20 },
    DE: { first: 4000, count: 1000 },
  };
  const { clock, control, board, users, population, logIn } = setUp(5000, {
    storms,
    regionOf: (country) => {
      asked.push(country);
      return regions[country];
    },
  });
  logIn();
  control.phase = PHASE.steady;
  clock.advance(1000);
  for (let turns = 0; turns < 20; turns++) population.onTurn();
  assert.deepEqual(asked, ['BR', 'DE', 'XX']);
  assert.equal(board[BOARD.ready], 5000 - 1020);
  const isCut = (user: number): boolean => (user >= 10 && user < 30) || user >= 4000;
  for (let user = 0; user < 5000; user++) {
    assert.equal(users.state[user], isCut(user) ? USER.cutOff : USER.ready);
  }
});
