// npm run bench:collector [-- --small] [-- --json]: wsar, sadc, atop, node_exporter and netdata side by side in one
// run, once a second each, at no sockets and at 300,000: CPU of a sample, memory, bytes of a sample. Those that
// are not installed are named. WHAT is measured is the whole process with its children; absolute figures
// are this machine's, ratios count. `tick` is the median time in which ours read all its sources. Services of the
// system are not touched; what is started here is ended here, also after Ctrl-C, and the sockets are closed at
// once when memory runs out.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import type { Row } from '#core/metric/row.ts';
import { benchOptions, json, small } from '#scripts/bench/bench-options.ts';
import {
  bytesAt,
  type Contestant,
  contestants,
  type Running,
  removeFolder,
  startContestant,
  treeCpuUs,
  treeRssBytes,
} from '#scripts/bench/collector-cost.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { freePort } from '#test/free-port.ts';

const { small: isSmall, json: isJson } = benchOptions('bench:collector', { small, json });
const SECONDS = isSmall ? 3 : 40;
const WARM_UP_MS = isSmall ? 2500 : 8000;
/** Both ends are here: twice the connections. */
const SOCKETS = isSmall ? 2000 : 300_000;
/** Left free beside what the sockets take, bytes: their kernel memory is 10 KB each with a margin. */
const FREE_BYTES_MIN = 2 * 1024 ** 3 + SOCKETS * 10_000;
/** Left free at any time, bytes: less, and the bench ends. */
const FREE_BYTES_GUARD = 1.5 * 1024 ** 3;
const FILLED_S_MAX = 300;
const END_MS_MAX = isSmall ? 1000 : 10_000;

interface Figures {
  name: string;
  /** Sockets of this host, of which `opened` were opened by the bench. */
  sockets: number;
  opened: number;
  cpuUsPerSample: number;
  rssBytes: number;
  bytesPerSample: number;
  /** Median time in which it read everything, us; NaN: it does not say. */
  tickUs: number;
}

const WSAR = join(ROOT, 'bin', 'wsar');
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stopped.abort(new Error(`stopped by ${signal}`)));
}
const folder = mkdtempSync(join(tmpdir(), 'wsar-bench-collector-'));
try {
  await main();
} catch (error) {
  const reason = stopped.signal.aborted ? stopped.signal.reason : error;
  process.stderr.write(`${(reason as Error).message}\n`);
  process.exitCode = 1;
} finally {
  removeFolder(folder);
}

async function main(): Promise<void> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  const all = contestants(folders);
  const missing = all.filter(({ program }) => program === undefined).map(({ name }) => name);
  if (missing.length > 0) process.stderr.write(`not installed, left out: ${missing.join(', ')}\n`);
  const present = all.filter(({ program }) => program !== undefined);
  const rows = await measureAll(present, 0);
  const filled = await openSockets();
  if (filled !== undefined) {
    try {
      rows.push(...(await measureAll(present, filled.opened)));
    } finally {
      await filled.end();
    }
  }
  print(rows);
}

async function measureAll(present: readonly Contestant[], opened: number): Promise<Figures[]> {
  const started: { contestant: Contestant; running: Running; port: number; place: string }[] = [];
  try {
    for (const contestant of present) {
      const place = mkdtempSync(join(folder, 'one-'));
      const port = await freePort();
      started.push({ contestant, running: startContestant(contestant, place, port), port, place });
    }
    await setTimeoutAsync(WARM_UP_MS, undefined, { signal: stopped.signal });
    for (const { running } of started) running.takeTicksUs();
    const look = () =>
      started.map(({ contestant, running, place }) => ({
        cpuUs: treeCpuUs(running.child.pid ?? 0),
        bytes:
          contestant.file === undefined ? running.outputBytes() : bytesAt(contestant.file(place)),
      }));
    const before = look();
    const scraped = await scrapeFor(started);
    const after = look();
    const sockets = allocatedSockets();
    return started.map(({ contestant, running }, i) => ({
      name: contestant.name,
      sockets,
      opened,
      cpuUsPerSample: (after[i]!.cpuUs - before[i]!.cpuUs) / SECONDS,
      rssBytes: treeRssBytes(running.child.pid ?? 0),
      bytesPerSample: (scraped[i] ?? 0) || (after[i]!.bytes - before[i]!.bytes) / SECONDS,
      tickUs: median(running.takeTicksUs()),
    }));
  } finally {
    await endAll(started.map(({ running }) => running.child));
  }
}

