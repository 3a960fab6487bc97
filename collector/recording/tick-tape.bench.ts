// What recording a row costs in CPU and bytes: the tape of this folder beside the JSON frames of the shipper's spool,
// interleaved on the same ticks. `node --test collector/recording/tick-tape.bench.ts`

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TickTape } from '#collector/recording/tick-tape.ts';
import { buildRow } from '#collector/row-shape.ts';
import { Sampler } from '#collector/sampler.ts';
import { OwnCostSource } from '#collector/source/own-cost.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { systemClock } from '#core/clock/clock.ts';
import { Recording } from '#core/spool/recording.ts';
import { Spool } from '#core/spool/spool.ts';
import { FRAME_ROW, rowPayload } from '#core/store/shipped-frames.ts';
import { temporaryFolder } from '#test/command.ts';

const ROWS = 300;
const WARM_ROWS = 60;
const PERIOD_MS = 25;

for (const isDetailed of [false, true]) {
  test(`recording a row${isDetailed ? ' with --detail' : ''}`, async (t) => {
    const sampler = new Sampler(systemClock, hostSources('/proc', isDetailed));
    sampler.add(
      new OwnCostSource(sampler.supervised, { lateUs: 0, missedTicks: 0, droppedRows: 0 }),
    );
    const [tapeFolder, jsonFolder] = [temporaryFolder(t), temporaryFolder(t)];
    const recording = new Recording({ folder: tapeFolder });
    const spool = new Spool({ folder: jsonFolder });
    const origin = { runId: 'r', host: 'h', source: 'host' };
    const tape = new TickTape({
      recording,
      sampler,
      host: 'h',
      source: 'host',
      session: 's',
      stream: 0,
    });
    const us: { tape: number[]; json: number[] } = { tape: [], json: [] };
    const wallMs = systemClock.wallMs();
    for (let tick = 0; tick < ROWS; tick++) {
      sampler.sample();
      const frame = { wallMs: wallMs + tick * 1000, tick, missedTicks: 0, intervalUs: 1e6 };
      const start = systemClock.monoUs();
      tape.tick(frame);
      const middle = systemClock.monoUs();
      spool.append(FRAME_ROW, rowPayload(origin, buildRow(sampler.table, frame)));
      us.tape.push(middle - start);
      us.json.push(systemClock.monoUs() - middle);
      await recording.flush();
      await spool.flush();
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    }
    await recording.close();
    const bytes = (folder: string): number =>
      readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / ROWS;
    for (const [name, folder] of [
      ['tape', tapeFolder],
      ['json', jsonFolder],
    ] as const) {
      const sorted = us[name].slice(WARM_ROWS).sort((a, b) => a - b);
      const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
      t.diagnostic(
        `${name}: ${sorted[sorted.length >> 1]!.toFixed(0)} us median, ${mean.toFixed(0)} us mean, ` +
          `${sorted.at(-1)!.toFixed(0)} us at most; ${bytes(folder).toFixed(0)} bytes a row`,
      );
    }
    await spool.close();
    sampler.close();
  });
}
