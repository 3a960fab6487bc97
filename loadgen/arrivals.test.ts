import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import {
  ArrivalCursor,
  type ArrivalPlan,
  conversationOf,
  groupOf,
  receiverOf,
  senderOf,
  unitGap,
} from '#loadgen/arrivals.ts';
import { CountryMap, regionsOf } from '#loadgen/country-map.ts';
import { GroupMap } from '#loadgen/group-map.ts';
import { CHANGES_MAX, PlanChanges } from '#loadgen/plan-changes.ts';
import { PlanPace } from '#loadgen/plan-pace.ts';
import { rateSteps } from '#loadgen/rate-plan.ts';
import { scenario as whatsapp } from '#loadgen/scenario/whatsapp-2014.ts';
import { distance, distanceMax } from '#loadgen/test/distribution.ts';

const START_US = 1_000_000;

function scheduleOf(...changes: [startUs: number, ratePerS: number][]): PlanChanges {
  const schedule = new PlanChanges();
  for (const [startUs, ratePerS] of changes) assert.ok(schedule.rate.append(startUs, ratePerS));
  return schedule;
}

/** Every message due up to `endUs`. */
function walk(plan: ArrivalPlan, schedule: PlanChanges, endUs: number): number[] {
  const cursor = new ArrivalCursor(plan, schedule);
  const due: number[] = [];
  while (cursor.dueUs() <= endUs) {
    due.push(cursor.dueUs());
    cursor.advance();
  }
  return due;
}

function hashOf(plan: ArrivalPlan, count: number): string {
  const hash = createHash('sha256');
  const cursor = new ArrivalCursor(plan, scheduleOf([START_US, 1000]));
  for (let i = 0; i < count; i++) {
    hash.update(`${cursor.dueUs().toFixed(3)} ${senderOf(plan, i)} ${receiverOf(plan, i)}\n`);
    cursor.advance();
  }
  return hash.digest('hex').slice(0, 16);
}

test('the same seed is the same plan, to the bit; another seed is another', () => {
  const plan: ArrivalPlan = { seed: 42, process: 'poisson', users: 1000 };
  assert.equal(hashOf(plan, 10_000), '4194c58484feabbd');
  assert.notEqual(hashOf({ ...plan, seed: 43 }, 10_000), hashOf(plan, 10_000));
});

test('Poisson gaps are exponential, whatever the seed', () => {
  for (const seed of [0, 1, 7, 0xffffffff, 123456789]) {
    const plan: ArrivalPlan = { seed, process: 'poisson', users: 2 };
    const gaps = Array.from({ length: 20_000 }, (_, i) => unitGap(plan, i));
    const d = distance(gaps, (x) => 1 - Math.exp(-x));
    assert.ok(d < distanceMax(gaps.length), `seed ${seed}: distance ${d}`);
    // And one gap says nothing of the next: correlation within four standard errors of 0.
    const r = gaps.slice(1).reduce((sum, gap, i) => sum + (gap - 1) * (gaps[i]! - 1), 0);
    assert.ok(Math.abs(r / gaps.length) < 4 / Math.sqrt(gaps.length), `seed ${seed}: ${r}`);
  }
});

test('senders and receivers are uniform and independent, nobody writes to himself', () => {
  const users = 20;
  for (const seed of [0, 5, 99]) {
    const plan: ArrivalPlan = { seed, process: 'poisson', users };
    const pairs = new Float64Array(users * users);
    const n = 80_000;
    for (let i = 0; i < n; i++) pairs[senderOf(plan, i) * users + receiverOf(plan, i)]!++;
    const expected = n / (users * (users - 1));
    let chiSquare = 0;
    pairs.forEach((count, pair) => {
      if (Math.floor(pair / users) === pair % users) assert.equal(count, 0);
      else chiSquare += (count - expected) ** 2 / expected;
    });
    const freedom = users * (users - 1) - 1;
    assert.ok(chiSquare < freedom + 5 * Math.sqrt(2 * freedom), `seed ${seed}: ${chiSquare}`);
  }
});

test('answers go back to who wrote; conversations have the mean length and exponential times to answer', () => {
  for (const seed of [1, 99]) {
    const [answerS, pace] = [2, new PlanPace([{ offsetMs: 0, ratePerS: 1000 }])];
    const answerGap = 2000;
    const plan: ArrivalPlan = {
      ...{ seed, process: 'poisson', users: 5000 },
      conversations: { answerRatio: 6 / 7, answerS, pace },
    };
    // Behind the start, before which nobody has written.
    const from = 100_000;
    const n = 100_000;
    let firsts = 0;
    for (let i = from; i < from + n; i++) {
      const conversation = conversationOf(plan, i);
      const first = Math.floor(conversation / 2);
      if (first === i) firsts++;
      const pair = [senderOf(plan, first), receiverOf(plan, first)];
      if (conversation % 2 === 1) pair.reverse();
      assert.deepEqual([senderOf(plan, i), receiverOf(plan, i)], pair);
    }
    assert.ok(Math.abs(n / firsts - 7) < 0.2, `seed ${seed}: ${n / firsts} messages`);
    // Time from the first message to an answer that answers it directly: one gap, and a share of them is one.
    const gaps: number[] = [];
    for (let i = from; i < from + n; i++) {
      const without = { ...plan, conversations: { answerRatio: 0, answerS, pace } };
      assert.equal(conversationOf(without, i), 2 * i);
      const back = i - Math.floor(conversationOf(plan, i) / 2);
      if (back > 0 && conversationOf(plan, i) % 2 === 1) gaps.push(back / answerGap);
    }
    // Depth k has a part (1 - q) q^k of all, q = 6/7, k gaps after the first; of odd k the mean is
    // (1 + q^2) / (1 - q^2).
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    assert.ok(Math.abs(mean / 6.538 - 1) < 0.06, `seed ${seed}: ${mean}`);
  }
});

