// Groups by arithmetic: every member knows his group and rank, whatever the numbers; sizes and writers are as
// the model says.

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { GROUPS_MAX, GroupMap, type GroupPlan, planGroups } from '#loadgen/group-map.ts';
import { withPeople } from '#loadgen/people.ts';
import { scenario } from '#loadgen/scenario/whatsapp-2014.ts';

const REED: GroupPlan = planGroups(scenario.groups!);

test('members, ranks and groups are one another’s inverse, in regions of any size', () => {
  const counts = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 4 });
  const sizes = fc.array(fc.integer({ min: 2, max: 30 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(counts, sizes, fc.nat(), (users, table, seed) => {
      let first = 0;
      const regions = users.map((count) => {
        const region = { first, count };
        first += count;
        return region;
      });
      const map = new GroupMap({ share: 0.5, sizes: table }, regions, seed);
      const seen = new Map<number, Set<number>>();
      for (let user = 0; user < first; user++) {
        const group = map.groupOf(user);
        // Everybody has a group, unless he is alone in his region.
        const region = regions.find((of) => user >= of.first && user < of.first + of.count)!;
        assert.equal(group >= 0, region.count >= 2);
        if (group < 0) continue;
        assert.equal(map.memberOf(group, map.rankOf(user)), user);
        seen.set(group, (seen.get(group) ?? new Set()).add(map.rankOf(user)));
      }
      assert.equal(seen.size, map.count);
      for (const [group, ranks] of seen) {
        const size = map.sizeOf(group);
        assert.ok(size >= 2 && size <= map.sizeMax);
        assert.deepEqual(
          [...ranks].sort((a, b) => a - b),
          [...Array(size).keys()],
        );
      }
      const members = regions.reduce((sum, { count }) => sum + (count < 2 ? 0 : count), 0);
      assert.equal(map.memberships, members);
    }),
    { numRuns: 60 },
  );
});

test('a million users are in as many groups as servers are asked to hold, the others in none', () => {
  const users = 1_000_000;
  const map = new GroupMap(REED, [{ first: 0, count: users }], 7);
  assert.equal(map.count, GROUPS_MAX);
  let members = 0;
  for (let user = 0; user < users; user++) if (map.groupOf(user) >= 0) members++;
  assert.equal(members, map.memberships);
  assert.ok(members > 100_000 && members < 130_000, `${members}`);
  // Ninety million users: products of user numbers stay exact.
  const most = new GroupMap(REED, [{ first: 0, count: 90_000_000 }], 7);
  for (let rank = 0; rank < most.sizeOf(5); rank++) {
    assert.equal(most.groupOf(most.memberOf(5, rank)), 5);
    assert.equal(most.rankOf(most.memberOf(5, rank)), rank);
  }
});

test('a fifth of the messages goes to groups, and 2.08 receivers have each: 712,000 of 342,000', () => {
  for (const seed of [1, 42]) {
    const map = new GroupMap(REED, [{ first: 0, count: 100_000 }], seed);
    const messages = 200_000;
    let toGroups = 0;
    let deliveries = 0;
    for (let i = 0; i < messages; i++) {
      const group = map.groupOfMessage(i, -1);
      if (group >= 0) toGroups++;
      deliveries += group < 0 ? 1 : map.sizeOf(group) - 1;
    }
    assert.ok(Math.abs(toGroups / messages - 0.2) < 0.005, `${toGroups}`);
    assert.ok(Math.abs(deliveries / messages - 712 / 342) < 0.04, `${deliveries / messages}`);
  }
});

test('a small population has groups of every size too, and not only those of small countries', () => {
  for (const users of [500, 5000, 20_000]) {
    const plan = withPeople({
      ...{
        seed: 1,
        process: 'poisson',
        users,
        dayMs: undefined,
        steps: [{ offsetMs: 0, ratePerS: 100 }],
      },
      people: {
        ...{ groups: REED, conversations: undefined, contacts: 0, announces: false, hints: false },
        countries: scenario.countries!,
      },
    });
    const { groups } = plan;
    const sizes = Array.from({ length: groups!.count }, (_, group) => groups!.sizeOf(group));
    const receivers = sizes.reduce((sum, size) => sum + size - 1, 0) / sizes.length;
    assert.ok(Math.abs(0.8 + 0.2 * receivers - 712 / 342) < 0.08, `${users} users: ${receivers}`);
  }
});

test('who writes to a group follows Zipf: the r-th member 1/r as often', () => {
  const map = new GroupMap({ share: 1, sizes: [10] }, [{ first: 0, count: 10 }], 3);
  const counts = new Float64Array(10);
  const n = 60_000;
  for (let i = 0; i < n; i++) counts[map.rankOf(map.writerOf(i, 0))]!++;
  const harmonic = Array.from({ length: 10 }, (_, r) => 1 / (r + 1)).reduce((a, b) => a + b);
  let chiSquare = 0;
  counts.forEach((count, rank) => {
    const expected = n / (rank + 1) / harmonic;
    chiSquare += (count - expected) ** 2 / expected;
  });
  assert.ok(chiSquare < 33.7, `nine degrees of freedom, once in 10,000: ${chiSquare}`);
});
