// What the benches need of the kernel: processes that print lines, their CPU time and memory, slabs.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Cores of the two sides of a bench. */
export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;
/** Clock ticks of /proc/PID/stat a second (USER_HZ, 100 on every Linux). */
const TICKS_PER_S = 100;

export interface BenchProcess {
  pid: number;
  /** The next line of its stdout; rejects when it ends instead. */
  line(): Promise<string>;
  /** Writes a line to its stdin. */
  say(line: string): void;
  /** Ends it through its stdin (or a signal), or by SIGKILL after 5 s; resolves when it is gone. */
  end(): Promise<void>;
}

/**
 * Starts a program on one core (taskset), so that server and client do not share one; it dies with the bench,
 * however that ends (setpriv). `endSignal` is for one that does not end with its stdin; its talk on stderr is
 * dropped.
 */
export function startPinned(
  core: number,
  command: string,
  args: string[],
  endSignal?: NodeJS.Signals,
  env: Record<string, string> = {},
): BenchProcess {
  const pinned = ['-c', String(core), 'setpriv', '--pdeathsig', 'KILL', command, ...args];
  const child = spawn('taskset', pinned, {
    stdio: ['pipe', 'pipe', endSignal === undefined ? 'inherit' : 'ignore'],
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, ...env },
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const closed = once(child, 'close');
  return {
    pid: child.pid!,
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${command} ${args.join(' ')} ended early`);
      return value as string;
    },
    say: (line) => void child.stdin!.write(`${line}\n`),
    end: () => endProcess(child, closed, endSignal),
  };
}

async function endProcess(
  child: ChildProcess,
  closed: Promise<unknown>,
  signal: NodeJS.Signals | undefined,
): Promise<void> {
  child.stdin!.end();
  if (signal !== undefined) child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
  await closed;
  clearTimeout(timer);
}

/** User and system time of a process so far, us (resolution 10 ms). */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_S;
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  return kibOf(`/proc/${pid}/status`, 'VmRSS') * 1024;
}

/** Memory of all kernel slabs, and free memory, bytes. */
export function kernelMemory(): { slabBytes: number; freeBytes: number } {
  return {
    slabBytes: kibOf('/proc/meminfo', 'Slab') * 1024,
    freeBytes: kibOf('/proc/meminfo', 'MemFree') * 1024,
  };
}

function kibOf(file: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'latin1'));
  if (match === null) throw new Error(`${file} has no ${name}`);
  return Number(match[1]);
}
