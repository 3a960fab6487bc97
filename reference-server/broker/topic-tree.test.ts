import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMatch, TopicTree } from '#reference-server/broker/topic-tree.ts';

test('the rule, by the examples of the standard (4.7)', () => {
  const cases: [string, string, boolean][] = [
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/#', 'sport', true],
    ['#', 'a/b', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['$SYS/+', '$SYS/x', true],
    ['a/+', 'a/$x', true],
  ];
  for (const [filter, topic, expected] of cases) {
    assert.equal(isMatch(filter, topic), expected, `${filter} ${topic}`);
  }
});

test('the tree finds what the rule says, whatever was added and removed; empty, it has one node', () => {
  const level = fc.constantFrom('a', 'b', '', '$s', '+');
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, isDeep]) => [...levels, ...(isDeep ? ['#'] : [])].join('/'));
  const topic = fc
    .array(fc.constantFrom('a', 'b', '', '$s'), { minLength: 1, maxLength: 5 })
    .map((levels) => levels.join('/'));
  const step = fc.tuple(fc.boolean(), fc.nat(2), filter);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.array(topic), (steps, topics) => {
      const tree = new TopicTree<string>();
      const model = new Map<string, [number, string]>();
      for (const [isAdding, owner, one] of steps) {
        const key = `${owner} ${one}`;
        const had = model.has(key);
        if (isAdding) {
          assert.equal(tree.set(one, owner, key) !== undefined, had);
          model.set(key, [owner, one]);
        } else {
          assert.equal(tree.delete(one, owner), had ? key : undefined);
          model.delete(key);
        }
        assert.equal(tree.size, model.size);
      }
      for (const name of topics) {
        const found: string[] = [];
        tree.match(name, (key) => found.push(key));
        const expected = [...model].filter(([, [, one]]) => isMatch(one, name));
        assert.deepEqual(found.sort(), expected.map(([key]) => key).sort(), name);
      }
      for (const [owner, one] of model.values()) tree.delete(one, owner);
      assert.deepEqual([tree.size, tree.nodes], [0, 1]);
    }),
    { numRuns: 2000 },
  );
});
