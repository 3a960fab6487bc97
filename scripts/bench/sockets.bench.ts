// npm run bench:sockets [-- --small] [-- --json]: engines ring, epoll and net beside a plain epoll server in C,
// in one run, interleaved, the same client for all: CPU of the server for an echo of 32 bytes, connections
// opened a second, and memory of an idle connection. Medians; ratios count, absolute figures are this machine's.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchOptions, json, small } from '#scripts/bench/bench-options.ts';
import {
  type BenchProcess,
  cpuUs,
  kernelMemory,
  residentBytes,
  startPinned,
} from '#scripts/bench/bench-process.ts';

const folder = dirname(fileURLToPath(import.meta.url));
const { small: isSmall, json: isJson } = benchOptions('bench:sockets', { small, json });
const size = isSmall
  ? { rounds: 1, echoConnections: 100, echoS: 1, idle: 1000 }
  : { rounds: 5, echoConnections: 1000, echoS: 4, idle: 100_000 };
/** Left free by every measurement. */
const FREE_BYTES_MIN = 1024 ** 3;
/** Kernel memory of a connection, both ends, with a margin. */
const KERNEL_BYTES_PER_CONNECTION = 10_000;
/** Descriptors that a process needs beside its connections. */
const OTHER_DESCRIPTORS = 500;

type Server = 'ring' | 'epoll' | 'net' | 'c-epoll';
interface Figures {
  echoCpuUs: number[];
  echoesPerS: number[];
  connectsPerS: number;
  idle: number;
  userBytes: number;
  kernelBytes: number;
}

const builds = mkdtempSync(join(tmpdir(), 'wsar-bench-'));
try {
  await main();
} finally {
  rmSync(builds, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const epollEcho = compile();
  const engines: Server[] = ['ring', 'epoll', 'net'];
  const servers: Server[] = epollEcho === undefined ? engines : [...engines, 'c-epoll'];
  if (epollEcho === undefined)
    process.stderr.write('no C compiler (cc): the C server is left out\n');
  const figures = new Map(servers.map((server) => [server, newFigures()]));
  for (let round = 0; round < size.rounds; round++) {
    // Rotated, so that no server always runs first.
    for (let turn = 0; turn < servers.length; turn++) {
      const server = servers[(round + turn) % servers.length]!;
      await measureEcho(start(server, epollEcho, size.echoConnections), figures.get(server)!);
    }
  }
  for (const server of servers) {
    const idle =
      server === 'ring' ? size.idle : Math.min(size.idle, descriptors() - OTHER_DESCRIPTORS);
    await measureIdle(start(server, epollEcho, idle), idle, figures.get(server)!);
  }
  print(figures);
}

function newFigures(): Figures {
  return { echoCpuUs: [], echoesPerS: [], connectsPerS: 0, idle: 0, userBytes: 0, kernelBytes: 0 };
}

function compile(): string | undefined {
  const out = join(builds, 'epoll-echo');
  const { status } = spawnSync('cc', ['-O2', '-o', out, join(folder, 'epoll-echo.c')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return status === 0 ? out : undefined;
}

function start(server: Server, epollEcho: string | undefined, capacity: number): BenchProcess {
  if (server === 'c-epoll') return startPinned(0, epollEcho!, []);
  return startPinned(0, process.execPath, [
    join(folder, 'echo-server.ts'),
    server,
    String(capacity + 64),
  ]);
}

function startClient(port: number, connections: number, seconds: number): BenchProcess {
  return startPinned(1, process.execPath, [
    join(folder, 'echo-client.ts'),
    String(port),
    String(connections),
    String(seconds),
  ]);
}

async function portOf(server: BenchProcess): Promise<number> {
  return Number((await server.line()).split(' ')[1]);
}

async function measureEcho(server: BenchProcess, figures: Figures): Promise<void> {
  const client = startClient(await portOf(server), size.echoConnections, size.echoS);
  const opened = JSON.parse(await client.line());
  if (opened.failed > 0) throw new Error(`${opened.failed} connections failed`);
  const beforeUs = cpuUs(server.pid);
  const { echoes, seconds } = JSON.parse(await client.line());
  figures.echoCpuUs.push((cpuUs(server.pid) - beforeUs) / echoes);
  figures.echoesPerS.push(echoes / seconds);
  await client.end();
  await server.end();
}

async function measureIdle(server: BenchProcess, idle: number, figures: Figures): Promise<void> {
  const port = await portOf(server);
  const before = kernelMemory();
  if (before.freeBytes - idle * KERNEL_BYTES_PER_CONNECTION < FREE_BYTES_MIN) {
    throw new Error(
      `${idle} connections do not fit into ${before.freeBytes} free bytes; free some, or use --small`,
    );
  }
  const userBefore = residentBytes(server.pid);
  const client = startClient(port, idle, 0);
  const { open, failed, seconds } = JSON.parse(await client.line());
  if (failed > 0) throw new Error(`${failed} connections failed`);
  figures.idle = open;
  figures.connectsPerS = open / seconds;
  figures.userBytes = (residentBytes(server.pid) - userBefore) / open;
  figures.kernelBytes = (kernelMemory().slabBytes - before.slabBytes) / open;
  await client.end();
  await server.end();
}

function descriptors(): number {
  const match = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  return Number(match?.[1] ?? 1024);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function print(figures: Map<Server, Figures>): void {
  const c = median(figures.get('c-epoll')?.echoCpuUs ?? []);
  const rows = [...figures].map(([server, of]) => ({
    server,
    echo_cpu_us: median(of.echoCpuUs),
    ratio_to_c: median(of.echoCpuUs) / c,
    echoes_per_s: median(of.echoesPerS),
    connects_per_s: of.connectsPerS,
    idle_connections: of.idle,
    user_bytes_per_idle: of.userBytes,
    kernel_bytes_per_idle: of.kernelBytes,
  }));
  if (isJson) {
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
    return;
  }
  const { rounds, echoConnections, echoS } = size;
  process.stdout.write(
    `echo of 32 bytes, ${echoConnections} connections in a closed loop, ` +
      `${rounds} interleaved rounds of ${echoS} s, medians;\n` +
      'idle: user memory of the server, kernel slabs of both ends (client: engine ring)\n\n' +
      'server    CPU us/echo  ratio   echoes/s  connects/s     idle  user B/idle  kernel B/idle\n',
  );
  for (const row of rows) {
    const cells: [number, number, number][] = [
      [row.echo_cpu_us, 12, 2],
      [row.ratio_to_c, 7, 2],
      [row.echoes_per_s, 11, 0],
      [row.connects_per_s, 12, 0],
      [row.idle_connections, 9, 0],
      [row.user_bytes_per_idle, 13, 0],
      [row.kernel_bytes_per_idle, 15, 0],
    ];
    const text = cells.map(([value, width, digits]) =>
      (Number.isNaN(value) ? '-' : value.toFixed(digits)).padStart(width),
    );
    process.stdout.write(`${row.server.padEnd(9)}${text.join('')}\n`);
  }
}
