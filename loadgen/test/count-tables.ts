// Loaded into a worker before its own code (--import): counts the bytes of all typed arrays of at least COUNTED
// elements that it makes, and tells them, by name and place, when it ends.

import { parentPort } from 'node:worker_threads';

export const COUNTED = 10_000;
const NAMES = [
  ...['Int8Array', 'Uint8Array', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array'],
  ...['Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
  ...['ArrayBuffer', 'SharedArrayBuffer'],
];

export interface CountedTables {
  kind: 'tables';
  /** Bytes by name and place. */
  tables: [string, number][];
}

type Maker = new (...values: unknown[]) => { byteLength: number };

if (parentPort !== null) {
  const tables = new Map<string, number>();
  const globals = globalThis as unknown as Record<string, Maker>;
  for (const name of NAMES) {
    const own: Maker = new Proxy(globals[name]!, {
      construct(target, values, asked) {
        const made = Reflect.construct(target, values, asked === own ? target : asked);
        const [count] = values;
        if (typeof count === 'number' && count >= COUNTED) {
          const at = new Error()
            .stack!.split('\n')
            .find((line) => /(?<!count-tables)\.ts:/.test(line));
          const key = `${name} ${at?.replace(/.*\//, '')}`;
          tables.set(key, (tables.get(key) ?? 0) + made.byteLength);
        }
        return made;
      },
    });
    globals[name] = own;
  }
  const port = parentPort;
  process.on('exit', () => {
    port.postMessage({ kind: 'tables', tables: [...tables] } satisfies CountedTables);
  });
}
