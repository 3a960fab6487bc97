import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { recordedLines } from '#collector/recording/recorded-lines.ts';
import { allLines, newCounts } from '#collector/recording/recording-path.ts';
import { RowTape } from '#collector/recording/row-tape.ts';
import { parseTimeOf, timeRange } from '#collector/recording/time-range.ts';
import type { Row } from '#core/metric/row.ts';
import { Recording } from '#core/spool/recording.ts';
import { ROOT, startWsar, temporaryFolder } from '#test/command.ts';

function wsar(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(join(ROOT, 'bin/wsar'), args, { encoding: 'utf8', maxBuffer: 1e9 });
}

/** Runs `wsar collect` to its end; the folder of the recording and what was printed. */
async function collected(
  t: TestContext,
  args: string[],
): Promise<{ folder: string; live: string; stdout: string }> {
  const folder = join(temporaryFolder(t), 'records');
  const collector = startWsar(t, ['collect', ...args, '--json', '--spool-folder', folder]);
  assert.equal(await collector.exit(), 0, collector.stderr());
  const live = join(temporaryFolder(t), 'live');
  writeFileSync(live, collector.stdout());
  return { folder, live, stdout: collector.stdout() };
}

test('replay-samples prints what collect --json printed, byte for byte; dump shows the same values', async (t) => {
  const { folder, live, stdout } = await collected(t, ['0.1', '30']);
  const replayed = wsar('replay-samples', folder);
  assert.equal(replayed.status, 0, replayed.stderr);
  assert.equal(replayed.stdout, stdout);
  const compared = wsar('replay-samples', folder, '--against', live);
  assert.equal(compared.stdout, '30 of 30 lines are identical\n');
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
  const dumped = wsar('dump', folder, '--json').stdout.trimEnd().split('\n');
  assert.deepEqual(
    dumped.map((line) => (JSON.parse(line) as Row).values),
    rows.map(({ values }) => values),
  );
  const metric = 'system.linux.context_switches';
  const csv = wsar('dump', folder, '--csv', '--metric', metric).stdout.trimEnd().split('\n');
  assert.equal(csv[0], `time,tick,missed_ticks,interval_s,${metric}`);
  assert.deepEqual(
    csv.slice(1).map((line) => Number(line.split(',')[4])),
    rows.map(({ values }) => values[metric]),
  );
  writeFileSync(live, stdout.replace(/"tick":7,/, '"tick":70,'));
  const differs = wsar('replay-samples', folder, '--against', live);
  assert.equal(differs.status, 10);
  assert.match(differs.stdout, /^29 of 30 lines are identical\nfirst difference: line 8: /);
});

test('with every counter, the fast lane and a stopped process the rows are the same too', async (t) => {
  const folder = join(temporaryFolder(t), 'records');
  const args = ['collect', '0.2', '25', '--json', '--detail', '--fast-lane'];
  const collector = startWsar(t, [...args, '--spool-folder', folder]);
  await collector.line(/"tick":5,/);
  collector.child.kill('SIGSTOP');
  // Long enough to miss ticks: the process cannot tell when that is.
  await new Promise((resolve) => setTimeout(resolve, 700));
  collector.child.kill('SIGCONT');
  assert.equal(await collector.exit(), 0, collector.stderr());
  assert.match(collector.stdout(), /"kind":"gap"/);
  assert.equal(wsar('replay-samples', folder).stdout, collector.stdout());
});

test('two recordings in one folder, the first one killed, are read as one', async (t) => {
  const folder = join(temporaryFolder(t), 'records');
  const first = startWsar(t, ['collect', '0.1', '--json', '--spool-folder', folder]);
  await first.line(/"tick":12,/);
  first.child.kill('SIGKILL');
  await first.exit();
  const whole = first.stdout().slice(0, first.stdout().lastIndexOf('\n') + 1);
  const afterKill = wsar('replay-samples', folder).stdout;
  assert.ok(afterKill.startsWith(whole) || whole.startsWith(afterKill));
  assert.ok(afterKill.split('\n').length >= 12);
  const second = startWsar(t, ['collect', '0.1', '5', '--json', '--spool-folder', folder]);
  assert.equal(await second.exit(), 0, second.stderr());
  assert.equal(wsar('replay-samples', folder).stdout, afterKill + second.stdout());
  const summary = wsar('dump', folder).stdout;
  assert.match(summary, /^2 segments, \d+ bytes, \d+ a row\n/);
  assert.deepEqual(readdirSync(folder).sort(), ['00000001.rec', '00000002.rec']);
});

