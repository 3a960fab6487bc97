// A bench that is ended by a signal ends what it started, and what that started: servers, load, peers. Who is asked
// with SIGTERM and stays for 3 s is killed. Nothing of the bench itself goes on meanwhile, so that it does not take
// the end of a child for a failure.

import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const GRACE_MS = 3000;
const LOOK_MS = 20;

/** From now on; the exit status is then 128 and the signal. */
export function endChildrenWithBench(): void {
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      const all = descendants(process.pid);
      for (const pid of all) send(pid, 'SIGTERM');
      const cell = new Int32Array(new SharedArrayBuffer(4));
      let rest = all;
      for (let waitedMs = 0; rest.length > 0 && waitedMs < GRACE_MS; waitedMs += LOOK_MS) {
        Atomics.wait(cell, 0, 0, LOOK_MS);
        rest = rest.filter((pid) => parentOf(pid) !== undefined);
      }
      for (const pid of rest) send(pid, 'SIGKILL');
      process.exit(128 + constants.signals[signal]);
    });
  }
}

/** Children and their children, as of now. */
function descendants(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: parentOf(Number(name)) }));
  const found = [pid];
  for (const of of found) {
    for (const one of parents) if (one.parent === of) found.push(one.pid);
  }
  return found.slice(1);
}

/** Its parent; undefined when it is gone, or only waits for its parent to hear of it. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? undefined : Number(parent);
  } catch {
    // Gone.
    return undefined;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}
