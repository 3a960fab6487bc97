// What the agent (collector/runtime/node-agent.mjs) left in memory about one Node thread: reads the text, checks that
// it is whole, and turns what grew into rates over the thread's own time.
//
// The file belongs to a program that may be anything: it is opened without following links, read up to a bound, and
// every number is checked before it counts.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';

const BYTES_MAX = 4096;

/** Keys of the text, gauges first; what stands from `run_ns` on grows. */
export const NODE_KEYS = [
  'period_ms',
  'delay_p50_ms',
  'delay_p90_ms',
  'delay_p99_ms',
  'delay_max_ms',
  'gc_pause_max_ms',
  'heap_used_bytes',
  'heap_total_bytes',
  'heap_limit_bytes',
  'external_bytes',
  'rss_bytes',
  'run_ns',
  'wait_ns',
  'loop_idle_ms',
  'loop_active_ms',
  'gc_minor_count',
  'gc_minor_ms',
  'gc_major_count',
  'gc_major_ms',
  'gc_incremental_count',
  'gc_incremental_ms',
  'gc_weakcb_count',
  'gc_weakcb_ms',
  'gc_long_count',
  'gc_long_ms',
  'gc_collected_bytes',
] as const;
export type NodeKey = (typeof NODE_KEYS)[number];
const FIRST_COUNTER = NODE_KEYS.indexOf('run_ns');
const IDLE = NODE_KEYS.indexOf('loop_idle_ms');
const ACTIVE = NODE_KEYS.indexOf('loop_active_ms');
/** The line in front: `wsar-node <sequence>`, and the one behind. */
const FRAME = new KeyTable(['wsar-node', 'end']);

export type ReadResult = 'new' | 'same' | 'torn' | 'gone';

export class NodeReport {
  /** Readings by key; NaN: not told. Those that grow are rates per second of the thread's own time. */
  readonly #values = new Float64Array(NODE_KEYS.length).fill(Number.NaN);
  /** Readings of the text before, and of the one that is being read. */
  #before = new Float64Array(NODE_KEYS.length).fill(Number.NaN);
  #now = new Float64Array(NODE_KEYS.length).fill(Number.NaN);
  readonly #keys = new KeyTable(NODE_KEYS);
  readonly #scanner = new ByteScanner();
  readonly #bytes = Buffer.alloc(BYTES_MAX);
  readonly #fd: number;
  #sequence = -1;

  /** Opens the file; throws when it cannot be, or is no ordinary file of user `uid`. */
  constructor(path: string, uid: number) {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    this.#fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fstatSync(this.#fd);
    if (stat.isFile() && stat.uid === uid) return;
    closeSync(this.#fd);
    throw new Error(`${path} is no report of user ${uid}`);
  }

  /** Reads it again. A text that is being written right now is read in the next tick. */
  read(): ReadResult {
    let length = 0;
    try {
      if (fstatSync(this.#fd).nlink === 0) return 'gone';
      length = readSync(this.#fd, this.#bytes, 0, BYTES_MAX, 0);
    } catch {
      // It was taken away under us.
      return 'gone';
    }
    const sequence = this.#parse(length);
    if (sequence < 0) return 'torn';
    if (sequence === this.#sequence) return 'same';
    this.#sequence = sequence;
    this.#settle();
    return 'new';
  }

  /** A reading, or a rate per second of the thread's own time; NaN: not known. */
  value(key: NodeKey): number {
    return this.#values[NODE_KEYS.indexOf(key)]!;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Reads the numbers; the sequence of the text, -1 when it is not whole. */
  #parse(length: number): number {
    const scanner = this.#scanner;
    scanner.start(this.#bytes, length);
    const sequence = this.#frame(0);
    if (sequence < 0) return -1;
    this.#now.fill(Number.NaN);
    while (scanner.nextLine()) {
      if (!scanner.word()) continue;
      const key = this.#keys.find(scanner);
      if (key < 0) {
        if (FRAME.find(scanner) === 1) {
          return scanner.number() && scanner.value === sequence ? sequence : -1;
        }
        continue;
      }
      if (scanner.number() && !scanner.isNegative) this.#now[key] = scanner.value;
    }
    return -1;
  }

  #frame(which: number): number {
    const scanner = this.#scanner;
    if (!scanner.nextLine() || !scanner.word() || FRAME.find(scanner) !== which) return -1;
    return scanner.number() ? scanner.value : -1;
  }

  #settle(): void {
    const { length } = NODE_KEYS;
    const age = this.#now[IDLE]! + this.#now[ACTIVE]!;
    const dtS = (age - (this.#before[IDLE]! + this.#before[ACTIVE]!)) / 1000;
    for (let key = 0; key < length; key++) {
      const rise = this.#now[key]! - this.#before[key]!;
      if (key < FIRST_COUNTER) this.#values[key] = this.#now[key]!;
      else this.#values[key] = dtS > 0 && rise >= 0 ? rise / dtS : Number.NaN;
    }
    [this.#before, this.#now] = [this.#now, this.#before];
  }
}