test('dump: refusals, and a reader who has seen enough', async (t) => {
  const folder = temporaryFolder(t);
  const refused = (args: string[], pattern: RegExp): void => {
    const { status, stderr } = wsar('dump', ...args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, pattern);
  };
  refused([join(folder, 'nowhere')], /there is no recording at/);
  refused([folder], /holds no recording/);
  writeFileSync(join(folder, 'noise'), 'noise');
  refused([join(folder, 'noise')], /noise holds no recording/);
  writeFileSync(join(folder, '00000001.rec'), 'WSARREC1');
  refused([folder, '--json', '--csv'], /exclude each other/);
  refused([folder, '--metric', 'x'], /--metric wants a format/);
  refused([folder, '--json', '--from', 'noon'], /--from: 'noon' is no time/);
  refused([folder, '--from', '10:00', '--to', '9:00'], /--from is later than --to/);
  assert.equal(wsar('dump', folder).stdout, '1 segment, 8 bytes\n');
  const recording = new Recording({ folder });
  const tape = new RowTape({ recording, host: 'h', source: 's', stream: 0 });
  for (let tick = 0; tick < 5000; tick++) tape.row(rowOf(tick, { a: tick }));
  await recording.close();
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', '"$1" dump "$2" --json | head -n 1', 'sh', join(ROOT, 'bin/wsar'), folder],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0);
  assert.match(stdout, /^\{"host":"h","source":"s"/);
  assert.equal(stderr, '');
});

const rowOf = (tick: number, values: Row['values']): Row => ({
  wallMs: 1_700_000_000_000 + tick * 1000,
  tick,
  missedTicks: 0,
  intervalUs: 1e6,
  values,
});

test('rows of others come back as they were: nulls, what is not there, new metrics, histograms', async (t) => {
  const folder = temporaryFolder(t);
  const recording = new Recording({ folder, blockRows: 4 });
  const tapes = ['a', 'b'].map(
    (source, stream) => new RowTape({ recording, host: 'h', source, stream }),
  );
  const rows: [string, Row][] = [];
  for (let tick = 0; tick < 30; tick++) {
    const values: Row['values'] = { x: tick / 3, y: null, [`z${tick % 5}`]: tick };
    if (tick % 4 === 0) delete values['x'];
    const row = { ...rowOf(tick, values), ...(tick === 9 ? { histograms: { h: 'AAAA' } } : {}) };
    const at = tick % 2;
    tapes[at]!.row(row);
    rows.push([['a', 'b'][at]!, row]);
  }
  await recording.close();
  const counts = newCounts();
  const found: [string, Row][] = [];
  let histograms: unknown;
  for (const line of recordedLines(folder, counts)) {
    if (line.kind === 'row') found.push([line.origin.source, line.row]);
    else if (line.kind === 'histograms') histograms = line.histograms;
  }
  const plain = rows.map(([source, { histograms: _, ...row }]) => [source, row]);
  assert.deepEqual(found, plain);
  assert.deepEqual(histograms, { h: 'AAAA' });
  assert.equal(counts.unclear, 0);
});

test('a recording that lies is counted, and throws nothing', async (t) => {
  const folder = temporaryFolder(t);
  const recording = new Recording({ folder });
  const lies = [
    'no json',
    'null',
    '{}',
    '{"form":"rows","metrics":7}',
    '{"form":"ticks","sources":[],"slots":[[5,0,{"name":"x"}]],"forgotten":[]}',
    '{"form":"patch","sources":[],"slots":[],"forgotten":[]}',
    '{"form":"ticks","sources":1,"slots":[],"forgotten":[]}',
    '{"form":"ticks","sources":[null],"slots":[],"forgotten":[]}',
  ];
  for (const json of lies) recording.append({ kind: 'schema', stream: 3, json });
  recording.append({ kind: 'text', json: 'no json' });
  recording.append({ kind: 'text', json: '{"kind":"note","text":"x","wallMs":1e300}' });
  const row = { values: Float64Array.of(1), states: new Uint8Array(1) };
  recording.append({ kind: 'numbers', stream: 3, row });
  await recording.close();
  const counts = newCounts();
  assert.deepEqual([...allLines(folder, counts)], []);
  assert.equal(counts.unclear, lies.length + 3);
});

test('what waits for the store is dumped from the spool without being taken', async (t) => {
  const folder = join(temporaryFolder(t), 'queue');
  mkdirSync(folder);
  const { Spool } = await import('#core/spool/spool.ts');
  const { FRAME_EVENT, FRAME_ROW, eventPayload, rowPayload } = await import(
    '#core/store/shipped-frames.ts'
  );
  const spool = new Spool({ folder });
  const origin = { runId: 'r', host: 'h', source: 'load' };
  spool.append(FRAME_ROW, rowPayload(origin, rowOf(1, { a: 1 })));
  spool.append(FRAME_EVENT, eventPayload(origin, { wallMs: 5, kind: 'note', text: 'hello' }));
  await spool.close();
  const before = readFileSync(join(folder, '00000001.spool'));
  const { stdout } = wsar('dump', folder, '--json');
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { host: 'h', source: 'load', ...rowOf(1, { a: 1 }) },
      { host: 'h', source: 'load', wallMs: 5, kind: 'note', text: 'hello' },
    ],
  );
  assert.deepEqual(readFileSync(join(folder, '00000001.spool')), before);
  rmSync(folder, { recursive: true });
});

