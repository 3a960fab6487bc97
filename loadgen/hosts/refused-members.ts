// Users whom a server refused their group, as hosts tell each other before the start: whoever writes to a group must
// not expect those of it who are on other hosts.
//
// A list of rising numbers as text: differences of 32 bits, deflated, base64; '' for nobody. At most as many as there
// are memberships.

import { deflateSync, inflateSync } from 'node:zlib';
import { GROUP_SIZE_MAX, GROUPS_MAX } from '#loadgen/group-map.ts';

/** All memberships that a scenario may have, four bytes each. */
const BYTES_MAX = Uint32Array.BYTES_PER_ELEMENT * GROUPS_MAX * (GROUP_SIZE_MAX + 1);

export function encodeUsers(users: readonly number[]): string {
  if (users.length === 0) return '';
  const steps = Uint32Array.from(users, (user, i) => user - (users[i - 1] ?? 0));
  return deflateSync(new Uint8Array(steps.buffer)).toString('base64');
}

export function decodeUsers(text: string): number[] {
  if (text === '') return [];
  const bytes = inflateSync(Buffer.from(text, 'base64'), { maxOutputLength: BYTES_MAX });
  let user = 0;
  return Array.from({ length: bytes.length / 4 }, (_, i) => {
    user += bytes.readUInt32LE(i * 4);
    return user;
  });
}
