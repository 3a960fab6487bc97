// The sender against a reactor that takes nothing for a while: the plan does not wait for it.

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Clock } from '#core/clock/clock.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import type { Reactor } from '#core/socket/reactor.ts';
import { SKIPS_PER_TURN } from '#loadgen/arrivals.ts';
import { FlightTable, GroupFlights } from '#loadgen/flight-table.ts';
import { GroupMap } from '#loadgen/group-map.ts';
import { HINT_AHEAD_S } from '#loadgen/hint-sender.ts';
import { createTimings } from '#loadgen/interval-timings.ts';
import { LiveSettings } from '#loadgen/live-settings.ts';
import { HELD_MAX, MessageSender, type MessageSenderParts } from '#loadgen/message-sender.ts';
import { PlanChanges } from '#loadgen/plan-changes.ts';
import { RunControl } from '#loadgen/run-control.ts';
import { MessageHeader, UserPackets } from '#loadgen/user-packets.ts';
import { PRESENT, USER, UserTable } from '#loadgen/user-table.ts';
import { BOARD, createBoard } from '#loadgen/worker-board.ts';

const RUN = 99;

interface Sent {
  atUs: number;
  intendedUs: number;
  sentUs: number;
  index: number;
  sender: number;
}

/** A sender of `users` ready users at a constant rate, and what its reactor was given. */
function setUp(users: number, ratePerS: number, endS: number, groups?: GroupMap, hints = false) {
  const clock = new VirtualClock();
  const sent: Sent[] = [];
  /** When who wrote, and was seen typing, to whom. */
  const written: string[] = [];
  const typed: string[] = [];
  const state = { takes: true };
  const header = new MessageHeader(RUN);
  const reactor = {
    send(conn: number, bytes: Uint8Array, _start: number, end: number): boolean {
      if (!state.takes) return false;
      const [, to] = /m\/(\d{8})/.exec(Buffer.from(bytes).toString('latin1')) ?? [];
      const ms = Math.round(clock.monoUs() / 1000);
      if (end < 64) {
        typed.push(`${ms + HINT_AHEAD_S * 1000} ${conn} ${to}`);
        return true;
      }
      written.push(`${ms} ${conn} ${to}`);
      assert.ok(header.read(bytes, end - 64, end));
      const { intendedUs, sentUs, index, sender } = header;
      sent.push({ atUs: clock.monoUs(), intendedUs, sentUs, index, sender });
      return true;
    },
  } as unknown as Reactor;
  const table = new UserTable(0, users, users, 0);
  table.state.fill(USER.ready);
  for (let user = 0; user < users; user++) table.bind(user, user);
  const schedule = new PlanChanges();
  schedule.rate.append(0, ratePerS);
  const control = new RunControl();
  control.endUs = endS * 1e6;
  const board = createBoard();
  const present = new Uint8Array(users).fill(PRESENT.yes);
  const timings = createTimings();
  const parts: MessageSenderParts = {
    clock: clock as Clock,
    reactor,
    users: table,
    present,
    packets: new UserPackets({
      level: 4,
      keepAliveS: 60,
      isCleanSession: true,
      receipts: true,
      payloadBytes: 64,
      run: RUN,
      uidOffset: 0,
    }),
    plan: { seed: 1, process: 'constant', users, groups },
    schedule,
    live: new LiveSettings({
      slowPercent: 0,
      slowBytesPerS: 1024,
      pingS: 60,
      payloadBytes: 64,
      mediaPercent: 0,
      downBlock: 0,
    }),
    control,
    flights: new FlightTable(65_536),
    groupFlights: groups && new GroupFlights(65_536),
    timings,
    board,
    hints,
  };
  const sender = new MessageSender(parts);
  /** Turns until `untilS`, as a reactor would: when the sender asks to. */
  const run = (untilS: number): void => {
    while (clock.monoUs() < untilS * 1e6) {
      const waitUs = sender.turn(clock.monoUs());
      const leftUs = untilS * 1e6 - clock.monoUs();
      if (waitUs > 0) clock.advance(Math.min(waitUs, leftUs) / 1000);
    }
    sender.turn(clock.monoUs());
  };
  return {
    ...{ clock, sent, state, table, board, timings, run, sender, present },
    ...{ schedule, written, typed, parts },
  };
}