test('an answer takes its time at every rate that is planned, also behind a pause', () => {
  const answerS = 20;
  const stages = [500, 5000, 0, 500].map((perS) => ({ ms: 400_000, fromPerS: perS, toPerS: perS }));
  const steps = rateSteps({ stages, dayMs: undefined, spikes: [] });
  const plan: ArrivalPlan = {
    ...{ seed: 4, process: 'constant', users: 5000 },
    conversations: { answerRatio: 0.2, answerS, pace: new PlanPace(steps) },
  };
  const dueS = (index: number): number =>
    index < 200_000
      ? index / 500
      : index < 2.2e6
        ? 360 + index / 5000
        : 1200 + (index - 2.2e6) / 500;
  for (const [from, to] of [
    [100_000, 200_000],
    [1_000_000, 2_200_000],
    [2_300_000, 2_400_000],
  ] as const) {
    let [answers, sumS] = [0, 0];
    for (let i = from; i < to; i++) {
      const conversation = conversationOf(plan, i);
      // Nearly all of odd depth are one answer behind.
      if (conversation % 2 === 0) continue;
      answers++;
      sumS += dueS(i) - dueS(Math.floor(conversation / 2));
    }
    // Depth k has a part q^k, q = 0.2; of odd k the mean is (1 + q^2) / (1 - q^2).
    const mean = sumS / answers / (1.04 / 0.96);
    assert.ok(answers > 10_000 && Math.abs(mean / answerS - 1) < 0.06, `from ${from}: ${mean} s`);
  }
  const nothing = new PlanPace([{ offsetMs: 0, ratePerS: 0 }]);
  assert.equal(nothing.back(5, 1), -1);
});

test('a message to a group takes a number for each delivery, in any order of asking', () => {
  const groups = new GroupMap({ share: 0.3, sizes: [2, 5, 9] }, [{ first: 0, count: 100 }], 5);
  const plan: ArrivalPlan = { seed: 5, process: 'poisson', users: 100, groups };
  const cursor = new ArrivalCursor(plan, scheduleOf([START_US, 1000]));
  let next = 0;
  let toGroups = 0;
  for (let i = 0; i < 2000; i++) {
    assert.deepEqual([cursor.index, cursor.flight], [i, next]);
    const { group } = cursor;
    next += group < 0 ? 1 : groups.sizeOf(group) - 1;
    if (group >= 0) {
      toGroups++;
      assert.equal(groups.groupOf(senderOf(plan, i)), group);
    }
    cursor.advance();
  }
  assert.ok(toGroups > 500 && toGroups < 700);
});

test('a cursor draws each message once, and says what the plan says; also when the plan is turned at it', () => {
  const users = 20_000;
  const pace = new PlanPace([{ offsetMs: 0, ratePerS: 1000 }]);
  const countries = whatsapp.countries!;
  const plan: ArrivalPlan = {
    ...{ seed: 3, process: 'poisson', users },
    conversations: { answerRatio: 6 / 7, answerS: 0.3, pace },
    groups: new GroupMap({ share: 0.3, sizes: [2, 5, 9] }, regionsOf(countries, users), 3),
    countries: new CountryMap(countries, users, 60_000),
  };
  let draws = 0;
  const conversations = {
    get answerRatio() {
      draws++;
      return plan.conversations!.answerRatio;
    },
    ...{ answerS: 0.3, pace },
  };
  const changes = scheduleOf([START_US, 1000]);
  const cursor = new ArrivalCursor({ ...plan, conversations }, changes);
  for (let i = 0; i < 20_000; i++) {
    const dueUs = cursor.dueUs();
    if (i % 5000 === 4999) {
      // Drawn already, and an hour later it is another country's.
      assert.ok(cursor.sender >= 0);
      changes.rate.append(dueUs - 1, 0);
      changes.rate.append(dueUs + 2_500_000, 1000);
      assert.notEqual(cursor.dueUs(), dueUs);
    }
    const { index, step, copies, sender, group } = cursor;
    assert.equal(sender, senderOf(plan, index, step));
    assert.equal(group, groupOf(plan, index, step));
    assert.equal(cursor.receiver(0), receiverOf(plan, index, 0, sender));
    assert.equal(copies, 1);
    cursor.advance();
  }
  assert.equal(draws, 20_000);
});

