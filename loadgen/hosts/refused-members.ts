// Users whom a server refused their group, as hosts tell each other before the start: whoever writes to a group must
// not expect those of it who are on other hosts.
//
// A list of rising numbers as text: differences of 32 bits, deflated, base64; '' for nobody. At most as many as there
// are memberships.

import { deflateSync, inflateSync } from 'node:zlib';

/** More than all memberships that there may be (120,000), four bytes each. */
const BYTES_MAX = 2 ** 20;

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