test('times: whole ones, and of the first day', () => {
  const day = Date.parse('2026-11-23T00:00:00Z');
  assert.deepEqual(parseTimeOf('2026-11-23T10:00:00Z'), { wallMs: day + 36e6 });
  assert.deepEqual(parseTimeOf('2026-11-23 10:00'), { wallMs: day + 36e6 });
  assert.deepEqual(parseTimeOf('2026-11-23'), { wallMs: day });
  assert.deepEqual(parseTimeOf('10:00:01'), { dayMs: 36_001_000 });
  for (const text of ['25:00', '10', '2026-13-01', 'now', '2026-11-23T99:00Z']) {
    assert.throws(() => parseTimeOf(text), { code: 'WSAR_ERR_USAGE' }, text);
  }
  const range = timeRange(parseTimeOf('10:00'), parseTimeOf('10:01'));
  assert.deepEqual(
    [36e6 - 1, 36e6, 36e6 + 60_000, 36e6 + 60_001].map((ms) => range.includes(day + ms)),
    [false, true, true, false],
  );
});

test('a disk that is full for a while: the collector prints on, and not a row is missing afterwards', (t) => {
  const folder = temporaryFolder(t);
  const live = join(temporaryFolder(t), 'live');
  const script = `
    mount -t tmpfs -o size=64k none "$1" || exit 77
    : > "$3"
    "$2" collect 0.1 --json --spool-folder "$1/records" >> "$3" &
    collector=$!
    rows() { while [ "$(wc -l < "$3")" -lt "$4" ]; do sleep 0.05; kill -0 $collector || exit 1; done; }
    rows "$@" 5
    dd if=/dev/zero of="$1/filler" bs=1k count=64 2> /dev/null
    rows "$@" 45
    rm "$1/filler"
    rows "$@" 60
    kill $collector
    wait $collector
    exec "$2" replay-samples "$1/records" --against "$3"`;
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['-m', 'sh', '-c', script, 'sh', folder, join(ROOT, 'bin/wsar'), live],
    { encoding: 'utf8', timeout: 60_000 },
  );
  if (status === 77 || /unshare.*(not permitted|failed)/i.test(stderr)) {
    return t.skip('only root may mount a small file system');
  }
  assert.notEqual(status, 1, stderr);
  const lines = readFileSync(live, 'utf8').trimEnd().split('\n');
  assert.equal(stdout, `${lines.length} of ${lines.length} lines are identical\n`, stderr);
  assert.equal(status, 0);
  const waiting = lines.map(
    (line) => JSON.parse(line).values?.['wsar.collector.spool.waiting'] ?? 0,
  );
  assert.ok(Math.max(...waiting) > 1000, 'the disk was full');
  assert.equal(waiting.at(-1), 0, 'and all of it was written afterwards');
});
