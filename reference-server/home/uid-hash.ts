// Hash of a user id (the bytes of an MQTT client id). It decides which worker owns the user, by its
// upper bits, and where the owner's table keeps it, by its lower bits.
//
// Client ids are chosen by strangers, so the hash starts from a secret of the process: nobody can
// prepare ids that all fall on one place. FNV-1a over the bytes, then the finisher of MurmurHash3 so
// that upper and lower bits are independent. About 1 ns a byte.

/** 32 bits, as an unsigned number. `seed` is the same for all workers of one server. */
export function uidHash(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed ^ 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The worker that owns the user: 0 .. workers - 1. */
export function homeOf(hash: number, workers: number): number {
  return Math.floor((hash / 0x1_0000_0000) * workers);
}
