// Loops that gather events, and loops that spin before they sleep: every message arrives, an isolated one is not held
// up, and gathering makes turns fewer. Engine ring only: the others have neither.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { startServer } from '#reference-server/test/running-server.ts';
import { skipUnless } from '#test/foreign-part.ts';
import { startLoad, summaryOf, UNHURRIED } from '#test/running-load.ts';

const skip = skipUnless(
  chooseEngine('auto').engine === 'ring' ? [] : ['io_uring'],
  'see wsar doctor',
);

/** Turns of the loops for each message, of a run in which nothing was lost. */
async function turnsPerMessage(t: TestContext, more: string[]): Promise<number> {
  const server = await startServer(t, ['--lab', '--workers', '2', '--engine', 'ring', ...more]);
  const load = startLoad(t, server.url, [
    ...UNHURRIED,
    ...['--engine', 'ring'],
    ...['--connections', '200', '--rate', '1000/s', '--duration', '3s'],
  ]);
  assert.equal(await load.exit(), 0, load.stderr());
  const { messages } = summaryOf(load);
  assert.deepEqual(
    [messages.received, messages.receipts, messages.lost],
    [messages.planned, messages.planned, 0],
  );
  const values = await server.values((value) => value('sessions') === 0, 'new');
  return (values['wsar.server.loop.turns'] as number) / messages.planned;
}

test('gathering for 20 ms: nothing lost, fewer turns', { skip }, async (t) => {
  let at0 = 0;
  let gathered = 0;
  // A host that stands still makes bursts of both, and turns of those are few either way.
  for (let round = 0; round < 3 && gathered >= at0; round++) {
    [at0, gathered] = await Promise.all([
      turnsPerMessage(t, ['--gather', '0']),
      turnsPerMessage(t, ['--gather', '20000']),
    ]);
  }
  t.diagnostic(`${at0.toFixed(2)} turns a message, gathered ${gathered.toFixed(2)}`);
  assert.ok(gathered < at0, `${gathered} turns a message, ${at0} without`);
});
