// npm run bench:tee [-- --engine ring] [-- --connections 300] [-- --rounds 3] [-- --seconds 4] [-- --think 10]:
// what the tee costs: closed-loop requests of 32 bytes over many connections, directly, through the tee
// without a shadow, with a healthy one, with one that accepts and never reads, and with none where one
// should be. The modes are
// interleaved and every figure is a median over the rounds. CPU is that of the tee's process, from its
// threads' run times (/proc/PID/task/TID/schedstat, ns); clients, upstream and shadow live in this one.
//
// With --think, every client pauses that long between an answer and its next request (load below the limit).

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { benchOptions, count, text } from '#scripts/bench/bench-options.ts';
import { ROOT } from '#scripts/source-tree.ts';

export const MODES = [
  'direct',
  'no shadow',
  'healthy shadow',
  'mute shadow',
  'absent shadow',
] as const;
type Mode = (typeof MODES)[number];

export interface BenchOptions {
  engine: string;
  connections: number;
  rounds: number;
  seconds: number;
  /** Pause between an answer and the next request, ms. */
  thinkMs: number;
}

export interface BenchRow {
  mode: Mode;
  requestsPerS: number;
  latencyUsP50: number;
  latencyUsP99: number;
  /** CPU of the tee for one request: whole process, production threads, shadow thread. */
  cpuUs: number;
  productionCpuUs: number;
  shadowCpuUs: number;
}

const REQUEST = Buffer.alloc(32, 7);

/** Runs all modes in turn, `rounds` times; one row a mode, medians. */
export async function benchTee(options: BenchOptions): Promise<BenchRow[]> {
  const runs = new Map<Mode, BenchRow[]>(MODES.map((mode) => [mode, []]));
  for (let round = 0; round < options.rounds; round++) {
    const order = round % 2 === 0 ? MODES : MODES.toReversed();
    for (const mode of order) runs.get(mode)!.push(await runMode(mode, options));
  }
  return MODES.map((mode) => {
    const rows = runs.get(mode)!;
    const median = (pick: (row: BenchRow) => number): number =>
      rows.map(pick).sort((a, b) => a - b)[rows.length >> 1]!;
    return {
      mode,
      requestsPerS: median((row) => row.requestsPerS),
      latencyUsP50: median((row) => row.latencyUsP50),
      latencyUsP99: median((row) => row.latencyUsP99),
      cpuUs: median((row) => row.cpuUs),
      productionCpuUs: median((row) => row.productionCpuUs),
      shadowCpuUs: median((row) => row.shadowCpuUs),
    };
  });
}

async function runMode(mode: Mode, options: BenchOptions): Promise<BenchRow> {
  const upstream = await serve((socket) => socket.on('data', (bytes) => socket.write(bytes)));
  const shadow = await serve((socket) =>
    mode === 'mute shadow' ? socket.pause() : socket.resume().on('end', () => socket.end()),
  );
  if (mode === 'absent shadow') shadow.close();
  const shadows = mode === 'direct' || mode === 'no shadow' ? [] : [shadow.port];
  const tee =
    mode === 'direct' ? undefined : await startTee(options.engine, upstream.port, shadows);
  const clients = await openClients(tee?.port ?? upstream.port, options);
  await clients.load(Math.min(500, options.seconds * 250));
  const before = tee === undefined ? NO_CPU : cpuOf(tee.child.pid!);
  const { latencies, elapsedMs } = await clients.load(options.seconds * 1000);
  const after = tee === undefined ? NO_CPU : cpuOf(tee.child.pid!);
  clients.close();
  if (tee !== undefined) {
    tee.child.kill('SIGTERM');
    await once(tee.child, 'exit');
  }
  upstream.close();
  shadow.close();
  const requests = latencies.length;
  latencies.sort();
  return {
    mode,
    requestsPerS: (requests / elapsedMs) * 1000,
    latencyUsP50: latencies[requests >> 1]!,
    latencyUsP99: latencies[Math.floor(requests * 0.99)]!,
    cpuUs: (after.all - before.all) / requests,
    productionCpuUs: (after.production - before.production) / requests,
    shadowCpuUs: (after.shadow - before.shadow) / requests,
  };
}

