// npm run bench:live [-- --small] [-- --json]: ours beside sar, mpstat, vmstat, pidstat and nstat over the same 60 s of
// the same host, with some traffic on loopback so that there is something to compare. All start on one whole
// second; ours are the means of its rows. Printed: both numbers, by how much they differ, and what may be (start
// and end of the tools are not the same instant). Exit 1 when one differs by more.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import { promisify } from 'node:util';
import { benchOptions, json, small } from '#scripts/bench/bench-options.ts';
import { type Comparison, compare, rowMeans } from '#scripts/bench/collector-tools.ts';
import { ROOT } from '#scripts/source-tree.ts';

const { small: isSmall, json: isJson } = benchOptions('bench:live', { small, json });
const SECONDS = isSmall ? 3 : 60;
/** Datagrams a millisecond tick sends; connections are opened at a tenth of that. */
const BURST = 3;
const LEAD_MS = 1500;

interface Row {
  wallMs: number;
  intervalUs: number;
  values: Record<string, number | null>;
}

const children: ChildProcess[] = [];
const folder = mkdtempSync(join(tmpdir(), 'wsar-bench-live-'));
const run = promisify(execFile);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    end();
    process.exit(1);
  });
}
try {
  const comparisons = await main();
  print(comparisons);
  if (comparisons.some(({ isWithin }) => !isWithin)) process.exitCode = 1;
} finally {
  end();
}

function end(): void {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<Comparison[]> {
  const rows: Row[] = [];
  const worker = spawn('sh', ['-c', 'while :; do sleep 0.01; done'], { stdio: 'ignore' });
  children.push(worker);
  const pid = String(worker.pid);
  const collector = spawn(join(ROOT, 'bin', 'wsar'), ['1', '--json', '--pid', pid], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, WSAR_STATE_DIR: folder },
  });
  children.push(collector);
  createInterface({ input: collector.stdout! }).on('line', (line) => {
    const object = JSON.parse(line) as Row;
    if (object.values !== undefined) rows.push(object);
  });
  while (rows.length === 0) await setTimeoutAsync(10);
  const stopTraffic = await startTraffic();
  const startMs = Math.ceil((Date.now() + LEAD_MS) / 1000) * 1000;
  await setTimeoutAsync(startMs - Date.now());
  const outputs = await tools(pid);
  // The row of the last second comes with the next tick.
  while (rows.at(-1)!.wallMs < startMs + SECONDS * 1000) await setTimeoutAsync(10);
  stopTraffic();
  const inside = rows.filter(
    ({ wallMs }) => wallMs > startMs && wallMs <= startMs + SECONDS * 1000,
  );
  return compare(rowMeans(inside), outputs, { pid, slack: isSmall ? 100 : 1 });
}

/** Runs them all over the same seconds; their outputs by name. */
async function tools(pid: string): Promise<Record<string, string>> {
  const seconds = String(SECONDS);
  const started: Record<string, string[]> = {
    sar: ['-u', 'ALL', '-w', '-I', 'SUM', '-B', '-r', 'ALL', '-v', '-n', 'DEV,TCP,ETCP,SOCK,SOFT'],
    mpstat: ['-P', 'ALL'],
    pidstat: ['-h', '-u', '-w', '-r', '-p', pid],
  };
  const env = { ...process.env, LC_ALL: 'C', S_TIME_FORMAT: 'ISO', S_COLORS: 'never' };
  const answers = Object.entries(started).map(async ([name, args]) => {
    const { stdout } = await run(name, [...args, seconds, '1'], { env });
    return [name, stdout] as const;
  });
  const vmstat = run('vmstat', ['-n', seconds, '2'], { env }).then(
    ({ stdout }) => ['vmstat', stdout] as const,
  );
  const before = await run('nstat', ['-asz'], { env });
  const beforeMs = performance.now();
  await setTimeoutAsync(SECONDS * 1000 - 50);
  const after = await run('nstat', ['-asz'], { env });
  const nstatSeconds = String((performance.now() - beforeMs) / 1000);
  return {
    ...Object.fromEntries(await Promise.all([...answers, vmstat])),
    nstatBefore: before.stdout,
    nstatAfter: after.stdout,
    nstatSeconds,
  };
}

/** Datagrams and connections on loopback, at an even pace. */
async function startTraffic(): Promise<() => void> {
  const receiver = createSocket('udp4');
  await new Promise<void>((resolve) => receiver.bind(0, '127.0.0.1', resolve));
  const server = createServer((socket) => socket.on('error', () => {}).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const { connect } = await import('node:net');
  let ticks = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < BURST; i++) receiver.send('x', receiver.address().port, '127.0.0.1');
    if (ticks++ % 10 === 0)
      connect(port, '127.0.0.1')
        .on('error', () => {})
        .resume();
  }, 2);
  return () => {
    clearInterval(timer);
    receiver.close();
    server.close();
  };
}

function print(comparisons: readonly Comparison[]): void {
  if (isJson) {
    for (const each of comparisons) process.stdout.write(`${JSON.stringify(each)}\n`);
    return;
  }
  process.stdout.write(
    `over ${SECONDS} s         tool        ours      theirs        off     may be\n`,
  );
  for (const { what, tool, ours, theirs, off, tolerance, isWithin } of comparisons) {
    const cells = [ours, theirs, off, tolerance].map((n) => n.toFixed(3).padStart(11));
    process.stdout.write(
      `${what.padEnd(18)} ${tool.padEnd(8)}${cells.join('')}${isWithin ? '' : '  !'}\n`,
    );
  }
}
