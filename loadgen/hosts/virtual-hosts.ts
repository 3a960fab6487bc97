// Hosts that are not there: agents in network namespaces of their own, each with an address, ports and a
// veth to this host. Everything belongs to the agent's process: when it ends, however it ends, its
// namespace and both ends of the veth go with it, and when the controller is killed the agents end by
// their lifeline. Nothing is named, so nothing can be left behind. Needs root, unshare, nsenter and ip.
//
// A namespace has no loopback: 127.0.0.0/8 is routed to this host (route_localnet on our own devices
// only), so that a server and a bus on 127.0.0.1 are reached from there.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { formatIpv4, parseIpv4 } from '#core/host/ipv4.ts';
import { childEnvironment, type LabEnvironment } from '#core/host/lab-environment.ts';

export const VIRTUAL_HOSTS_MAX = 200;
const GRACE_MS = 5000;
/** Blocks 10.128.0.0/16 to 10.227.0.0/16, by process id, so that two controllers seldom meet. */
const BLOCK_FIRST = 128;
const BLOCKS = 100;
/** Addresses of one veth: network, ours, theirs, broadcast. */
const VETH_ADDRESSES = 4;
const PROGRAMS = ['unshare', 'nsenter', 'ip'];

export interface VirtualHosts {
  /** Process ids by agent name. */
  readonly pids: ReadonlyMap<string, number>;
  /** Ends the agents that are left; resolves when they are gone. */
  close(): Promise<void>;
}

/** Throws WSAR_ERR_LIMIT where namespaces cannot be made, WSAR_ERR_SYSTEM when one could not. */
export async function startVirtualHosts(
  count: number,
  root: string,
  environment: LabEnvironment,
  clock: Clock,
): Promise<VirtualHosts> {
  const lacks = whyNoVirtualHosts();
  if (lacks !== undefined) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `--virtual-hosts cannot be made here: ${lacks}`,
      'run as root on Linux with iproute2 and util-linux, or start wsar agent yourself',
    );
  }
  const children = new Map<string, ChildProcess>();
  const close = async (): Promise<void> => {
    await Promise.all([...children.values()].map((child) => end(child, clock)));
    // The kernel takes a namespace apart when it gets round to it; who looks now shall find nothing.
    for (const { pid } of children.values()) removeDevice(`wv${pid}`);
  };
  try {
    const base = parseIpv4(`10.${BLOCK_FIRST + (process.pid % BLOCKS)}.0.0`);
    for (let index = 0; index < count; index++) {
      const id = `v${String(index).padStart(3, '0')}`;
      const ours = base + index * VETH_ADDRESSES + 1;
      const child = spawnAgent(id, ours + 1, root, environment);
      children.set(id, child);
      connect(child.pid!, index, ours);
    }
    // The shells in the namespaces have waited for this line. Not before the last one is connected: all of that
    // holds up the bus in this process, and an agent that is not answered gives up.
    for (const child of children.values()) child.stdin!.write('go\n');
  } catch (error) {
    await close();
    throw error;
  }
  const pids = new Map([...children].map(([id, child]) => [id, child.pid!]));
  return { pids, close };
}

/** What this host lacks for namespaces; undefined when it lacks nothing. */
export function whyNoVirtualHosts(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  if (process.getuid?.() !== 0) return 'this user is not root';
  const folders = PATH_FOLDERS.split(delimiter);
  const missing = PROGRAMS.filter((name) => !folders.some((at) => existsSync(join(at, name))));
  return missing.length === 0 ? undefined : `${missing.join(', ')} missing`;
}

const PATH_FOLDERS = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function spawnAgent(
  id: string,
  address: number,
  root: string,
  environment: LabEnvironment,
): ChildProcess {
  const agent = ['agent', '--id', id, '--sources', formatIpv4(address), '--once'];
  const command = [join(root, 'bin', 'wsar'), ...agent];
  // The shell replaces itself, so the agent keeps this process id and our pipe as its lifeline.
  return spawn(
    'unshare',
    ['--net', '--', '/bin/sh', '-c', 'read go && exec "$@"', 'sh', ...command],
    {
      env: childEnvironment({ ...environment, hasLifeline: true }),
      stdio: ['pipe', 'ignore', 'inherit'],
      // A Ctrl-C is the controller's: it ends the agents in order.
      detached: true,
    },
  );
}

/** Lays a veth between this namespace and that of `pid`, and routes loopback through it. */
function connect(pid: number, index: number, ours: number): void {
  const [name, gateway, theirs] = [`wv${pid}`, formatIpv4(ours), formatIpv4(ours + 1)];
  waitForNamespace(pid);
  must('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'host0', 'netns', String(pid)]);
  writeFileSync(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, '1');
  must('ip', ['addr', 'add', `${gateway}/30`, 'dev', name]);
  must('ip', ['link', 'set', name, 'up']);
  const inside = [
    `ip addr add ${theirs}/30 dev host0`,
    'echo 1 > /proc/sys/net/ipv4/conf/host0/route_localnet',
    'ip link set host0 up',
    `ip route add 127.0.0.0/8 via ${gateway} dev host0`,
    `ip route add default via ${gateway} dev host0`,
  ].join(' && ');
  must('nsenter', ['-t', String(pid), '-n', '--', '/bin/sh', '-c', inside], index);
}

/** unshare needs a moment before the process is in its own namespace. */
function waitForNamespace(pid: number): void {
  const own = spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }).stdout;
  for (let i = 0; i < 200; i++) {
    const theirs = spawnSync('readlink', [`/proc/${pid}/ns/net`], { encoding: 'utf8' }).stdout;
    if (theirs !== '' && theirs !== own) return;
  }
  throw failed('unshare made no network namespace');
}

function must(program: string, args: string[], index = 0): void {
  const { status, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { PATH: PATH_FOLDERS },
  });
  if (status === 0) return;
  throw failed(`virtual host ${index}: ${program} ${args[0]}: ${stderr.trim().split('\n')[0]}`);
}

function removeDevice(name: string): void {
  if (!existsSync(`/sys/class/net/${name}`)) return;
  // It may go by itself in between: then there is nothing to remove.
  spawnSync('ip', ['link', 'del', name], { env: { PATH: PATH_FOLDERS }, stdio: 'ignore' });
}

async function end(child: ChildProcess, clock: Clock): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const cancel = clock.after(GRACE_MS, () => void child.kill('SIGKILL'));
  await gone;
  cancel();
}

function failed(what: string): WsarError {
  return new WsarError('WSAR_ERR_SYSTEM', what, 'is another tool changing the network here?');
}
