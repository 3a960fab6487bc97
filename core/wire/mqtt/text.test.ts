import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FLAW } from './packet.ts';
import {
  textFieldEnd,
  textFlaw,
  textLength,
  topicFilterFlaw,
  topicNameFlaw,
  writeText,
} from './text.ts';

test('text is exactly what TextDecoder takes, less controls and what is no character', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const isGood = (bytes: Uint8Array): boolean => {
    try {
      return !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(strict.decode(bytes));
    } catch {
      return false;
    }
  };
  const nearText = fc
    .tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.array(fc.tuple(fc.nat(), fc.nat(255))))
    .map(([value, hits]) => {
      const bytes = new Uint8Array(Buffer.from(value));
      for (const [where, byte] of hits) if (bytes.length > 0) bytes[where % bytes.length] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(nearText, fc.uint8Array({ maxLength: 6 })), (bytes) => {
      assert.equal(textFlaw(bytes, 0, bytes.length), isGood(bytes) ? 0 : FLAW.text);
    }),
    { numRuns: 20_000 },
  );
});

test('written text is UTF-8 with its length in front', () => {
  const out = new Uint8Array(2000);
  const wellFormed = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed());
  fc.assert(
    fc.property(wellFormed, (value) => {
      const end = writeText(out, 3, value);
      assert.equal(textLength(value), Buffer.byteLength(value));
      assert.equal(end, 5 + Buffer.byteLength(value));
      assert.equal(textFieldEnd(out, 3, end), end);
      assert.equal(Buffer.from(out.subarray(5, end)).toString(), value);
    }),
  );
  assert.throws(() => writeText(out, 0, '\ud800'), /lone surrogates/);
});

test('topic names and filters (4.7)', () => {
  const check = (kind: typeof topicNameFlaw, value: string): number => {
    const bytes = Buffer.from(value);
    return kind(bytes, 0, bytes.length);
  };
  for (const good of ['a', '/', 'm/1', ' ', '$SYS/x', 'ä/ö']) {
    assert.equal(check(topicNameFlaw, good), 0, good);
    assert.equal(check(topicFilterFlaw, good), 0, good);
  }
  for (const bad of ['', 'a+', '#', 'a/#'])
    assert.equal(check(topicNameFlaw, bad), FLAW.topic, bad);
  for (const good of ['#', '+', 'a/#', '+/a/+', '/#', '+/#']) {
    assert.equal(check(topicFilterFlaw, good), 0, good);
  }
  for (const bad of ['', 'a#', '#/a', 'a/#/b', 'a+', '+a', 'a/+b/c', '##', '++']) {
    assert.equal(check(topicFilterFlaw, bad), FLAW.topic, bad);
  }
  assert.equal(check(topicNameFlaw, 'a\0'), FLAW.text);
  assert.equal(check(topicFilterFlaw, 'a\0'), FLAW.text);
});
