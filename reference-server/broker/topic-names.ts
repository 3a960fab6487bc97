// Names of topics that were seen lately, as bytes and as text: a message finds its own here, so that publishing to a
// topic again makes no string and no copy of it. One place for each hash; the newer name takes it. At most
// NAMES_MAX * (NAME_BYTES_MAX and two objects), about 200 KB a worker.
//
// Why it pays: text of a view that V8 keeps on its heap moves that view into memory of its own first (malloc, a
// registry, a sweep at each collection), a tenth of what a publish to one subscriber costs.

export interface TopicName {
  /** Never written to. */
  readonly bytes: Uint8Array;
  readonly text: string;
}

const NAMES_MAX = 512;
/** Longer names are made anew each time. */
const NAME_BYTES_MAX = 128;

export class TopicNames {
  readonly #names: (TopicName | undefined)[] = new Array(NAMES_MAX).fill(undefined);

  /** The name in [start, end) of `bytes`, which are not kept. */
  of(bytes: Uint8Array, start: number, end: number): TopicName {
    if (end - start > NAME_BYTES_MAX) return this.#make(bytes, start, end);
    const place = hashOf(bytes, start, end) & (NAMES_MAX - 1);
    const known = this.#names[place];
    if (known !== undefined && isSame(known.bytes, bytes, start, end)) return known;
    const name = this.#make(bytes, start, end);
    this.#names[place] = name;
    return name;
  }

  #make(bytes: Uint8Array, start: number, end: number): TopicName {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
    return { bytes: new Uint8Array(bytes.subarray(start, end)), text };
  }
}

/** FNV-1a; names that fall on one place on purpose cost what they cost without these. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function isSame(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let at = 0; at < name.length; at++) if (name[at] !== bytes[start + at]) return false;
  return true;
}
