// The thread of one plug-in (started by plugin-host.ts). Before anything else it steps back behind the collector: a
// thread begins with the priority of the one that made it, and loading its work alone takes a tenth of a second of CPU.

import { setPriority } from 'node:os';

/** Below the collector, and below what the host is there for. */
const NICE = 5;

// Elsewhere it would be the priority of the whole process.
if (process.platform === 'linux') setPriority(NICE);
await import('#collector/plugin/plugin-work.ts');
