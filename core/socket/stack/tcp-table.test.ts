// The address of a connection shares a word with its marks; its flight with the round trip it remembers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flights, NO_FLIGHT } from '#core/socket/stack/flights.ts';
import { ADDRESSES_MAX, MARK, TcpTable } from '#core/socket/stack/tcp-table.ts';

const FIRST = 0x0a000000;
const LAST = FIRST + ADDRESSES_MAX - 1;

test('whatever is marked, packets find the connection by its address, and no other address', () => {
  const table = new TcpTable(2, false, FIRST);
  const conn = table.take();
  table.link(conn, LAST, 1024, 0);
  for (const mark of Object.values(MARK)) table.marks[conn]! |= mark;
  table.peerWindow[conn] = 0xffff;
  table.scale(conn, 14);
  assert.deepEqual([table.find(LAST, 1024, 0), table.localAddress(conn)], [conn, LAST]);
  assert.equal(table.find(LAST + ADDRESSES_MAX, 1024, 0), -1);
  assert.equal(table.find(FIRST - 1, 1024, 0), -1);
  assert.deepEqual([table.isScaled(conn), table.sendWindow(conn)], [true, 3 * 2 ** 14]);
  table.scale(conn, 0);
  assert.ok(table.isScaled(conn), 'agreed, though by nothing');
  table.unlink(conn);
  table.give(conn);
  assert.equal(table.find(LAST, 1024, 0), -1);
  assert.equal(table.marks[conn], MARK.resumed, 'it is still in that list');
  table.link(table.take(), FIRST, 1024, 0);
  assert.deepEqual([table.marks[conn], table.isScaled(conn)], [MARK.resumed, false]);
});

test('a connection without a flight remembers round trip, variation and backoffs; the next one none', () => {
  const table = new TcpTable(1);
  const flights = new Flights(table);
  const conn = table.take();
  for (const [trip, variation, backoffs] of [
    [1, 0, 0],
    [65_535, 65_520, 7],
    [800, 1600, 3],
  ] as const) {
    const flight = flights.borrow(conn);
    flights.roundTrip[flight] = trip;
    flights.roundTripVariation[flight] = variation;
    flights.backoffs[flight] = 0;
    for (let time = 0; time < backoffs + (backoffs === 7 ? 5 : 0); time++) flights.backOff(flight);
    flights.giveBack(flight);
    assert.deepEqual([flights.of(conn), flights.roundTripOf(conn)], [NO_FLIGHT, trip]);
    const again = flights.borrow(conn);
    const { roundTrip, roundTripVariation } = flights;
    assert.deepEqual(
      [roundTrip[again], roundTripVariation[again], flights.backoffs[again]],
      [trip, variation, backoffs],
    );
    flights.giveBack(again);
  }
  table.give(conn);
  assert.equal(flights.roundTripOf(table.take()), 0);
});