test('every message leaves at its planned instant', () => {
  const { sent, run, board, timings } = setUp(10, 1000, 2);
  run(3);
  assert.equal(sent.length, 2000);
  for (const { atUs, intendedUs, sentUs } of sent) {
    assert.ok(Math.abs(atUs - intendedUs) < 0.01);
    assert.equal(sentUs, atUs);
  }
  assert.deepEqual(
    [board[BOARD.planned], board[BOARD.sent], board[BOARD.errors], board[BOARD.planDone]],
    [2000, 2000, 0, 1],
  );
  assert.equal(timings.lateness.count, 2000);
});

test('a process that did not run for two seconds sends what it missed, with the times of the plan', () => {
  const { clock, sent, run, timings } = setUp(10, 1000, 5);
  run(1);
  clock.stall(2000);
  run(5);
  assert.equal(sent.length, 5000);
  sent.forEach(({ intendedUs, index }, i) => {
    assert.equal(index, i);
    assert.ok(Math.abs(intendedUs - (i + 1) * 1000) < 0.01);
  });
  const late = sent.filter(({ sentUs, intendedUs }) => sentUs - intendedUs > 100_000);
  assert.ok(Math.abs(late.length - 1900) <= 2, `${late.length} late`);
  assert.ok(timings.lateness.max >= 1_990_000);
});

test('connections that take nothing: messages are held back, keep their times, and are not our lateness', () => {
  const { sent, run, state, board, timings } = setUp(10, 1000, 4);
  run(1);
  state.takes = false;
  run(3);
  assert.equal(board[BOARD.held], 2000);
  assert.equal(board[BOARD.planned], 3000);
  state.takes = true;
  run(4);
  assert.equal(sent.length, 4000);
  const waited = sent.filter(({ sentUs, intendedUs }) => sentUs - intendedUs > 100_000);
  assert.ok(Math.abs(waited.length - 1900) <= 20, `${waited.length} waited`);
  assert.deepEqual([board[BOARD.heldBack], board[BOARD.held], board[BOARD.errors]], [2000, 0, 0]);
  assert.equal(timings.lateness.count, 2000);
  assert.ok(timings.lateness.max < 2000);
});

test('what is held back is bounded; more is an error that is counted', () => {
  const { run, state, board } = setUp(10, 1_000_000, 0.1);
  state.takes = false;
  run(0.1);
  assert.equal(board[BOARD.planned], 100_000);
  assert.equal(board[BOARD.held], HELD_MAX);
  assert.equal(board[BOARD.errors], 100_000 - HELD_MAX);
});

test('what never got its turn counts as planned and not sent', () => {
  const { run, sender, board } = setUp(10, 1000, 3);
  run(1);
  assert.equal(sender.abandon(), true);
  assert.deepEqual(
    [board[BOARD.planned], board[BOARD.sent], board[BOARD.errors]],
    [3000, 1000, 2000],
  );
});

test('millions that never got their turn are counted, and left out, a part each turn', () => {
  for (const act of ['abandon', 'skip'] as const) {
    const { sender, board } = setUp(10, 100_000, 1);
    let turns = 1;
    while (!(act === 'skip' ? sender.skip(1e6 + 1) : sender.abandon())) turns++;
    assert.equal(turns, Math.ceil(100_000 / SKIPS_PER_TURN));
    sender.turn(1e6);
    const counted = act === 'skip' ? 0 : 100_000;
    assert.deepEqual([board[BOARD.planned], board[BOARD.errors]], [counted, counted]);
  }
});

