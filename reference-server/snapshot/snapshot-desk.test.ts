// The main thread's side where a worker is no more: the snapshot ends, and so does whoever waits for it.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#core/clock/clock.ts';
import { SaveFigures } from '#reference-server/snapshot/save-figures.ts';
import { SnapshotDesk } from '#reference-server/snapshot/snapshot-desk.ts';
import { SnapshotFrames } from '#reference-server/snapshot/snapshot-frames.ts';
import { createWorkerStats } from '#reference-server/statistics/worker-stats.ts';
import { type FromNews, type News, NewsDesk } from '#reference-server/worker/worker-news.ts';
import { temporaryFolder } from '#test/command.ts';

const ENDED = { code: 'WSAR_ERR_SYSTEM', message: /a worker ended before it had handed over/ };

test('a worker that ends in the middle: told, the others let go, no file is left', async (t) => {
  const file = join(temporaryFolder(t), 'snapshot');
  const [living, dying] = [new NewsDesk(createWorkerStats()), new NewsDesk(createWorkerStats())];
  t.after(() => {
    living.close();
    dying.close();
  });
  const heard: string[] = [];
  living.workerPort.on('message', (news: News) => {
    heard.push(news.kind);
    if (news.kind !== 'capture') return;
    const frames = new SnapshotFrames();
    frames.add({ kind: 'part', worker: 0, rows: 0 });
    const chunk = news.isFirst ? frames.take() : undefined;
    living.workerPort.postMessage({ kind: 'captured', chunk } satisfies FromNews);
  });
  dying.workerPort.on('message', () => dying.workerPort.close());
  const figures = new SaveFigures(systemClock, { users: 0, messages: 0, dropped: 0 });
  const desk = new SnapshotDesk({
    file,
    clock: systemClock,
    news: [living, dying],
    wakeAll: () => {},
    figures,
  });
  const saving = desk.save();
  const idle = desk.idle();
  await assert.rejects(saving, ENDED);
  await idle;
  assert.deepEqual([figures.saves, figures.failures], [0, 1]);
  assert.equal(existsSync(file) || existsSync(`${file}.new`), false);
  // Also who asks later gets an answer.
  await assert.rejects(dying.hear('captured'), ENDED);
  await assert.rejects(desk.saveLast(), ENDED);
  while (!heard.includes('end')) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([...new Set(heard)], ['capture', 'release', 'end']);
});