/** Lets the seconds pass, asking those that only answer when asked; the length of each one's last answer. */
async function scrapeFor(
  started: readonly { contestant: Contestant; port: number }[],
): Promise<number[]> {
  const bytes = started.map(() => 0);
  for (let second = 0; second < SECONDS; second++) {
    const next = setTimeoutAsync(1000, undefined, { signal: stopped.signal });
    guardMemory();
    for (const [i, { contestant, port }] of started.entries()) {
      const url = contestant.scrape?.(port);
      if (url === undefined) continue;
      const text = await fetch(url).then(
        (answer) => answer.text(),
        () => '',
      );
      bytes[i] = text.length;
    }
    await next;
  }
  return bytes;
}

/** Opens the sockets with our own server and generator; undefined, said on stderr, where there is no room. */
async function openSockets(): Promise<{ opened: number; end(): Promise<void> } | undefined> {
  const free = freeBytes();
  if (!(free >= FREE_BYTES_MIN)) {
    process.stderr.write(
      `only ${Math.round(free / 1e6)} MB free: not measured at ${SOCKETS} sockets\n`,
    );
    return undefined;
  }
  const connections = SOCKETS / 2;
  const env = { ...process.env, WSAR_STATE_DIR: folder };
  const port = await freePort();
  const limits = [
    '--connections',
    String(connections + 1000),
    '--users',
    String(connections * 2 + 2000),
  ];
  const server = spawn(WSAR, ['serve', '--lab', '--port', String(port), ...limits], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  await new Promise((resolve) => server.stdout.once('data', resolve));
  server.stdout.resume();
  const target = ['--target', `mqtt://127.0.0.1:${port}`, '--connections', String(connections)];
  const how = ['--scenario', 'one-to-one', '--duration', '1h', '--keepalive', '0s', '--json'];
  const load = spawn(WSAR, ['load', ...target, ...how], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env,
  });
  // The generator's own count: sockets of other programs of this host come and go.
  let loggedIn = 0;
  createInterface({ input: load.stdout }).on('line', (line) => {
    loggedIn =
      (JSON.parse(line) as Partial<Row>).values?.['wsar.load.connections.logged_in'] ?? loggedIn;
  });
  const end = (): Promise<void> => endAll([load, server]);
  try {
    for (let second = 0; second < FILLED_S_MAX && load.exitCode === null; second++) {
      if (loggedIn >= connections * 0.99) return { opened: 2 * loggedIn, end };
      guardMemory();
      await setTimeoutAsync(1000, undefined, { signal: stopped.signal });
    }
  } catch (error) {
    await end();
    throw error;
  }
  process.stderr.write(`${SOCKETS} sockets could not be opened\n`);
  await end();
  return undefined;
}

/** Ends processes well, and those that stay by force; resolves when all are gone. */
async function endAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
      await gone;
      clearTimeout(timer);
    }),
  );
}

function guardMemory(): void {
  const free = freeBytes();
  if (free < FREE_BYTES_GUARD) throw new Error(`ended: only ${Math.round(free / 1e6)} MB are free`);
}

function freeBytes(): number {
  return Number(/^MemFree:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1]) * 1024;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function allocatedSockets(): number {
  const text = readFileSync('/proc/net/sockstat', 'latin1');
  return Number(/^TCP:.* alloc (\d+)/m.exec(text)?.[1]);
}

function print(rows: readonly Figures[]): void {
  if (isJson) {
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
    return;
  }
  process.stdout.write(`${cpus().length} CPUs, ${SECONDS} samples each, all at the same time\n`);
  process.stdout.write(
    '                       sockets  CPU us/sample  % of a core    RSS MB  bytes/sample  tick us\n',
  );
  for (const { name, sockets, cpuUsPerSample, rssBytes, bytesPerSample, tickUs } of rows) {
    const cells = [
      String(sockets).padStart(8),
      cpuUsPerSample.toFixed(0).padStart(13),
      (cpuUsPerSample / 1e4).toFixed(3).padStart(11),
      (rssBytes / 1e6).toFixed(1).padStart(9),
      bytesPerSample.toFixed(0).padStart(13),
      (Number.isNaN(tickUs) ? '-' : tickUs.toFixed(0)).padStart(7),
    ];
    process.stdout.write(`${name.padEnd(22)} ${cells.join('  ')}\n`);
  }
}
