import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ceilingOptions } from '#loadgen/ceiling/measure-ceiling.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { parseSlowReaders } from '#loadgen/slow-readers.ts';
import { parseTarget } from '#loadgen/target.ts';

test('readers that are slow are no bound of the generator: a ceiling is measured without them', () => {
  const target = parseTarget('mqtt://127.0.0.1:1883');
  const given = readOptions({
    ...{ target: [target], connections: 5000, duration: 1000, rate: 10, payload: 70 },
    slowReaders: parseSlowReaders('10%@1KiB'),
  });
  assert.equal(given.slow.ratio, 0.1);
  const options = ceilingOptions(given, 1000, { ...target, address: 0, isLoopback: true });
  assert.deepEqual([options.slow.ratio, options.connections, options.payloadBytes], [0, 1000, 70]);
});
