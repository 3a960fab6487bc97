// Which users are in which group, without a byte for each: a group is a run of places, and a user's place is
// a permutation of his number. So any thread and any host finds members, ranks and sizes by arithmetic.
//
//   place = (a * user + b) mod n, a and n without a common factor; a, b drawn from the seed
//   places 0 1 2 3 4 5 6 ...  cut into groups by a table of sizes that repeats:  |0 0 0|1 1|2 2 2 2|...
//
// Each region (a country, or everybody) has a permutation and groups of its own: members of a group live in
// one country, and anywhere in it. A user is in one group at most.
//
// Bounds: GROUPS_MAX groups in all, so that servers that bound memberships are not filled; users beyond
// are in none. Products stay below 2^53 (90 million users squared are 8.1e15). Cost: about 30 ns a look.

import { assert } from '#core/assert.ts';
import { logNormalTable } from '#loadgen/log-normal.ts';
import { draw, drawBelow, LANE } from '#loadgen/seeded-draw.ts';

/** Neighbouring users that have groups among themselves. */
export interface Region {
  first: number;
  count: number;
}

/** Groups as plain data; GroupMap is what answers. */
export interface GroupPlan {
  /** Part of the messages that go to a group. */
  share: number;
  /** Members of each group that are connected, over and over; at least 2 each. */
  sizes: readonly number[];
}

/** What a scenario says of groups. */
export interface GroupShape {
  share: number;
  /** All members, log-normal. */
  sizeMedian: number;
  sizeSigma: number;
  sizeMax: number;
  /** Part of them that is connected at a time: the others are not simulated. */
  connectedRatio: number;
}

/** About 120,000 memberships by default: a quarter of what wsar serve takes, and half of its groups. */
export const GROUPS_MAX = 16_384;
/** Members of the largest group that a scenario may have; one who is left over joins the last. */
export const GROUP_SIZE_MAX = 1000;
/** Sizes that repeat: the largest is the middle of the last 64th. */
const SIZES = 64;
/** Steps through the table that mix small groups and large ones; without a common factor with SIZES. */
const SIZE_STEP = 37;
const TWO_32 = 2 ** 32;

/** Sizes at evenly spread probabilities, mixed. */
export function planGroups(shape: GroupShape): GroupPlan {
  const { share, sizeMedian, sizeSigma, sizeMax, connectedRatio } = shape;
  const members = logNormalTable(sizeMedian, sizeSigma, SIZES);
  const sizes = members.map((_, i) => {
    const size = Math.min(sizeMax, members[(i * SIZE_STEP) % SIZES]!);
    return Math.max(2, Math.round(size * connectedRatio));
  });
  return { share, sizes };
}

/** Users that have a group of every size in the table: fewer have other groups than the model says. */
export function usersOfAllSizes({ sizes }: GroupPlan): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

interface Place {
  first: number;
  count: number;
  a: number;
  aInverse: number;
  b: number;
  /** Number of its first group, and how many there are. */
  firstGroup: number;
  groups: number;
}

export class GroupMap {
  readonly share: number;
  /** All groups, and all memberships. */
  readonly count: number;
  readonly memberships: number;
  /** The largest there may be. */
  readonly sizeMax: number;
  readonly #seed: number;
  /** Place of the first member of each size in the table, and of what follows the last. */
  readonly #starts: Int32Array;
  /** Which of the sizes a place of the table belongs to. */
  readonly #sizeAt: Uint8Array;
  readonly #regions: Place[];
  /** 1 + 1/2 + ... + 1/k: activity within a group is Zipf's. */
  readonly #harmonic: Float64Array;

