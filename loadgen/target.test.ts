import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { mergeTargets, parseTarget, resolveTarget } from '#loadgen/target.ts';

test('targets are read as people write them', () => {
  assert.deepEqual(parseTarget('mqtt://localhost'), {
    text: 'mqtt://localhost:1883',
    scheme: 'mqtt',
    host: 'localhost',
    port: 1883,
    ports: [1883],
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

test('a target may have several ports, named together or one after the other', () => {
  const { port, ports, text } = parseTarget('mqtt://127.0.0.1:1890,1883-1885,1884');
  assert.deepEqual([port, ports], [1883, [1883, 1884, 1885, 1890]]);
  assert.equal(text, 'mqtt://127.0.0.1:1883-1885,1890');
  assert.deepEqual(parseTarget(text).ports, ports);
  const merged = mergeTargets(['ws://h:82/a', 'ws://h:80-81/a', 'ws://h:81/a'].map(parseTarget));
  assert.deepEqual([merged.text, merged.port], ['ws://h:80-82/a', 80]);
  for (const bad of ['7-', '-7', '9-7', '7,,8', '1-257', '0-3', '65530-65536', '7-8-9']) {
    assert.throws(() => parseTarget(`tcp://h:${bad}`), WsarError, bad);
  }
  const apart = ['mqtt://h:1', 'mqtts://h:2'].map(parseTarget);
  assert.throws(
    () => mergeTargets(apart),
    /mqtts:\/\/h:2 and mqtt:\/\/h:1 differ in more than the port/,
  );
  const many = ['tcp://h:1-200', 'tcp://h:201-300'].map(parseTarget);
  assert.throws(() => mergeTargets(many), /300 target ports are too many/);
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
