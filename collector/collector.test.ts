// The whole collector on a fake /proc and virtual time: what it prints is compared to the letter.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as setImmediateAsync } from 'node:timers/promises';
import type { CollectPlan } from '#collector/collect-plan.ts';
import { runCollector } from '#collector/collector.ts';
import { TABLES } from '#collector/report/layout.ts';
import {
  DEVICE_HEADER,
  deviceText,
  makeProcTree,
  pairText,
  statText,
} from '#collector/test/proc-tree.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import { ROOT } from '#test/command.ts';

// Rows show local time.
process.env['TZ'] = 'UTC';

const START_MS = Date.UTC(2026, 10, 23, 8, 18, 51);

interface Running {
  clock: VirtualClock;
  text(): string;
  /** The tree moves on by one second of load and the clock with it. */
  second(): void;
  end(): Promise<void>;
}

async function start(
  t: TestContext,
  plan: Partial<CollectPlan> = {},
  terminalLines?: number,
): Promise<Running> {
  const tree = makeProcTree(t);
  const clock = new VirtualClock(START_MS);
  const abort = new AbortController();
  t.after(() => abort.abort());
  let text = '';
  const finished = runCollector(
    {
      periodMs: 1000,
      rowsMax: Infinity,
      format: 'console',
      hasSchema: false,
      show: ['os'],
      isWide: false,
      root: tree.root,
      host: 'h1',
      lab: { busUrl: undefined, storeUrl: undefined, lab: 'lab', runId: '', hasLifeline: false },
      spoolFolder: undefined,
      ...plan,
    },
    {
      clock,
      uptimeS: () => clock.monoUs() / 1e6,
      out: (part) => (text += part),
      talk: (part) => (text += part),
      terminalLines: () => terminalLines,
      signal: abort.signal,
      lost: new AbortController().signal,
    },
  );
  await setImmediateAsync();
  let seconds = 0;
  const second = (): void => {
    seconds++;
    load(tree, seconds);
    clock.advance(1000);
  };
  const end = async (): Promise<void> => {
    abort.abort('SIGINT');
    await finished;
  };
  return { clock, text: () => text, second, end };
}

/** The figures of wsar's peak row (2012, 2.8 million connections) as a /proc after `s` seconds. */
function load(tree: ReturnType<typeof makeProcTree>, s: number): void {
  // 56.3 user, 18.0 sys, 11.4 intr, 14.3 idle.
  const ticks = [563, 0, 180, 143, 0, 14, 100, 0, 0, 0].map((n) => n * s);
  tree.write(
    'stat',
    statText({
      cpus: {
        0: ticks.map((n, i) => n + [100, 0, 50, 800, 10, 5, 15, 0, 0, 0][i]!),
        1: [0, 0, 0, 980],
      },
      ctxt: 1000 + 1_903_005 * s,
      intr: 500 + 290_008 * s,
      softirq: [10 + 1233 * s, 20, 30, 40, 50, 60, 70, 80, 90, 100],
    }),
  );
  tree.write('vmstat', `pgfault ${5000 + 258_062 * s}\npgmajfault 7\n`);
  tree.write(
    'net/snmp',
    pairText('Tcp', {
      ActiveOpens: 100,
      PassiveOpens: 200 + 4604 * s,
      CurrEstab: 42,
      InSegs: 5000 + 153_040 * s,
      OutSegs: 6000 + 185_917 * s,
      RetransSegs: 10 + 10_758 * s,
    }),
  );
  tree.write(
    'net/netstat',
    pairText('TcpExt', { SyncookiesSent: 0, ListenOverflows: 3 + 124 * s, ListenDrops: 4 }) +
      pairText('IpExt', {
        InOctets: 1_000_000 + 16_687 * 1024 * s,
        OutOctets: 2_000_000 + 22_205 * 1024 * s,
      }),
  );
  tree.write(
    'net/sockstat',
    'sockets: used 9\nTCP: inuse 2851984 orphan 0 tw 279996 alloc 9 mem 3\n',
  );
  tree.write(
    'net/dev',
    DEVICE_HEADER +
      deviceText('igb0', [5000, 50 + 132_186 * s], [7000, 70 + 151_907 * s]) +
      deviceText('lo', [1000, 10], [1000, 10]) +
      deviceText('igb1', [5, 50 + 145_156 * s], [7, 70 + 141_908 * s]),
  );
  tree.write('sys/fs/file-nr', '2848794\t0\t12000000\n');
}

test("eighty columns: wsar's peak row, header once, averages at the end", async (t) => {
  const { text, second, end } = await start(t);
  for (let i = 0; i < 2; i++) second();
  await end();
  assert.equal(
    text(),
    `
time     cpu %               intr  tcp                               vm   open
         util user  sys intr csw/s  spkt  rpkt rex% ovfl   pcb con/s util files
08:18:52 85.7 56.3 18.0 11.4 1.90M  186k  153k  5.5  124 3.13M  4604 40.0 2.85M
08:18:53 85.7 56.3 18.0 11.4 1.90M  186k  153k  5.5  124 3.13M  4604 40.0 2.85M
Average: 85.7 56.3 18.0 11.4 1.90M  186k  153k  5.5  124 3.13M  4604 40.0 2.85M
`.slice(1),
  );
  assert.ok(
    text()
      .split('\n')
      .every((line) => line.length <= 80),
  );
});

