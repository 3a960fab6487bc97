import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindParams } from '#core/store/query-params.ts';

test('values stand in the statement as literals of their type', () => {
  const bound = bindParams(
    '{s:String} | { n : UInt64 } | {a:Array(String)} | {t:Identifier} | {s:String} | {b:UInt8}',
    {
      s: "a'b\\c\0",
      n: 5,
      a: ["x'", 'y'],
      t: 'we`ird',
      b: false,
    },
  );
  assert.deepEqual(bound.split(' | '), [
    "'a\\'b\\\\c\\0'",
    'CAST(5 AS UInt64)',
    "CAST(['x\\'', 'y'] AS Array(String))",
    '`we\\`ird`',
    "'a\\'b\\\\c\\0'",
    'CAST(0 AS UInt8)',
  ]);
});

test('a value that looks like a parameter stays a value', () => {
  assert.equal(bindParams('{a:String}', { a: '{b:String} $& $1' }), "'{b:String} $& $1'");
});

test('a missing, an unused and a senseless value are the mistakes of a programmer', () => {
  assert.throws(() => bindParams('{a:String}', {}), /parameter 'a' has a value/);
  assert.throws(() => bindParams('SELECT 1', { a: 1 }), /stands in the query: a/);
  assert.throws(() => bindParams('{a:Float64}', { a: Number.NaN }), /is finite/);
});
