// npm run bench:backlog [-- --small] [-- --json]: `wsar serve` with two million messages queued for users who are
// away, who then come back at a steady pace. Shows that the JavaScript heap and its pauses do not know of the
// backlog, and that the drain is predicted: every second the server says when its queues will be empty
// (wsar.server.queue.drain), which is compared with when they were.

import { join } from 'node:path';
import { benchOptions, json, small } from '#scripts/bench/bench-options.ts';
import { type BenchProcess, startPinned } from '#scripts/bench/bench-process.ts';
import type { Answer, Order } from '#scripts/bench/mqtt-client.ts';
import { ROOT } from '#scripts/source-tree.ts';

const { small: isSmall, json: isJson } = benchOptions('bench:backlog', { small, json });
const size = isSmall
  ? { messages: 40_000, users: 800, perS: 100 }
  : { messages: 2_000_000, users: 20_000, perS: 1000 };

interface Row {
  wallMs: number;
  values: Record<string, number>;
}

const server = startPinned(
  0,
  join(ROOT, 'bin/wsar'),
  [
    ...['serve', '--port', '0', '--lab', '--workers', '1', '--json'],
    ...['--engine', 'ring', '--messages', String(size.messages + 1000)],
    ...['--connections', String(size.users + 1000), '--users', String(4 * size.users + 1000)],
  ],
  'SIGTERM',
);
const rows: Row[] = [];
let client: BenchProcess | undefined;
try {
  const port = Number(new URL((await server.line()).split(' ')[1]!).port);
  await server.line();
  // Ends when the server does.
  const reading = readRows().catch(() => {});
  client = startPinned(1, process.execPath, [
    join(ROOT, 'scripts/bench/mqtt-client.ts'),
    String(port),
    String(size.users + 1000),
  ]);
  await measure(client);
  await server.end();
  await reading;
} finally {
  await client?.end();
  await server.end();
}

async function readRows(): Promise<void> {
  for (;;) {
    const row = JSON.parse(await server.line()) as Row;
    rows.push(row);
  }
}

async function ask(to: BenchProcess, order: Order): Promise<Answer> {
  to.say(JSON.stringify(order));
  return JSON.parse(await to.line());
}

async function measure(to: BenchProcess): Promise<void> {
  const { messages, users, perS } = size;
  await ask(to, { do: 'open', users: 1, first: 0, clean: true, filter: 'none' });
  const sender = { do: 'store', first: 1, users } as const;
  // What is compiled and allocated once belongs to no backlog.
  await ask(to, { ...sender, messages: messages / 20 });
  const start = await nextRow(1);
  const stored = await ask(to, { ...sender, messages: messages - messages / 20 });
  if (stored.failed > 0) throw new Error(`${stored.failed} messages were not stored`);
  const full = await nextRow(2);
  const before = rows.length;
  const drained = await ask(to, {
    ...{ do: 'open', users, first: 1, clean: false, filter: 'own', messages, perS },
  });
  // The last message came a millisecond ago.
  const emptyMs = Date.now();
  if (drained.failed > 0) throw new Error(`${drained.failed} messages did not come`);
  await nextRow(1);
  report(start, full, rows.slice(before), emptyMs, stored, drained);
}

/** The last row when so many more have come. */
async function nextRow(count: number): Promise<Row> {
  const wanted = rows.length + count;
  while (rows.length < wanted) await new Promise((resolve) => setTimeout(resolve, 20));
  return rows.at(-1)!;
}

function report(
  start: Row,
  full: Row,
  drain: Row[],
  emptyMs: number,
  stored: Answer,
  drained: Answer,
): void {
  const of = (row: Row, name: string): number => row.values[`wsar.server.${name}`] ?? Number.NaN;
  const whileFull = rows.filter(({ wallMs }) => wallMs > start.wallMs);
  const longest = (name: string): number =>
    Math.max(...whileFull.map((row) => of(row, name)).filter((value) => !Number.isNaN(value)));
  const errors = drain
    .filter((row) => isInTheMiddle(of(row, 'queue.length')))
    .map((row) => {
      const actualS = (emptyMs - row.wallMs) / 1000;
      return Math.abs(of(row, 'queue.drain') - actualS) / actualS;
    })
    .sort((a, b) => a - b);
  const figures = {
    queued: of(full, 'queue.length'),
    stored_per_s: stored.count / stored.seconds,
    heap_growth_bytes: of(full, 'heap') - of(start, 'heap'),
    rss_bytes_per_message: (of(full, 'rss') - of(start, 'rss')) / stored.count,
    gc_max_us: longest('gc.max_us'),
    turn_max_us: longest('loop.turn_max_us'),
    // What another program, or the main thread on the same core, took of a turn is no pause of ours.
    turn_cpu_max_us: longest('loop.turn_cpu_max_us'),
    drained_per_s: size.messages / drained.seconds,
    drain_error_median: errors[Math.floor(errors.length / 2)] ?? Number.NaN,
    predictions: errors.length,
  };
  if (isJson) {
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    return;
  }
  for (const [name, value] of Object.entries(figures)) {
    process.stdout.write(`${name.padEnd(24)}${value.toFixed(value < 10 ? 3 : 0).padStart(14)}\n`);
  }
}

/** Where a prediction means something: rates are known, and what is left is more than a tick's worth. */
function isInTheMiddle(length: number): boolean {
  return length < size.messages * 0.7 && length > size.messages * 0.25;
}