test('of more than are counted one by one a figure by the rates is told, over every turn of the rate', () => {
  const { parts, schedule, board } = setUp(10, 1000, 20);
  schedule.rate.append(10e6, 3000);
  schedule.spike.append(15e6, 100);
  const sender = new MessageSender({ ...parts, abandonedMax: 500 });
  while (!sender.abandon());
  assert.deepEqual([board[BOARD.planned], board[BOARD.errors]], [500, 500]);
  // 10 s at 1,000/s, 5 s at 3,000, 5 s at 6,000; the first message of a constant plan is due a gap after its begin.
  const left = 10_000 + 15_000 + 30_000 - 500;
  assert.ok(Math.abs(board[BOARD.uncounted]! - left) <= 1, `${board[BOARD.uncounted]}`);
  const whole = createBoard();
  const all = new MessageSender({ ...parts, board: whole });
  while (!all.abandon());
  // Exactly as many as are counted: nothing is left.
  const own = createBoard();
  const enough = new MessageSender({ ...parts, abandonedMax: whole[BOARD.planned]!, board: own });
  while (!enough.abandon());
  assert.deepEqual([own[BOARD.planned], own[BOARD.uncounted]], [whole[BOARD.planned], 0]);
});

test('users who are away are replaced by the next; when nobody is there it is an error', () => {
  const { run, table, board, sent } = setUp(4, 100, 3);
  table.state[0] = USER.waiting;
  table.state[2] = USER.waiting;
  run(1);
  assert.equal(sent.length, 100);
  assert.deepEqual([table.unacked[0], table.unacked[2]], [0, 0]);
  table.state.fill(USER.waiting);
  run(2);
  assert.deepEqual([sent.length, board[BOARD.errors]], [100, 100]);
});

test('whom a server refused his group gets nothing of it, and writes nothing to it, and all else', () => {
  const members = 4;
  const groups = new GroupMap({ share: 1, sizes: [members] }, [{ first: 0, count: members }], 1);
  const { run, board, sent, present } = setUp(members, 100, 3, groups);
  run(1);
  assert.deepEqual([board[BOARD.groupSent], board[BOARD.groupExpected]], [100, 300]);
  present[1] = PRESENT.outsideGroup;
  sent.length = 0;
  run(2);
  assert.deepEqual([board[BOARD.groupSent], board[BOARD.groupExpected]], [200, 500]);
  assert.ok(sent.every(({ sender }) => sender !== 1));
  present.fill(PRESENT.outsideGroup);
  run(3);
  assert.deepEqual([board[BOARD.groupSent], board[BOARD.sent], board[BOARD.errors]], [200, 300, 0]);
});

test('each message has one hint, so long before it, over every change of the rate and the end of the plan', () => {
  const { run, schedule, written, typed, clock } = setUp(50, 100, 30, undefined, true);
  // Planned: known before.
  schedule.rate.append(10e6, 1000);
  schedule.rate.append(15e6, 50);
  run(20);
  assert.equal(written.length, 1000 + 5000 + 250);
  assert.equal(new Set(typed).size, typed.length);
  const early = written.filter((line) => Number(line.split(' ')[0]) < HINT_AHEAD_S * 1000);
  assert.deepEqual(typed.slice(0, written.length - early.length), written.slice(early.length));
  // What was hinted already comes later now, and is not hinted again.
  schedule.rate.append(clock.monoUs() + 1000, 25);
  run(31);
  assert.equal(written.length, 6250 + 250);
  assert.equal(typed.length, written.length - early.length + HINT_AHEAD_S * 25);
});

test('a user without any acknowledgement stops before his packet ids run out', () => {
  const { run, table, board } = setUp(2, 1000, 3);
  table.unacked.fill(60_000);
  run(1);
  assert.deepEqual([board[BOARD.sent], board[BOARD.held]], [0, 1000]);
  table.unacked.fill(0);
  run(2);
  assert.equal(board[BOARD.sent], 2000);
});
