// The members of groups that one worker owns: for each group a list of its members here, for each user a list of
// its groups. Pure state in typed arrays: no sockets, no clock, no packets.
//
// Cost: a group as a user of the table of users (37 bytes with a short gid) and 8 bytes, a membership 25 bytes,
// 4 bytes a user. Bounds: groups, memberships.

import { UserTable } from '#reference-server/home/user-table.ts';

const NONE = -1;

/** Flags of a membership. */
export const MEMBER = {
  qos1: 1,
  /** Wants no copy of what it sends itself. */
  noLocal: 2,
} as const;

export class GroupTable {
  /** Gids and their rows. */
  readonly groups: UserTable;
  /** Memberships of all users. */
  count = 0;
  /** The user of each membership, its flags and its Subscription Identifier (0 = none). */
  readonly user: Int32Array;
  readonly flags: Uint8Array;
  readonly id: Uint32Array;
  /** One more than an index, 0 = none, so that a new table needs no fill. */
  readonly #firstOfGroup: Int32Array;
  readonly #membersOfGroup: Int32Array;
  readonly #firstOfUser: Int32Array;
  readonly #group: Int32Array;
  readonly #nextOfGroup: Int32Array;
  readonly #previousOfGroup: Int32Array;
  /** Of a free membership the next free one. */
  readonly #nextOfUser: Int32Array;
  readonly #membersMax: number;
  #freeHead = NONE;
  #touched = 0;

  constructor(users: number, groupsMax: number, membersMax: number, hashSeed: number) {
    this.groups = new UserTable(groupsMax, hashSeed);
    this.#membersMax = membersMax;
    this.#firstOfGroup = new Int32Array(groupsMax);
    this.#membersOfGroup = new Int32Array(groupsMax);
    this.#firstOfUser = new Int32Array(users);
    this.user = new Int32Array(membersMax);
    this.flags = new Uint8Array(membersMax);
    this.id = new Uint32Array(membersMax);
    this.#group = new Int32Array(membersMax);
    this.#nextOfGroup = new Int32Array(membersMax);
    this.#previousOfGroup = new Int32Array(membersMax);
    this.#nextOfUser = new Int32Array(membersMax);
  }

  /** The group of a gid, -1 = nobody here is in it. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    return this.groups.find(bytes, start, end, hash);
  }

  /** The membership of a user in a group, -1 = none. */
  membership(user: number, group: number): number {
    let member = this.#firstOfUser[user]! - 1;
    while (member >= 0 && this.#group[member] !== group) member = this.#nextOfUser[member]!;
    return member;
  }

  /** A new membership in the group of a gid, which is made when it is new; -1 = no room. */
  join(user: number, bytes: Uint8Array, start: number, end: number, hash: number): number {
    if (this.count === this.#membersMax) return NONE;
    let group = this.groups.find(bytes, start, end, hash);
    if (group < 0) group = this.groups.add(bytes, start, end, hash);
    if (group < 0) return NONE;
    const member = this.#freeHead === NONE ? this.#touched++ : this.#freeHead;
    if (member === this.#freeHead) this.#freeHead = this.#nextOfUser[member]!;
    const next = this.#firstOfGroup[group]! - 1;
    this.user[member] = user;
    this.#group[member] = group;
    this.#nextOfGroup[member] = next;
    this.#previousOfGroup[member] = NONE;
    if (next >= 0) this.#previousOfGroup[next] = member;
    this.#firstOfGroup[group] = member + 1;
    this.#nextOfUser[member] = this.#firstOfUser[user]! - 1;
    this.#firstOfUser[user] = member + 1;
    this.#membersOfGroup[group]!++;
    this.count++;
    return member;
  }

  /** Ends a membership; a group without members here is forgotten. */
  leave(user: number, member: number): void {
    this.#unlinkUser(user, member);
    const group = this.#group[member]!;
    const next = this.#nextOfGroup[member]!;
    const previous = this.#previousOfGroup[member]!;
    if (previous === NONE) this.#firstOfGroup[group] = next + 1;
    else this.#nextOfGroup[previous] = next;
    if (next >= 0) this.#previousOfGroup[next] = previous;
    this.#nextOfUser[member] = this.#freeHead;
    this.#freeHead = member;
    this.count--;
    if (--this.#membersOfGroup[group]! === 0) this.groups.remove(group);
  }

  groupOf(member: number): number {
    return this.#group[member]!;
  }

  /** Members of a group here. */
  members(group: number): number {
    return this.#membersOfGroup[group]!;
  }

  firstOfGroup(group: number): number {
    return this.#firstOfGroup[group]! - 1;
  }

  nextOfGroup(member: number): number {
    return this.#nextOfGroup[member]!;
  }

  firstOfUser(user: number): number {
    return this.#firstOfUser[user]! - 1;
  }

  nextOfUser(member: number): number {
    return this.#nextOfUser[member]!;
  }

  /** Groups of a user: as many as its subscriptions may be. */
  #unlinkUser(user: number, member: number): void {
    let previous = NONE;
    let at = this.#firstOfUser[user]! - 1;
    for (; at !== member; at = this.#nextOfUser[at]!) previous = at;
    const next = this.#nextOfUser[member]!;
    if (previous === NONE) this.#firstOfUser[user] = next + 1;
    else this.#nextOfUser[previous] = next;
  }
}
