// Topics of one user: m/<uid>, r/<uid>, p/<uid>.

import { UID_BYTES_MAX, type UserTable } from '#reference-server/home/user-table.ts';

const SLASH = 0x2f;
/** A letter and a slash before the uid. */
const PREFIX_BYTES = 2;

/** Longest topic of a user, bytes. */
export const USER_TOPIC_BYTES_MAX = PREFIX_BYTES + UID_BYTES_MAX;

/** Writes '<prefix>/<uid>'; returns its length. */
export function writeUserTopic(
  topic: Uint8Array,
  prefix: number,
  users: UserTable,
  row: number,
): number {
  const start = users.uidStart(row);
  const length = users.uidEnd(row) - start;
  topic[0] = prefix;
  topic[1] = SLASH;
  for (let i = 0; i < length; i++) topic[PREFIX_BYTES + i] = users.uidBytes[start + i]!;
  return PREFIX_BYTES + length;
}
