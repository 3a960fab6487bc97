import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { parseSlowReaders } from '#loadgen/slow-readers.ts';
import { startWsar } from '#test/command.ts';

test('who reads how slowly is checked', () => {
  assert.deepEqual(parseSlowReaders('5%@1KiB'), { ratio: 0.05, bytesPerS: 1024 });
  for (const wrong of ['5%', '5%@1KiB@2', '120%@1KiB', '5%@1B', '5%@1GiB', 'x@1KiB']) {
    assert.throws(() => parseSlowReaders(wrong), WsarError, wrong);
  }
});

for (const engine of ['net', 'auto']) {
  test(`slow readers let messages wait, lose none and hold up nobody else (${engine})`, async (t) => {
    const server = startWsar(t, ['serve', '--port', '0', '--lab', '--json']);
    const [, url] = await server.line(/^ready (mqtt:\S+)$/m);
    const load = async (...more: string[]): Promise<LoadSummary> => {
      const run = startWsar(t, [
        ...[
          'load',
          '--scenario',
          'one-to-one',
          '--target',
          url!,
          '--json',
          '--engine',
          engine,
          '--lateness-max',
          '60s',
        ],
        ...['--connections', '20', '--rate', '100/s', '--duration', '2s', '--receipts', 'off'],
        ...more,
      ]);
      assert.equal(await run.exit(), 0, run.stderr());
      return JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
    };
    const fast = await load();
    // Each gets five messages of some 85 B a second and reads 256 B of everything that comes.
    const slow = await load('--slow-readers', '30%@256B', '--drain', '60s');
    assert.equal(slow.messages.received, slow.messages.planned);
    assert.ok(slow.latencyUs.p99! > 500_000, `${slow.latencyUs.p99}`);
    assert.ok(slow.latencyUs.p50! < slow.latencyUs.p99! / 2, `${slow.latencyUs.p50}`);
    assert.ok(fast.latencyUs.max! < slow.latencyUs.max!);
  });
}
