import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signalExitCode, withSignals } from '#core/cli/signals.ts';
import { systemClock } from '#core/clock/clock.ts';

test('a Ctrl-C that comes twice at once is one; a later one ends the process', async (t) => {
  let nowUs = 1e6;
  const clock = { ...systemClock, monoUs: () => nowUs };
  const exit = t.mock.method(process, 'exit', () => {});
  await withSignals(async (signal) => {
    process.emit('SIGINT', 'SIGINT');
    assert.equal(signalExitCode(signal), 130);
    nowUs += 5000;
    process.emit('SIGINT', 'SIGINT');
    assert.equal(exit.mock.callCount(), 0);
    nowUs += 200_000;
    process.emit('SIGTERM', 'SIGTERM');
    assert.deepEqual(exit.mock.calls[0]!.arguments, [143]);
  }, clock);
});

test('SIGHUP is the end unless the command listens itself', async () => {
  const own = (): void => {};
  await withSignals(async (signal) => {
    process.on('SIGHUP', own);
    process.emit('SIGHUP', 'SIGHUP');
    assert.equal(signal.aborted, false);
    process.off('SIGHUP', own);
    process.emit('SIGHUP', 'SIGHUP');
    process.emit('SIGHUP', 'SIGHUP');
    assert.equal(signalExitCode(signal), 129);
  });
});
