import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ARRIVAL, FlightTable, flightCells, GroupFlights } from '#loadgen/flight-table.ts';

test('a message arrives once; what never left does not arrive', () => {
  const table = new FlightTable(8);
  const elsewhere = new FlightTable(table.shared);
  assert.ok(table.depart(0));
  assert.ok(table.depart(2 ** 31 + 5));
  assert.equal(elsewhere.arrive(5), false, 'same cell, another message');
  assert.ok(elsewhere.arrive(0));
  assert.equal(elsewhere.arrive(0), false, 'delivered twice');
  assert.ok(elsewhere.arrive(2 ** 31 + 5));
});

test('who was in passing is told apart from a second delivery, and holds up nobody', () => {
  const table = new FlightTable(8);
  assert.ok(table.depart(3));
  assert.ok(table.allow(4));
  assert.deepEqual(
    [3, 3, 4, 4, 5].map((index) => table.arriveAtMember(index)),
    [ARRIVAL.expected, ARRIVAL.unknown, ARRIVAL.extra, ARRIVAL.unknown, ARRIVAL.unknown],
  );
  // One that never came is not lost when its cell is needed.
  table.allow(1);
  assert.ok(table.depart(9));
});

test('a part of many: who is not there on its own host is told apart, whatever was tried before', () => {
  const table = new FlightTable(8, true);
  assert.ok(table.allow(4));
  assert.ok(table.allow(5));
  // The connection of the writer was full; meanwhile the member came in.
  table.takeBack(5);
  assert.ok(table.depart(5));
  assert.deepEqual(
    [3, 3, 4, 4, 5].map((index) => table.arriveAtMember(index)),
    [ARRIVAL.expected, ARRIVAL.unknown, ARRIVAL.extra, ARRIVAL.unknown, ARRIVAL.expected],
  );
});

test('the last delivery of a message to a group completes it, once', () => {
  const flights = new GroupFlights(8);
  const elsewhere = new GroupFlights(flights.shared);
  flights.depart(11, 3);
  assert.deepEqual(
    [1, 2, 3].map(() => elsewhere.arrive(11)),
    [false, false, true],
  );
});

test('when the table is full the oldest gives way, and only it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 33 }), (first) => {
      const table = new FlightTable(4);
      for (let i = 0; i < 4; i++) assert.ok(table.depart(first + i));
      assert.equal(table.depart(first + 4), false);
      assert.deepEqual(
        [0, 1, 2, 3, 4].map((i) => table.arrive(first + i)),
        [false, true, true, true, true],
      );
    }),
  );
});

test('the table holds a minute of the rate, within bounds, and is a power of two', () => {
  assert.equal(flightCells(0), 65_536);
  assert.equal(flightCells(5000), 524_288);
  assert.equal(flightCells(1e9), 2 ** 24);
});