test('one user alone has nobody to write to', () => {
  assert.equal(receiverOf({ seed: 1, process: 'poisson', users: 1 }, 0), -1);
});

test('constant arrivals stand exactly at multiples of the gap', () => {
  const plan: ArrivalPlan = { seed: 1, process: 'constant', users: 2 };
  const due = walk(plan, scheduleOf([START_US, 500]), START_US + 1e6);
  assert.equal(due.length, 500);
  due.forEach((us, i) => {
    assert.ok(Math.abs(us - START_US - (i + 1) * 2000) < 0.01);
  });
});

test('a turn of the rate holds from its instant, and a pause keeps the rest of the gap', () => {
  const plan: ArrivalPlan = { seed: 1, process: 'constant', users: 2 };
  // 100/s for 15 ms, nothing for one second, then 200/s: half a gap was left.
  const schedule = scheduleOf([0, 100], [15_000, 0], [1_015_000, 200]);
  assert.deepEqual(
    walk(plan, schedule, 1_023_000).map((us) => Math.round(us)),
    [10_000, 1_017_500, 1_022_500],
  );
});

test('a cursor that learns of a turn in time plans the same as one that always knew', () => {
  const rates = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ max: 2000, min: 0 })),
    {
      minLength: 1,
      maxLength: 8,
    },
  );
  fc.assert(
    fc.property(rates, fc.integer(), (steps, seed) => {
      const plan: ArrivalPlan = { seed, process: 'poisson', users: 50 };
      let startUs = 0;
      const changes = steps.map(([gapMs, rate]): [number, number] => {
        startUs += gapMs * 1000;
        return [startUs, rate];
      });
      const endUs = startUs + 20_000;
      const known = walk(plan, scheduleOf(...changes), endUs);
      const growing = new PlanChanges();
      const cursor = new ArrivalCursor(plan, growing);
      const learned: number[] = [];
      for (let nowUs = 0; nowUs <= endUs; nowUs += 500) {
        // Each turn is published just before its instant, as the main thread does.
        while (
          growing.rate.count < changes.length &&
          changes[growing.rate.count]![0] <= nowUs + 600
        ) {
          growing.rate.append(...changes[growing.rate.count]!);
        }
        while (cursor.dueUs() <= nowUs) {
          learned.push(cursor.dueUs());
          cursor.advance();
        }
      }
      assert.deepEqual(learned, known);
    }),
  );
});

test('the rate comes out as asked', () => {
  const plan: ArrivalPlan = { seed: 3, process: 'poisson', users: 10 };
  const count = walk(plan, scheduleOf([0, 5000]), 10e6).length;
  assert.ok(Math.abs(count - 50_000) < 5 * Math.sqrt(50_000), `${count}`);
});

test('the list of rate changes is bounded and says so', () => {
  const schedule = new PlanChanges();
  for (let i = 0; i < CHANGES_MAX; i++) assert.ok(schedule.rate.append(i, 1));
  assert.equal(schedule.rate.append(CHANGES_MAX, 1), false);
  assert.equal(schedule.rate.count, CHANGES_MAX);
});

test('a spike multiplies whatever rate there is, a fan-out gives each message more receivers', () => {
  const plan: ArrivalPlan = { seed: 1, process: 'constant', users: 50 };
  const changes = scheduleOf([0, 100], [30_000, 200]);
  changes.spike.append(10_000, 100);
  changes.spike.append(40_000, 0);
  changes.fanOut.append(20_000, 3);
  // 100/s to 10 ms, 200/s to 30 ms, 400/s to 40 ms, 200/s then.
  const cursor = new ArrivalCursor(plan, changes);
  const seen: [ms: number, index: number, copies: number][] = [];
  while (cursor.dueUs() <= 50_000) {
    seen.push([cursor.dueUs() / 1000, cursor.index, cursor.copies]);
    cursor.advance();
  }
  assert.deepEqual(seen, [
    [10, 0, 1],
    [15, 1, 1],
    [20, 2, 3],
    [25, 5, 3],
    [30, 8, 3],
    [32.5, 11, 3],
    [35, 14, 3],
    [37.5, 17, 3],
    [40, 20, 3],
    [45, 23, 3],
    [50, 26, 3],
  ]);
  const receivers = [0, 1, 2].map((copy) => receiverOf(plan, 2, copy));
  assert.ok(receivers.every((receiver) => receiver !== senderOf(plan, 2)));
  assert.ok(new Set(receivers).size > 1);
});

test('a change that comes while the next message lies behind one that is known holds from its instant', () => {
  const plan: ArrivalPlan = { seed: 1, process: 'constant', users: 2 };
  // The next message is due behind the change of the rate at 5 s; then a spike comes at 1 s.
  const changes = scheduleOf([0, 0.1], [5_000_000, 1]);
  const cursor = new ArrivalCursor(plan, changes);
  assert.equal(cursor.dueUs(), 5_500_000);
  changes.spike.append(1_000_000, 900);
  assert.equal(cursor.dueUs(), 1_900_000);
});
