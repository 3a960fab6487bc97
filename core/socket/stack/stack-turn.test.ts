// No turn has more of what is due than its part, however much there is at once; the others have theirs in the next.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DelayedAcks } from '#core/socket/stack/delayed-acks.ts';
import { SilenceWatch } from '#core/socket/stack/silence-watch.ts';
import { FLAG, TcpTable } from '#core/socket/stack/tcp-table.ts';
import { Simulation } from '#core/socket/stack/test/simulation.ts';
import { DEADLINES_PER_TURN } from '#core/socket/turns.ts';

const COUNT = DEADLINES_PER_TURN + 104;

/** How much a counter rose in each of the turns in which it did. */
function rises(sim: Simulation, count: () => number, turns: number): number[] {
  const found: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const before = count();
    sim.step();
    if (count() !== before) found.push(count() - before);
  }
  return found;
}

test('deadlines of a crowd: so many in a turn, the next turn at once', () => {
  const sim = new Simulation({ reactor: { capacity: COUNT } });
  const all = Array.from({ length: COUNT }, () => sim.connect());
  sim.until(() => all.every(({ connectErrno }) => connectErrno === 0));
  for (const { conn } of all) sim.stack.setDeadline(conn, sim.nowUs, 200);
  sim.until(() => sim.stat('deadlines') > 0);
  assert.equal(sim.stack.waitUs(sim.nowUs), 0);
  const rest = rises(sim, () => sim.stat('deadlines'), 100);
  assert.deepEqual(rest, [COUNT - DEADLINES_PER_TURN]);
  assert.ok(all.every(({ deadlines }) => deadlines === 1));
});

test('timeouts of a crowd: so many in a turn', () => {
  const sim = new Simulation({ lossRatio: 1, reactor: { capacity: COUNT } });
  for (let index = 0; index < COUNT; index++) sim.connect();
  const each = rises(sim, () => sim.count('timeouts'), 1100);
  assert.deepEqual(each, [DEADLINES_PER_TURN, COUNT - DEADLINES_PER_TURN]);
});

test('acknowledgements that are due at once: so many in a turn', () => {
  const table = new TcpTable(5);
  const acks = new DelayedAcks(table, 0);
  for (let conn = 0; conn < 5; conn++) acks.owe(conn, 0);
  const sent: number[] = [];
  const send = (conn: number): number => sent.push(conn);
  acks.advance(39_999, send, 3);
  assert.deepEqual(sent, []);
  acks.advance(40_000, send, 3);
  assert.deepEqual([sent, acks.waitUs(40_000)], [[0, 1, 2], 0]);
  acks.advance(40_000, send, 3);
  assert.deepEqual([sent, acks.waitUs(40_000)], [[0, 1, 2, 3, 4], Infinity]);
});

test('questions whether peers live: so many in a turn, each once', () => {
  const count = 160;
  const table = new TcpTable(count);
  for (let conn = 0; conn < count; conn++) table.flags[table.take()] = FLAG.open;
  const watch = new SilenceWatch(table, { idleS: 10, intervalS: 100, questionsMax: 3 }, 0);
  const asked: number[] = [];
  const ask = (conn: number): number => asked.push(conn);
  watch.advance(9_000_000, ask, 4);
  assert.deepEqual([asked.length, watch.isBehind], [0, false]);
  for (let turn = 0; turn < 40; turn++) {
    watch.advance(11_000_000, ask, 4);
    assert.equal(asked.length, 4 * (turn + 1));
    assert.equal(watch.isBehind, turn < 39);
  }
  assert.deepEqual(
    asked,
    Array.from({ length: count }, (_, conn) => conn),
  );
});
