// A plug-in of wsar collect in TypeScript: who holds locks on files, and how many wait for one.
//
//   wsar --plugin docs/examples/plugins/file-locks.ts
//
// Each line of /proc/locks is a lock that is held (`1: POSIX  ADVISORY  WRITE 1234 ...`), or one that is waited for
// (`1: -> POSIX ...`). proc_locks(5).

import { readFileSync } from 'node:fs';
import type { Plugin, PluginMetric } from '../../../collector/plugin/plugin.ts';

const TYPES = ['POSIX', 'FLOCK', 'OFDLCK', 'LEASE'];

const metrics: PluginMetric[] = [
  ...TYPES.map((type) => ({
    name: `locks.held{type=${type}}`,
    kind: 'gauge' as const,
    unit: '{lock}',
    help: `locks of type ${type} that are held`,
  })),
  { name: 'locks.waiting', kind: 'gauge', unit: '{process}', help: 'processes that wait for one' },
];

export const plugin: Plugin = {
  id: 'locks',
  metrics,
  sample(values) {
    const lines = readFileSync('/proc/locks', 'latin1').trimEnd().split('\n');
    const words = lines.map((line) => line.trim().split(/\s+/));
    for (const type of TYPES) {
      values.set(`locks.held{type=${type}}`, words.filter(([, word]) => word === type).length);
    }
    values.set('locks.waiting', words.filter(([, word]) => word === '->').length);
  },
};