test("wide: wsar's whole line in wsar's order, what Linux cannot count is a dash", async (t) => {
  const { text, second, end } = await start(t, { isWide: true });
  second();
  second();
  await end();
  assert.equal(
    text()
      .split('\n')
      .filter((_, line) => line !== 2)
      .slice(0, 3)
      .join('\n'),
    readFileSync(join(ROOT, 'collector/fixtures/wide.txt'), 'utf8').trimEnd(),
  );
  assert.match(
    text().split('\n')[2]!,
    / {5}- {7}- {7}- {7}- {7}0 /,
    'devices in their first interval',
  );
});

test('on a terminal the header comes again before it has scrolled away', async (t) => {
  const { text, second, end } = await start(t, {}, 8);
  for (let i = 0; i < 12; i++) second();
  await end();
  const kinds = text()
    .trimEnd()
    .split('\n')
    .map((line) => (line.startsWith('time') ? 'h' : line.startsWith('08') ? 'r' : '.'))
    .join('');
  assert.equal(kinds, 'h.rrrrrh.rrrrrh.rr.');
});

test('a gap is a line of its own, and the row after it covers the hole', async (t) => {
  const { clock, text, second, end } = await start(t);
  second();
  clock.stall(3500);
  clock.advance(600);
  await end();
  const lines = text().split('\n');
  assert.equal(lines[3], '# 08:18:53 2 ticks were missed: the collector was stopped or got no CPU');
  assert.match(lines[4]!, /^08:18:55 /);
});

test('nothing was measured: no averages', async (t) => {
  const { text, end } = await start(t);
  await end();
  assert.equal(text(), '');
});

test('it ends by itself after so many rows', async (t) => {
  const { text, second, end } = await start(t, { rowsMax: 2 });
  second();
  second();
  second();
  await end();
  assert.equal(text().match(/^08:/gm)?.length, 2);
  assert.equal(text().match(/^Average:/gm)?.length, 1);
});

test('NDJSON: one object a tick and one for each gap', async (t) => {
  const { clock, text, second, end } = await start(t, { format: 'json' });
  second();
  clock.stall(2500);
  clock.advance(1);
  await end();
  const [first, gap, last, ...rest] = text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(rest, []);
  assert.equal(first.host, 'h1');
  assert.equal(first.source, 'host');
  assert.equal(first.wallMs, START_MS + 1000);
  assert.equal(first.values['system.linux.context_switches'], 1_903_005);
  assert.equal(first.values['tcp.timeouts'], null);
  assert.deepEqual(first.decays['tcp.listen.overflows'], [124, 124, 124]);
  assert.equal(gap.kind, 'gap');
  assert.equal(gap.values, undefined);
  assert.equal(last.tick, 2);
  assert.equal(last.missedTicks, 1);
});

test('CSV: a header, then as many fields in every line', async (t) => {
  const { text, second, end } = await start(t, { format: 'csv' });
  second();
  second();
  await end();
  // Names with commas stand in quotes; no field holds a quote or a newline.
  const fields = (line: string): string[] =>
    line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).map((field) => field.replaceAll('"', ''));
  const [header, ...rows] = text().trimEnd().split('\n').map(fields);
  assert.equal(rows.length, 2);
  assert.deepEqual(header!.slice(0, 4), ['time', 'tick', 'missed_ticks', 'interval_s']);
  assert.ok(rows.every((row) => row.length === header!.length));
  const column = (name: string): string => rows[1]![header!.indexOf(name)]!;
  assert.equal(column('system.linux.context_switches'), '1903005');
  assert.equal(column('tcp.timeouts'), '');
  assert.equal(rows[0]![0], '2026-11-23T08:18:52.000Z');
});

test('every group of the layout prints, narrow and wide, and the two tables of wsar fit 80 columns', async (t) => {
  for (const isWide of [false, true]) {
    for (const names of [...Object.keys(TABLES), 'nic', ...Object.values(TABLES).flat()]) {
      const { text, second, end } = await start(t, { isWide, show: [names] });
      second();
      await end();
      const [, heads, row, averages] = text().split('\n');
      if (names === 'nic' && !isWide) assert.match(heads!, /rxd/);
      assert.equal(heads!.length, row!.length, names);
      assert.equal(averages!.length, row!.length, names);
      const isOwn = !isWide && ['os', 'runtime'].includes(names);
      if (isOwn) assert.ok(row!.length <= 80, `${names}: ${row!.length} columns`);
    }
  }
});
