import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeAttr, rise64, scaledCount } from '#core/host/perf/perf-abi.ts';
import { parseCpuList } from '#core/host/perf/perf-targets.ts';

const word = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};

test('an event is described as the kernel wants it', () => {
  const attr = encodeAttr({
    type: 2,
    config: 443,
    isDisabled: true,
    isInherited: true,
    isUserOnly: false,
  });
  assert.equal(
    attr.toString('hex'),
    '0200000040000000' + // type, size 64
      'bb01000000000000' + // config
      '00'.repeat(16) + // sample_period, sample_type
      '0b00000000000000' + // read_format: group, enabled, running
      '0300000000000000' + // disabled, inherit
      '00'.repeat(16),
  );
  const user = encodeAttr({
    type: 0,
    config: 0,
    isDisabled: false,
    isInherited: false,
    isUserOnly: true,
  });
  assert.equal(user.readUInt32LE(40), 0b1100000);
});

test('a rise is exact beyond 2^53 and over the end of 64 bits', () => {
  assert.equal(rise64(word(2n ** 60n), word(2n ** 60n + 3n), 0), 3);
  assert.equal(rise64(word(2n ** 64n - 5n), word(7n), 0), 12);
  assert.ok(rise64(word(1000n), word(10n), 0) < 0, 'a counter that started over is no wrap');
  const steps = fc.tuple(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 53n - 1n));
  fc.assert(
    fc.property(steps, ([before, rise]) => {
      const after = BigInt.asUintN(64, before + rise);
      assert.equal(rise64(word(before), word(after), 0), Number(rise));
    }),
    { seed: 20_260_823 },
  );
});

test('scaling: count * enabled / running, and not known where it never ran', () => {
  // As the golden values of perf-stat(1): 1,000 counted in a quarter of the time are 4,000.
  assert.equal(scaledCount(1000, 4e9, 1e9), 4000);
  assert.equal(scaledCount(1000, 1e9, 1e9), 1000);
  assert.equal(scaledCount(0, 1e9, 5e8), 0);
  assert.equal(scaledCount(7, 3e9, 2e9), 10.5);
  assert.ok(Number.isNaN(scaledCount(0, 1e9, 0)), 'never on the hardware');
  assert.ok(Number.isNaN(scaledCount(5, -1, -1)), 'started over');
  assert.equal(scaledCount(5, 999, 1000), 5, 'a nanosecond of rounding');
});

test('lists of processors', () => {
  assert.deepEqual(parseCpuList('0-3,6'), [0, 1, 2, 3, 6]);
  assert.deepEqual(parseCpuList('0'), [0]);
  assert.deepEqual(parseCpuList(''), [0]);
  assert.equal(parseCpuList('0-1151').length, 1152);
});
