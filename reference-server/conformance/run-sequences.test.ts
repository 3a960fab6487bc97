// What sequences retain, they delete: in their order, so that nothing is left for who plays them once more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSequences } from '#reference-server/conformance/run-sequences.ts';
import type { Sequence, Step } from '#reference-server/conformance/sequence-file.ts';
import { startServer } from '#reference-server/test/running-server.ts';

const of = (kind: 'send' | 'receive', hex: string): Step => ({
  kind,
  bytes: Buffer.from(hex, 'hex'),
});
const PING = [of('send', 'c000'), of('receive', 'd000')];

function sequence(name: string, steps: Step[]): Sequence {
  return { name, level: 4, logsIn: true, endsClosed: false, steps };
}

test('a message that is retained and deleted by the next sequence is gone, twice in a row', async (t) => {
  const server = await startServer(t, ['--profile', 'conformance', '--workers', '1']);
  // PUBLISH, QoS 1, to 't': side by side, the slower first would come last.
  const sequences = [
    sequence('retains', [
      ...Array.from({ length: 50 }, () => PING).flat(),
      of('send', '33060001740001' + '78'),
      of('receive', '40020001'),
    ]),
    sequence('deletes', [of('send', '33050001740001'), of('receive', '40020001')]),
    sequence('is told nothing', [of('send', '820600010001' + '7401'), of('receive', '9003000101')]),
  ];
  for (let round = 0; round < 2; round++) {
    const verdicts = await runSequences(server.url, sequences, 'packets');
    assert.deepEqual(
      verdicts.filter(({ flaw }) => flaw !== undefined),
      [],
    );
    const values = await server.values(() => true, 'new');
    assert.equal(values['wsar.server.broker.retained'], 0);
  }
});
