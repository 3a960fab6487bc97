import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { parseTarget, resolveTarget } from '#loadgen/target.ts';

test('targets are read as people write them', () => {
  assert.deepEqual(parseTarget('mqtt://localhost'), {
    text: 'mqtt://localhost:1883',
    scheme: 'mqtt',
    host: 'localhost',
    port: 1883,
    path: '',
  });
  assert.equal(parseTarget('mqtt://127.0.0.1:7/').port, 7);
  for (const bad of [
    ...[
      '',
      '127.0.0.1:1883',
      'gopher://127.0.0.1',
      'mqtt://',
      'mqtt://host:0',
      'mqtt://host:70000',
    ],
    ...['mqtt://user:secret@127.0.0.1', 'mqtt://a b', 'mqtt://[::1]:1883'],
  ]) {
    assert.throws(() => parseTarget(bad), WsarError, bad);
  }
});

test('loopback needs no word; anything else needs its owner', async () => {
  const local = await resolveTarget(parseTarget('mqtt://localhost:5'), false);
  assert.deepEqual([local.address, local.isLoopback], [0x7f000001, true]);
  const far = parseTarget('mqtt://192.0.2.7:1883');
  await assert.rejects(resolveTarget(far, false), (error) => {
    return error instanceof WsarError && error.code === 'WSAR_ERR_TARGET_NOT_OWNED';
  });
  const owned = await resolveTarget(far, true);
  assert.deepEqual([owned.address, owned.isLoopback], [0xc0000207, false]);
});
