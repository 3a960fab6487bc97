import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';

function scan(text: string): ByteScanner {
  const scanner = new ByteScanner();
  const bytes = Buffer.from(text, 'latin1');
  scanner.start(bytes, bytes.length);
  return scanner;
}

test('every 64 bit number comes out exactly, whole and in halves', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (n) => {
      const scanner = scan(`${n}\n`);
      assert.ok(scanner.nextLine() && scanner.number());
      assert.equal(BigInt(scanner.high) * 1_000_000_000n + BigInt(scanner.low), n);
      // As one double it is exact up to 2^53 and within its last digit above.
      const error = Math.abs(scanner.value - Number(n));
      assert.ok(error <= (n < 2n ** 53n ? 0 : Number(n) * 2 ** -52));
    }),
  );
});

test('lines, words and numbers of any text come out as split would give them', () => {
  const word = fc.stringMatching(/^[a-zA-Z_()]{1,12}$/);
  const number = fc.nat().map(String);
  const line = fc.array(fc.oneof(word, number), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      const scanner = scan(lines.map((parts) => `${parts.join('  ')}\n`).join(''));
      for (const parts of lines) {
        assert.ok(scanner.nextLine());
        for (const part of parts) {
          if (/^\d/.test(part)) {
            assert.ok(scanner.number());
            assert.equal(scanner.value, Number(part));
          } else {
            assert.ok(scanner.word());
            assert.equal(scanner.wordText(), part);
          }
        }
        assert.equal(scanner.number(), false);
      }
      assert.equal(scanner.nextLine(), false);
    }),
  );
});

test('what stands behind the last newline was cut off and does not count', () => {
  const scanner = scan('ctxt 12\nctxt 34');
  assert.ok(scanner.nextLine() && scanner.word() && scanner.number());
  assert.equal(scanner.value, 12);
  assert.equal(scanner.nextLine(), false);
});

test('a malformed number is no number, and nothing is consumed', () => {
  for (const text of ['12x', 'x12', '', '-', '123456789012345678901', '1e3', '12-']) {
    const scanner = scan(`${text}\n`);
    assert.ok(scanner.nextLine());
    assert.equal(scanner.number(), false, text);
    if (text !== '') assert.ok(scanner.word(), text);
  }
});

test('signs and fractions', () => {
  const scanner = scan('-1 0.12 1.5:2\n');
  scanner.nextLine();
  assert.ok(scanner.number());
  assert.deepEqual([scanner.value, scanner.isNegative], [-1, true]);
  assert.ok(scanner.number());
  assert.ok(Math.abs(scanner.value - 0.12) < 1e-12 && !scanner.isNegative);
  assert.ok(scanner.number());
  assert.equal(scanner.value, 1.5);
});

test('hexadecimal numbers of up to eight digits', () => {
  const scanner = scan('0000ffff DEADBEEF 123456789 zz\n');
  scanner.nextLine();
  assert.ok(scanner.hex());
  assert.equal(scanner.value, 65_535);
  assert.ok(scanner.hex());
  assert.equal(scanner.high * 1e9 + scanner.low, 0xdeadbeef);
  assert.equal(scanner.hex(), false);
});

test('no bytes of any kind make the scanner fail or run on', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const scanner = new ByteScanner();
      scanner.start(bytes, bytes.length);
      let steps = 0;
      while (scanner.nextLine()) {
        while (scanner.number() || scanner.hex() || scanner.word()) steps++;
        assert.ok(steps <= bytes.length);
      }
    }),
  );
});

test('keys are found whatever their order, and only as whole words', () => {
  const keys = new KeyTable(['pgfault', 'pgmajfault', 'pg']);
  const scanner = scan('pgmajfault 1\npgfault 2\npgfaults 3\npg 4\npg: 5\n');
  const found: number[] = [];
  while (scanner.nextLine()) {
    scanner.word();
    found.push(keys.find(scanner));
  }
  assert.deepEqual(found, [1, 0, -1, 2, 2]);
  keys.replace(0, 'other');
  assert.deepEqual(keys.names(), ['other', 'pgmajfault', 'pg']);
});

test('what is left of a line is a copy: the next reading of the same buffer does not change it', () => {
  const buffer = Buffer.from('Tcp: InSegs OutSegs\n');
  const scanner = new ByteScanner();
  scanner.start(buffer, buffer.length);
  assert.ok(scanner.nextLine() && scanner.word());
  const names = scanner.rest();
  buffer.write('Tcp: OutSegs InSegs\n', 'latin1');
  scanner.start(buffer, buffer.length);
  assert.ok(scanner.nextLine() && scanner.word());
  assert.equal(scanner.restEquals(names), false);
  assert.equal(scanner.restEquals(Buffer.from(' OutSegs InSegs')), true);
});

test('a word that is expected is read as any other, and only when it is the whole word', () => {
  const text = Buffer.from('pgfault 7\n  Active(anon): 9 kB\nlast\n');
  const scanner = new ByteScanner();
  scanner.start(text, text.length);
  assert.ok(scanner.nextLine());
  assert.equal(scanner.thisWord(Buffer.from('pgfau')), false);
  assert.equal(scanner.thisWord(Buffer.from('pgfaults')), false);
  assert.equal(scanner.thisWord(Buffer.from('')), false);
  assert.ok(scanner.thisWord(Buffer.from('pgfault')) && scanner.number());
  assert.equal(scanner.value, 7);
  assert.ok(scanner.nextLine() && scanner.thisWord(Buffer.from('Active(anon)')));
  assert.equal(scanner.wordText(), 'Active(anon)');
  assert.ok(scanner.number());
  assert.equal(scanner.value, 9);
  assert.ok(scanner.nextLine() && scanner.thisWord(Buffer.from('last')) && !scanner.number());
});
