// Files beside messages: sizes are those of the model, and an HTTP server sees them at the rate of the messages.

import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { MediaLoad } from '#loadgen/http/media-load.ts';
import { MEDIA_SIZES, mediaFiles } from '#loadgen/http/media-sizes.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { scenario } from '#loadgen/scenario/whatsapp-2014.ts';
import { parseTarget, resolveTarget } from '#loadgen/target.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startWsar } from '#test/command.ts';

test('kinds have their shares of the files, sizes their medians', () => {
  const files = mediaFiles(scenario.media!);
  assert.equal(files.length, MEDIA_SIZES);
  const of = (kind: string): number[] =>
    files.filter((file) => file.kind === kind).map(({ bytes }) => bytes);
  // 600, 200 and 100 of 900.
  assert.deepEqual([of('picture').length, of('voice').length, of('video').length], [21, 7, 4]);
  for (const { kind, medianBytes } of scenario.media!) {
    const sizes = of(kind).sort((a, b) => a - b);
    const middle =
      (sizes[Math.floor((sizes.length - 1) / 2)]! * sizes[Math.ceil((sizes.length - 1) / 2)]!) **
      0.5;
    assert.ok(Math.abs(middle / medianBytes - 1) < 0.01, `${kind}: ${middle}`);
  }
  // Kinds are mixed: a few connections see all of them.
  assert.ok(new Set(files.slice(0, 16).map(({ kind }) => kind)).size === 3);
});

/** An HTTP server of the test; its address. */
async function startServer(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/pictures`;
}

/** Calls `act` with the length of what a request brought, when it is whole. */
function whole(request: IncomingMessage, act: (bytes: number) => void): void {
  let bytes = 0;
  request.on('data', (part: Buffer) => {
    bytes += part.length;
  });
  request.on('end', () => act(bytes));
}

test('who sends a picture uploads it, who gets one downloads it', async (t) => {
  const broker = startWsar(t, ['serve', '--lab', '--port', '0']);
  const [, url] = await broker.line(/^ready (mqtt:\S+)$/m);
  const seen = { uploads: 0, uploadBytes: 0, downloads: 0, sizes: new Set<number>() };
  const mediaUrl = await startServer(t, (request, response) => {
    whole(request, (bytes) => {
      if (request.method === 'POST') {
        seen.uploads++;
        seen.uploadBytes += bytes;
        seen.sizes.add(bytes);
      } else seen.downloads++;
      response.end('x'.repeat(500));
    });
  });
  const run = startWsar(t, [
    ...['load', '--target', url!, '--json', '--lateness-max', '60s', '--engine', 'net'],
    ...['--media-target', mediaUrl],
    // 200/s x 4.7 %: ten files a second, and 2.08 times as many fetched.
    ...['--connections', '40', '--rate', '200/s', '--duration', '4s'],
  ]);
  assert.equal(await run.exit(), 0, run.stderr());
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
  const { uploads, downloads } = summary.media!;
  assert.deepEqual([uploads.ratePerS, uploads.errors, downloads.errors], [9, 0, 0]);
  assert.ok(downloads.ratePerS >= 19 && downloads.ratePerS <= 21, `${downloads.ratePerS}`);
  // autocannon begins each second at once, and one second more may have begun.
  assert.ok(uploads.answered >= 18 && uploads.answered <= 54, `${uploads.answered}`);
  assert.ok(uploads.answered <= seen.uploads && downloads.answered <= seen.downloads);
  assert.ok(seen.sizes.size >= 8, 'files of many sizes');
  assert.ok(uploads.bytes > 0 && uploads.bytes <= seen.uploadBytes);
  assert.ok(downloads.bytes >= 500 * downloads.answered);
  assert.ok(uploads.latencyUs.p50 > 0 && summary.valid);
});

test('a file whose upload broke off is not counted, and the next ones have their own sizes', async (t) => {
  const answers = 20;
  const counted = { uploads: 0, answered: 0, bytes: 0 };
  let wakeUp = (): void => {};
  const over = new Promise<void>((resolve) => {
    wakeUp = resolve;
  });
  const url = await startServer(t, (request, response) => {
    whole(request, (bytes) => {
      if (request.method === 'GET') response.end();
      else if (++counted.uploads % 3 === 0) request.socket.destroy();
      else if (counted.answered < answers) {
        counted.answered++;
        counted.bytes += bytes;
        response.end();
      } else wakeUp();
    });
  });
  const media = new MediaLoad({
    ...{ target: await resolveTarget(parseTarget(url), false), kinds: scenario.media! },
    ...{ uploadsPerS: 30, downloadsPerS: 1, durationMs: 60_000 },
  });
  media.start();
  await over;
  await media.stop();
  const { uploads } = media.report();
  assert.deepEqual([uploads.answered, uploads.bytes], [answers, counted.bytes]);
});

test('files end with the messages, and not with what is waited for behind them', async (t) => {
  // Nothing arrives: three seconds pass before the load gives that up.
  const broker = await startFakeBroker(t, { copies: 0 });
  let lastMs = Number.NaN;
  const url = await startServer(t, (request, response) => {
    whole(request, () => {
      lastMs = performance.now();
      response.end();
    });
  });
  const run = startWsar(t, [
    ...['load', '--target', broker.url, '--json', '--lateness-max', '60s', '--engine', 'net'],
    ...['--media-target', url, '--connections', '10', '--rate', '100/s', '--duration', '1s'],
  ]);
  await run.line(/"media":/);
  const quietMs = performance.now() - lastMs;
  // autocannon ends with its second.
  assert.ok(quietMs > 1500, `the last was ${quietMs} ms before the end`);
  await run.exit();
});

test('files without anything to say of them are refused in one sentence', async (t) => {
  for (const [more, sentence] of [
    [
      ['--scenario', 'one-to-one', '--media-target', 'http://127.0.0.1:1'],
      /no messages with media/,
    ],
    [['--media-target', 'mqtt://127.0.0.1:1'], /files are not sent to mqtt/],
  ] as const) {
    const run = startWsar(t, [
      ...['load', '--target', 'mqtt://127.0.0.1:9', '--connections', '5', '--duration', '1s'],
      ...more,
    ]);
    assert.equal(await run.exit(), 2);
    assert.match(run.stderr(), sentence);
  }
});