  constructor(plan: GroupPlan, regions: readonly Region[], seed: number) {
    const { share, sizes } = plan;
    assert(sizes.length <= 256 && sizes.every((size) => size >= 2), 'a group has two members');
    this.share = share;
    this.#seed = seed;
    this.#starts = new Int32Array(sizes.length + 1);
    sizes.forEach((size, i) => {
      this.#starts[i + 1] = this.#starts[i]! + size;
    });
    this.#sizeAt = new Uint8Array(this.#starts.at(-1)!);
    sizes.forEach((_, i) => {
      this.#sizeAt.fill(i, this.#starts[i]!, this.#starts[i + 1]!);
    });
    // One more: a single user who is left over joins the last group.
    this.sizeMax = Math.max(...sizes) + 1;
    this.#harmonic = new Float64Array(this.sizeMax + 1);
    for (let k = 1; k <= this.sizeMax; k++) this.#harmonic[k] = this.#harmonic[k - 1]! + 1 / k;
    const users = regions.reduce((sum, { count }) => sum + count, 0);
    let firstGroup = 0;
    this.#regions = regions.map(({ first, count }, index) => {
      const most = Math.floor((GROUPS_MAX * count) / Math.max(1, users));
      const groups = Math.min(most, this.#groupsIn(count));
      const [a, aInverse] = factorFor(count, seed, index);
      const b = count < 1 ? 0 : drawBelow(seed, index, LANE.groupPlace, count);
      const region = { first, count, a, aInverse, b, firstGroup, groups };
      firstGroup += groups;
      return region;
    });
    this.count = firstGroup;
    this.memberships = this.#regions.reduce((sum, region) => sum + this.#membersIn(region), 0);
  }

  /** The group of message `index`, -1 = it goes to one user; of region `region` only when that is not -1. */
  groupOfMessage(index: number, region: number): number {
    if (this.count === 0 || draw(this.#seed, index, LANE.group) >= this.share * TWO_32) return -1;
    if (region < 0 || this.#regions.length === 1) {
      return drawBelow(this.#seed, index, LANE.groupOf, this.count);
    }
    const { firstGroup, groups } = this.#regions[region]!;
    if (groups === 0) return -1;
    return firstGroup + drawBelow(this.#seed, index, LANE.groupOf, groups);
  }

  /** Who writes message `index` to `group`: the r-th most active member with a weight of 1 / r. */
  writerOf(index: number, group: number): number {
    const total = this.#harmonic[this.sizeOf(group)]!;
    const at = ((draw(this.#seed, index, LANE.writer) + 0.5) / TWO_32) * total;
    let rank = 0;
    while (this.#harmonic[rank + 1]! < at) rank++;
    return this.memberOf(group, rank);
  }

  /** The group of a user, -1 = none. */
  groupOf(user: number): number {
    const region = this.#regionOfUser(user);
    if (region === undefined) return -1;
    const group = this.#groupAt(region, placeOf(region, user));
    return group < 0 ? -1 : region.firstGroup + group;
  }

  /** How active a user is in his group, 0 = the most. */
  rankOf(user: number): number {
    const region = this.#regionOfUser(user)!;
    const place = placeOf(region, user);
    return place - this.#start(this.#groupAt(region, place));
  }

  sizeOf(group: number): number {
    const region = this.#regionOfGroup(group);
    const own = group - region.firstGroup;
    return this.#end(region, own) - this.#start(own);
  }

  memberOf(group: number, rank: number): number {
    const region = this.#regionOfGroup(group);
    const { first, count, aInverse, b } = region;
    const place = this.#start(group - region.firstGroup) + rank;
    return first + ((aInverse * ((place - b + count) % count)) % count);
  }

  #regionOfUser(user: number): Place | undefined {
    const regions = this.#regions;
    for (let i = 0; i < regions.length; i++) {
      const region = regions[i]!;
      if (user < region.first + region.count) return user >= region.first ? region : undefined;
    }
    return undefined;
  }

  #regionOfGroup(group: number): Place {
    assert(group >= 0 && group < this.count, 'there is such a group');
    let i = this.#regions.length - 1;
    while (this.#regions[i]!.firstGroup > group || this.#regions[i]!.groups === 0) i--;
    return this.#regions[i]!;
  }

  /** Groups in the places of a region: those of whole tables, and those that begin with two members in the rest. */
  #groupsIn(places: number): number {
    const table = this.#starts.at(-1)!;
    const rest = places % table;
    let more = 0;
    while (more < this.#starts.length - 1 && this.#starts[more]! + 2 <= rest) more++;
    return Math.floor(places / table) * (this.#starts.length - 1) + more;
  }

  #start(group: number): number {
    const sizes = this.#starts.length - 1;
    return Math.floor(group / sizes) * this.#starts[sizes]! + this.#starts[group % sizes]!;
  }

  /** The last group takes who is left, unless there are many: those are in none. */
  #end(region: Place, group: number): number {
    const end = this.#start(group + 1);
    const isLast = group === region.groups - 1;
    return isLast && region.count - end <= 1 ? region.count : end;
  }

  #membersIn(region: Place): number {
    return region.groups === 0 ? 0 : this.#end(region, region.groups - 1);
  }

  #groupAt(region: Place, place: number): number {
    if (place >= this.#membersIn(region)) return -1;
    const table = this.#sizeAt.length;
    const sizes = this.#starts.length - 1;
    const group = Math.floor(place / table) * sizes + this.#sizeAt[place % table]!;
    return Math.min(group, region.groups - 1);
  }
}

function placeOf({ first, count, a, b }: Place, user: number): number {
  return (((a * (user - first)) % count) + b) % count;
}

/** A factor near a drawn one that has no common factor with `n`, and its inverse. */
function factorFor(n: number, seed: number, region: number): [number, number] {
  if (n < 3) return [1, 1];
  for (let a = 1 + drawBelow(seed, region, LANE.groupFactor, n - 1); ; a = (a % (n - 1)) + 1) {
    const inverse = inverseOf(a, n);
    if (inverse > 0) return [a, inverse];
  }
}

/** x with a x = 1 (mod n), by Euclid's algorithm; 0 when there is none. */
function inverseOf(a: number, n: number): number {
  let [low, high, x, before] = [a, n, 1, 0];
  while (low > 0) {
    const times = Math.floor(high / low);
    [low, high] = [high - times * low, low];
    [x, before] = [before - times * x, x];
  }
  return high === 1 ? (before + n) % n : 0;
}
