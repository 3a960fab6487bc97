import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asEvent, asRow, buildRow } from '#collector/row-shape.ts';
import { LoadSource } from '#collector/source/load.ts';
import { StatSource } from '#collector/source/stat.ts';
import { makeProcTree, statText } from '#collector/test/proc-tree.ts';
import { readTree } from '#collector/test/read-tree.ts';

const FRAME = { wallMs: 1_700_000_000_000, tick: 3, missedTicks: 1, intervalUs: 2_000_000 };

test('a row holds every shown metric: null where there is no value, decays where they are kept', (t) => {
  const tree = makeProcTree(t);
  const { tick, sampler } = readTree(new StatSource(tree.root), new LoadSource(tree.root));
  t.after(() => sampler.close());
  tick();
  const cpus = { 0: [200, 0, 50, 900, 10, 5, 15, 0, 0, 0], 1: [0, 0, 0, 980, 0, 0, 0, 0] };
  tree.write('stat', statText({ cpus, ctxt: 1333 }));
  tick(3);
  const row = buildRow(sampler.table, FRAME);
  assert.deepEqual({ ...row, values: {}, decays: {} }, { ...FRAME, values: {}, decays: {} });
  const names = sampler.registry.definitions().map(({ name }) => name);
  assert.deepEqual(Object.keys(row.values), names);
  assert.equal(row.values['system.linux.context_switches'], 111);
  assert.deepEqual(row.decays!['system.linux.context_switches'], [111, 111, 111]);
  assert.equal(row.values['system.cpu.utilization'], 0.5);
  assert.equal(row.values['system.cpu.utilization{cpu=1}'], null);
  assert.equal(
    row.values['system.cpu.time{cpu.mode=user}'],
    undefined,
    'raw material is not shown',
  );
  assert.equal(row.decays!['system.process.created'], undefined);
  assert.doesNotMatch(JSON.stringify(row), /NaN|undefined/);
  assert.deepEqual(asRow(JSON.parse(JSON.stringify(row))), row);
});

test('what is no row is refused', () => {
  const row = { ...FRAME, values: { a: 1, b: null } };
  assert.ok(asRow(row));
  const wrong: unknown[] = [
    null,
    'row',
    [],
    {},
    { ...row, values: undefined },
    { ...row, values: { a: 'x' } },
    { ...row, values: { a: { b: 1 } } },
    { ...row, wallMs: '1' },
    { ...row, tick: null },
    { ...row, values: Object.fromEntries(Array.from({ length: 20_001 }, (_, i) => [i, i])) },
  ];
  for (const value of wrong)
    assert.equal(asRow(value), undefined, JSON.stringify(value)?.slice(0, 60));
});

test('what is no event is refused', () => {
  assert.ok(asEvent({ wallMs: 1, kind: 'note', text: 'x' }));
  for (const value of [
    null,
    7,
    {},
    { wallMs: 1, kind: 'note' },
    { wallMs: 'a', kind: 'b', text: 'c' },
  ]) {
    assert.equal(asEvent(value), undefined);
  }
});
