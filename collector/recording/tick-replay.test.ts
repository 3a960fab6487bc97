import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { recordedLines } from '#collector/recording/recorded-lines.ts';
import { newCounts } from '#collector/recording/recording-path.ts';
import { TickTape } from '#collector/recording/tick-tape.ts';
import { buildRow } from '#collector/row-shape.ts';
import { Sampler } from '#collector/sampler.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import type { Row } from '#core/metric/row.ts';
import { Recording } from '#core/spool/recording.ts';
import { temporaryFolder } from '#test/command.ts';

/** Records 60 ticks of this host in segments of 10 s; the rows as they were, and the files. */
async function tape(
  folder: string,
  session: string,
  isRefused: () => boolean = () => false,
): Promise<string[]> {
  const clock = new VirtualClock();
  const sampler = new Sampler(clock, hostSources());
  const recording = new Recording({ folder, segmentMs: 10_000, blockRows: 4 });
  const bounded: Pick<Recording, 'segmentFor' | 'append'> = {
    segmentFor: (wallMs) => recording.segmentFor(wallMs),
    append: (record) => !isRefused() && recording.append(record),
  };
  const origin = { host: 'h', source: 'host', session, stream: 0 };
  const ticks = new TickTape({ ...origin, recording: bounded, sampler });
  sampler.sample();
  ticks.baseline(clock.wallMs());
  const rows: string[] = [];
  for (let tick = 0; tick < 60; tick++) {
    // Two ticks are missed now and then, and one source fails for a while.
    const missedTicks = tick % 17 === 16 ? 2 : 0;
    const intervalUs = 1e6 * (1 + missedTicks);
    clock.advance(intervalUs / 1000);
    if (tick === 20) {
      sampler.supervised[3]!.source.sample = () => {
        throw new Error('for a while');
      };
    }
    sampler.sample();
    const frame = { wallMs: clock.wallMs(), tick, missedTicks, intervalUs };
    ticks.tick(frame);
    rows.push(JSON.stringify(buildRow(sampler.table, frame)));
  }
  await recording.close();
  sampler.close();
  return rows;
}

function replayed(path: string): Row[] {
  return [...recordedLines(path, newCounts())].map((line) => {
    assert.equal(line.kind, 'row');
    return (line as { row: Row }).row;
  });
}

test('rates and decays go on over segments, gaps and a source that fails; a second start begins anew', async (t) => {
  const folder = temporaryFolder(t);
  const rows = [...(await tape(folder, 'first')), ...(await tape(folder, 'second'))];
  assert.ok(readdirSync(folder).length >= 12, 'ten seconds a segment');
  assert.deepEqual(
    replayed(folder).map((row) => JSON.stringify(row)),
    rows,
  );
});

test('a segment alone has the same values, and decays of its own', async (t) => {
  const folder = temporaryFolder(t);
  const rows = (await tape(folder, 'one')).map((text) => JSON.parse(text) as Row);
  const alone = replayed(join(folder, '00000003.rec'));
  assert.ok(alone.length > 5);
  const metric = 'system.linux.context_switches';
  for (const row of alone) {
    const was = rows.find(({ tick }) => tick === row.tick)!;
    for (const [name, value] of Object.entries(was.values)) {
      assert.equal(row.values[name], value, `${name} at ${row.tick}`);
    }
  }
  assert.equal(typeof alone.at(-1)!.decays![metric]![0], 'number');
});

test('a block that is damaged, and rows that were refused, cost only themselves', async (t) => {
  const folder = temporaryFolder(t);
  let appended = 0;
  // A memory that is full now and then: of the rows and of what describes them.
  const rows = await tape(folder, 'one', () => ++appended % 7 === 0);
  const file = join(folder, '00000002.rec');
  const bytes = readFileSync(file);
  bytes[bytes.length - 500]! ^= 0x55;
  writeFileSync(file, bytes);
  const left = replayed(folder);
  assert.ok(left.length > 30 && left.length < 58, `${left.length} rows`);
  for (const row of left) {
    const was = JSON.parse(rows[row.tick]!) as Row;
    for (const [name, value] of Object.entries(was.values)) {
      assert.equal(row.values[name], value, `${name} at ${row.tick}`);
    }
  }
});
