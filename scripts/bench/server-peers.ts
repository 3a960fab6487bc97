// The brokers of bench:server: how each is started on one core, and which are there at all.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type BenchProcess, startPinned } from '#scripts/bench/bench-process.ts';
import { ROOT } from '#scripts/source-tree.ts';

/** ring-1ms: engine ring that gathers events for a millisecond (knob turn.gather). */
export type PeerName = 'ring' | 'ring-1ms' | 'net' | 'mosquitto' | 'aedes';
export const PEER_NAMES: readonly PeerName[] = ['ring', 'ring-1ms', 'net', 'mosquitto', 'aedes'];

export interface Peer {
  name: PeerName;
  port: number;
  pid: number;
  end(): Promise<void>;
}

const SERVER_CORE = 0;
const START_MS_MAX = 10_000;
const folder = dirname(fileURLToPath(import.meta.url));

/** Starts one broker; `scratch` is a folder for files that it is told by, `more` are options of `wsar serve`. */
export async function startPeer(
  name: PeerName,
  port: number,
  scratch: string,
  more: string[] = [],
): Promise<Peer> {
  if (name === 'mosquitto') return await startMosquitto(port, scratch);
  const node = process.execPath;
  if (name === 'aedes') {
    const child = startPinned(SERVER_CORE, node, [join(folder, 'aedes.bench.ts')]);
    const said = (await child.line()).split(' ');
    return { name, port: Number(said[1]), pid: child.pid, end: () => child.end() };
  }
  const engine = name === 'ring-1ms' ? ['ring', '--gather', '1000'] : [name];
  const args = ['serve', '--port', '0', '--workers', '1', '--engine', ...engine, ...more];
  const child = startPinned(SERVER_CORE, node, [join(ROOT, 'bin', 'wsar'), ...args], 'SIGTERM');
  const ready = await child.line();
  return { name, port: Number(new URL(ready.split(' ')[1]!).port), pid: child.pid, end: child.end };
}

/** CPU time of a process so far, us, to the nanosecond where the kernel has schedstats, else to 10 ms. */
export function preciseCpuUs(pid: number): number {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
  }
  return ns / 1000;
}

/** Whether mosquitto can be started. */
export async function hasMosquitto(): Promise<boolean> {
  const child = spawn('mosquitto', ['-h'], { env: withSbin(), stdio: 'ignore' });
  return await new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', () => resolve(true));
  });
}

async function startMosquitto(port: number, scratch: string): Promise<Peer> {
  const config = join(scratch, `mosquitto-${port}.conf`);
  // As it comes, but without a store on disk, without Nagle's delay (no other broker here has it) and
  // with queues as long as ours.
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n` +
      'max_queued_messages 100000\nset_tcp_nodelay true\nlog_type none\n',
  );
  const child: BenchProcess = startPinned(SERVER_CORE, 'mosquitto', ['-c', config], 'SIGTERM');
  for (let waitedMs = 0; !(await isListening(port)); waitedMs += 20) {
    if (waitedMs > START_MS_MAX) throw new Error('mosquitto does not listen');
    await sleep(20);
  }
  return { name: 'mosquitto', port, pid: child.pid, end: child.end };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function withSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
}
