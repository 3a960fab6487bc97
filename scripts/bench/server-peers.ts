// The brokers of bench:server and bench:peers: which there are, how each is started on one core, what it was told.
// Foreign brokers are set as their own manuals say (docs/decisions); each lives in the bench's folder, on ports that
// were free, and is gone when the bench is.

import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type BenchProcess, SERVER_CORE, startPinned } from '#scripts/bench/bench-process.ts';
import {
  EJABBERD_MODULES,
  type FreePort,
  startEjabberd,
  startRabbitmq,
} from '#scripts/bench/erlang-peers.ts';
import { ROOT } from '#scripts/source-tree.ts';

/** ring-1ms: engine ring that gathers events for a millisecond (knob turn.gather). */
export type PeerName =
  | 'ring'
  | 'ring-1ms'
  | 'epoll'
  | 'net'
  | 'mosquitto'
  | 'rabbitmq'
  | 'ejabberd'
  | 'aedes';

export const OURS: readonly PeerName[] = ['ring', 'ring-1ms', 'epoll', 'net'];

export interface Peer {
  name: PeerName;
  port: number;
  /** The process that serves: all CPU and memory are its. */
  pid: number;
  /** User name and password, where one may not come without. */
  login: string[];
  end(): Promise<void>;
}

const START_MS_MAX = 60_000;
const folder = dirname(fileURLToPath(import.meta.url));
const RABBITMQ_FOLDERS = '/usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins/rabbitmq_mqtt-*';

/** What is compared, as it names itself; undefined when it is not installed. */
export function versionOf(name: PeerName): string | undefined {
  const node = `node ${process.versions.node}`;
  if (name === 'aedes') return `${packageVersion('node_modules/aedes')}, ${node}`;
  if (name === 'mosquitto') {
    const { stdout } = spawnSync('mosquitto', ['-h'], { env: withSbin(), encoding: 'utf8' });
    return /^mosquitto version (\S+)/m.exec(stdout ?? '')?.[1];
  }
  if (name === 'rabbitmq') return erlangProgram(RABBITMQ_FOLDERS, /rabbitmq_server-([^/]+)/);
  if (name === 'ejabberd') return erlangProgram(EJABBERD_MODULES, /ejabberd-([^/]+)/);
  return `wsar ${packageVersion('.')}, ${node}`;
}

/** Starts one broker; `scratch` is a folder for files that it is told by, `more` are options of `wsar serve`. */
export async function startPeer(
  name: PeerName,
  freePort: FreePort,
  scratch: string,
  more: string[] = [],
): Promise<Peer> {
  const port = await freePort();
  const common = { name, port, login: [] };
  if (name === 'mosquitto') return { ...common, ...(await startMosquitto(port, scratch)) };
  if (name === 'rabbitmq' || name === 'ejabberd') {
    const own = join(scratch, `${name}-${port}`);
    mkdirSync(own);
    const start = name === 'rabbitmq' ? startRabbitmq : startEjabberd;
    const { child, login, end } = await start(port, own, freePort);
    await untilListening(name, port, child);
    return { ...common, pid: child.pid, login, end };
  }
  const node = process.execPath;
  if (name === 'aedes') {
    const child = startPinned(SERVER_CORE, node, [join(folder, 'aedes.bench.ts')]);
    const said = (await child.line()).split(' ');
    return { ...common, port: Number(said[1]), pid: child.pid, end: child.end };
  }
  const engine = name === 'ring-1ms' ? ['ring', '--gather', '1000'] : [name];
  const args = ['serve', '--port', '0', '--workers', '1', '--engine', ...engine, ...more];
  const child = startPinned(SERVER_CORE, join(ROOT, 'bin', 'wsar'), args, 'SIGTERM');
  const ready = await child.line();
  const own = Number(new URL(ready.split(' ')[1]!).port);
  return { ...common, port: own, pid: child.pid, end: child.end };
}

/** CPU time of a process so far, us, to the nanosecond where the kernel has schedstats, else to 10 ms. */
export function preciseCpuUs(pid: number): number {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
  }
  return ns / 1000;
}

async function startMosquitto(port: number, scratch: string): Promise<Pick<Peer, 'pid' | 'end'>> {
  const config = join(scratch, `mosquitto-${port}.conf`);
  // As it comes, but without a store on disk, without Nagle's delay (no other broker here has it) and
  // with queues as long as ours.
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n` +
      'max_queued_messages 100000\nset_tcp_nodelay true\nlog_type none\n',
  );
  const child = startPinned(SERVER_CORE, 'mosquitto', ['-c', config], 'SIGTERM');
  await untilListening('mosquitto', port, child);
  return { pid: child.pid, end: child.end };
}

async function untilListening(name: PeerName, port: number, child: BenchProcess): Promise<void> {
  for (let waitedMs = 0; !(await isListening(port)); waitedMs += 20) {
    if (waitedMs > START_MS_MAX) {
      await child.end();
      throw new Error(`${name} does not listen`);
    }
    await sleep(20);
  }
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

function packageVersion(path: string): string {
  return JSON.parse(readFileSync(join(ROOT, path, 'package.json'), 'utf8')).version;
}

/** The version in the path of a program's files, and that of the Erlang that runs it. */
function erlangProgram(pattern: string, version: RegExp): string | undefined {
  const [path] = globSync(pattern);
  const [otp] = globSync('/usr/lib/erlang/releases/*/OTP_VERSION');
  if (path === undefined || otp === undefined) return undefined;
  return `${version.exec(path)![1]}, Erlang ${readFileSync(otp, 'latin1').trim()}`;
}

function withSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
}
