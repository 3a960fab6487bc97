// `--receipts client`: the receivers make the second check marks, so that one scenario means the same on any broker.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { startMosquitto } from '#test/mosquitto.ts';
import { serve, startLoad, summaryOf, UNHURRIED } from '#test/running-load.ts';

const noMosquitto = needPrograms('mosquitto');

async function load(t: TestContext, url: string, by: string, told = /^/): Promise<LoadSummary> {
  const run = startLoad(t, url, [
    ...UNHURRIED,
    ...['--receipts', by],
    ...['--connections', '60', '--rate', '100/s', '--duration', '2s'],
  ]);
  assert.equal(await run.exit(), 0, run.stderr());
  assert.match(run.stderr(), told);
  return summaryOf(run);
}

async function serveBy(t: TestContext, by: string): Promise<string> {
  return await serve(t, ['--workers', '2', '--receipts', by]);
}

/** Second check marks for each message that was received. */
function marks({ messages }: LoadSummary): number {
  assert.ok(messages.received > 0 && messages.lost === 0);
  return messages.receipts / messages.received;
}

describe('who makes receipts', { concurrency: 2 }, () => {
  test('the receivers, at mosquitto', { skip: noMosquitto }, async (t) => {
    const { url } = await startMosquitto(t);
    assert.equal(marks(await load(t, url, 'client')), 1);
  });

  test('the receivers, at wsar serve', async (t) => {
    assert.equal(marks(await load(t, await serveBy(t, 'client'), 'client')), 1);
  });

  test('the server, or nobody', async (t) => {
    assert.equal(marks(await load(t, await serveBy(t, 'server'), 'server')), 1);
    assert.equal(marks(await load(t, await serveBy(t, 'none'), 'server')), 0);
  });

  test('as the server does: it is asked, also where there are only messages', async (t) => {
    const [makes, none] = [await serveBy(t, 'server'), await serveBy(t, 'none')];
    assert.equal(marks(await load(t, makes, 'auto', /^target: makes second check marks$/m)), 1);
    assert.equal(marks(await load(t, none, 'auto', /^target: makes no second check marks$/m)), 0);
  });
});
