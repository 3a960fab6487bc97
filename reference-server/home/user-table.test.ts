import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { homeOf, uidHash } from '#reference-server/home/uid-hash.ts';
import { UserTable } from '#reference-server/home/user-table.ts';

const SEED = 7;
const bytesOf = (uid: string): Buffer => Buffer.from(uid);

function find(table: UserTable, uid: string): number {
  const bytes = bytesOf(uid);
  return table.find(bytes, 0, bytes.length, table.hashOf(bytes, 0, bytes.length));
}

function add(table: UserTable, uid: string): number {
  const bytes = bytesOf(uid);
  return table.add(bytes, 0, bytes.length, table.hashOf(bytes, 0, bytes.length));
}

test('random adding, finding and removing agrees with a Map', () => {
  const uid = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 });
  const step = fc.tuple(
    fc.constantFrom('add', 'remove', 'find'),
    fc.oneof(uid, fc.constantFrom('a', 'b', 'c')),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      // Few cells, so that probes run into each other and around the end.
      const table = new UserTable(24, SEED);
      const model = new Map<string, { row: number; generation: number }>();
      for (const [kind, name] of steps) {
        const known = model.get(name);
        assert.equal(find(table, name), known?.row ?? -1);
        if (kind === 'add' && known === undefined) {
          const row = add(table, name);
          assert.equal(row < 0, model.size === 24);
          if (row >= 0) model.set(name, { row, generation: table.generation(row) });
        } else if (kind === 'remove' && known !== undefined) {
          table.remove(known.row);
          model.delete(name);
          assert.ok(!table.isCurrent(known.row, known.generation));
        }
        assert.equal(table.count, model.size);
      }
      for (const [name, { row, generation }] of model) {
        assert.equal(find(table, name), row);
        assert.ok(table.isCurrent(row, generation));
        const text = Buffer.from(table.uidBytes.slice(table.uidStart(row), table.uidEnd(row)));
        assert.equal(text.toString(), name);
      }
    }),
    { numRuns: 500 },
  );
});

test('a table that has seen many short-lived clients has no gaps and no leftovers', () => {
  const table = new UserTable(1000, SEED);
  for (let i = 0; i < 50_000; i++) {
    const row = add(table, `client-${i}`);
    assert.ok(row >= 0);
    if (i >= 900) table.remove(find(table, `client-${i - 900}`));
  }
  assert.equal(table.count, 900);
  assert.ok(table.rowsTouched <= 1000);
  assert.equal(find(table, 'client-49999') >= 0, true);
  assert.equal(find(table, 'client-100'), -1);
});

test('a copy of all generations means nobody who comes later, on whatever row', () => {
  const table = new UserTable(8, SEED);
  for (const name of ['ann', 'bob', 'cid']) add(table, name);
  const stays = find(table, 'ann');
  const free = find(table, 'cid');
  table.remove(free);
  const copy = table.generations();
  const left = find(table, 'bob');
  table.remove(left);
  const came = [add(table, 'dan'), add(table, 'eve')];
  assert.deepEqual([...came].sort(), [free, left].sort(), 'both rows are taken again');
  assert.equal(table.generation(stays), copy[stays]);
  for (const row of came) assert.notEqual(table.generation(row), copy[row]);
});

test('telephone numbers spread evenly over workers and cells', () => {
  for (const workers of [2, 3, 8]) {
    const counts = new Array<number>(workers).fill(0);
    const cells = new Set<number>();
    for (let i = 0; i < 20_000; i++) {
      const bytes = bytesOf(String(490_000_000_000 + i));
      const hash = uidHash(bytes, 0, bytes.length, SEED);
      counts[homeOf(hash, workers)]!++;
      cells.add(hash & 0xffff);
    }
    for (const count of counts) assert.ok(Math.abs(count / (20_000 / workers) - 1) < 0.06);
    // Of 65,536 cells, 20,000 random throws hit about 17,240.
    assert.ok(cells.size > 16_900 && cells.size < 17_600, String(cells.size));
  }
});

test('another seed gives another order', () => {
  const bytes = bytesOf('491701234567');
  assert.notEqual(uidHash(bytes, 0, 12, 1), uidHash(bytes, 0, 12, 2));
});