/** A closed loop on every connection: the next request leaves when the answer is whole. */
async function openClients(
  port: number,
  { connections, thinkMs }: BenchOptions,
): Promise<{
  load(ms: number): Promise<{ latencies: Float64Array; elapsedMs: number }>;
  close(): void;
}> {
  const sockets = Array.from({ length: connections }, () =>
    net.connect({ port, host: '127.0.0.1', noDelay: true }),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) socket.on('error', () => {});
  return {
    async load(ms) {
      const latencies: number[] = [];
      const start = performance.now();
      await Promise.all(sockets.map((socket) => pingUntil(socket, start + ms, thinkMs, latencies)));
      return { latencies: Float64Array.from(latencies), elapsedMs: performance.now() - start };
    },
    close: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}

function pingUntil(
  socket: Socket,
  endMs: number,
  thinkMs: number,
  latencies: number[],
): Promise<void> {
  return new Promise((resolve) => {
    let missing = 0;
    let sentMs = 0;
    const ping = (): void => {
      missing = REQUEST.length;
      sentMs = performance.now();
      socket.write(REQUEST);
    };
    const onData = (bytes: Buffer): void => {
      missing -= bytes.length;
      if (missing > 0) return;
      const nowMs = performance.now();
      latencies.push((nowMs - sentMs) * 1000);
      if (nowMs < endMs && thinkMs > 0) setTimeout(ping, thinkMs);
      else if (nowMs < endMs) ping();
      else {
        socket.off('data', onData);
        resolve();
      }
    };
    socket.on('data', onData);
    ping();
  });
}

async function serve(
  onSocket: (socket: Socket) => unknown,
): Promise<{ port: number; close: () => void }> {
  const open = new Set<Socket>();
  const server: Server = net.createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => {});
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  return { port: (server.address() as AddressInfo).port, close };
}

async function startTee(
  engine: string,
  upstream: number,
  shadows: number[],
): Promise<{ child: ChildProcess; port: number }> {
  const args = ['tee', '--listen', '0', '--upstream', `${upstream}`, '--engine', engine];
  for (const shadow of shadows) args.push('--shadow', `${shadow}`);
  const child = spawn(join(ROOT, 'bin/wsar'), args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, port: Number(/:(\d+)\n/.exec(`${text}`)![1]) };
}

const NO_CPU = { all: 0, production: 0, shadow: 0 };

/** Run time of the threads of a process, us: all, the busiest at normal priority, those at lower priority. */
function cpuOf(pid: number): typeof NO_CPU {
  const cpu = { ...NO_CPU };
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const us =
      Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1000;
    const nice = Number(
      readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8').split(') ')[1]!.split(' ')[16],
    );
    cpu.all += us;
    if (nice > 0) cpu.shadow += us;
  }
  cpu.production = cpu.all - cpu.shadow;
  return cpu;
}

/** The table as text. */
export function benchTable(rows: BenchRow[]): string {
  const cells = rows.map(({ mode, ...row }) => [
    mode,
    row.requestsPerS.toFixed(0),
    row.latencyUsP50.toFixed(0),
    row.latencyUsP99.toFixed(0),
    row.cpuUs.toFixed(1),
    row.productionCpuUs.toFixed(1),
    row.shadowCpuUs.toFixed(1),
  ]);
  const head = ['mode', 'req/s', 'p50 us', 'p99 us', 'CPU us/req', 'production', 'shadow'];
  return [head, ...cells]
    .map((line) =>
      line.map((cell, at) => (at === 0 ? cell.padEnd(16) : cell.padStart(12))).join(''),
    )
    .join('\n');
}

if (import.meta.main) {
  const { engine, think, ...size } = benchOptions('bench:tee', {
    engine: text('NAME', 'engine of the tee (default auto)'),
    connections: count('clients, each with one request under way', 300),
    rounds: count('interleaved rounds', 3),
    seconds: count('of each mode in a round', 4),
    think: count('pause of a client between an answer and its next request, ms', 0),
  });
  const rows = await benchTee({ engine: engine ?? 'auto', ...size, thinkMs: think });
  process.stdout.write(`${benchTable(rows)}\n`);
}
