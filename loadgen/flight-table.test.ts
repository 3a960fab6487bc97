import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { FlightTable, flightCells } from '#loadgen/flight-table.ts';

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
