import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStatement } from '#core/store/embedded/insert-statement.ts';

/** Statement, then what stands before the data, its format, settings, and the data. */
const WITH_DATA: [string, string, string, string, string][] = [
  ['INSERT INTO t FORMAT CSV\n1,2\n', 'INSERT INTO t ', 'CSV', '', '1,2\n'],
  ['INSERT INTO t FORMAT CSV', 'INSERT INTO t ', 'CSV', '', ''],
  ['insert into t format JSONEachRow {"a":1}', 'insert into t ', 'JSONEachRow', '', '{"a":1}'],
  ['INSERT INTO t FORMAT TSV\r\n\nx', 'INSERT INTO t ', 'TSV', '', '\nx'],
  ['INSERT INTO t FORMAT CSV;\n1', 'INSERT INTO t ', 'CSV', '', '1'],
  ['INSERT INTO t(a, format)\nFORMAT CSV\n1', 'INSERT INTO t(a, format)\n', 'CSV', '', '1'],
  [
    "INSERT INTO d.t SETTINGS a=1, b='x' FORMAT V 1",
    'INSERT INTO d.t ',
    'V',
    "SETTINGS a=1, b='x' ",
    '1',
  ],
  [
    '-- FORMAT A\n/* FORMAT B */ INSERT INTO t FORMAT C\nx',
    '-- FORMAT A\n/* FORMAT B */ INSERT INTO t ',
    'C',
    '',
    'x',
  ],
  ['INSERT INTO `FORMAT x` FORMAT C\n', 'INSERT INTO `FORMAT x` ', 'C', '', ''],
  ['INSERT INTO format FORMAT C\ny', 'INSERT INTO format ', 'C', '', 'y'],
  [
    'INSERT INTO TABLE values.settings FORMAT C\ny',
    'INSERT INTO TABLE values.settings ',
    'C',
    '',
    'y',
  ],
  [
    "INSERT INTO FUNCTION file('FORMAT A', CSV) FORMAT C\ny",
    "INSERT INTO FUNCTION file('FORMAT A', CSV) ",
    'C',
    '',
    'y',
  ],
  [
    'INSERT INTO t FORMAT CSV\n1; DROP TABLE t\n\nSELECT 1',
    'INSERT INTO t ',
    'CSV',
    '',
    '1; DROP TABLE t\n\nSELECT 1',
  ],
];

test('an insert is taken apart from its data', () => {
  for (const [content, sql, format, settings, bytes] of WITH_DATA) {
    assert.deepEqual(
      readStatement(Buffer.from(content)),
      { sql, data: { format, settings, bytes: Buffer.from(bytes) } },
      content,
    );
  }
  const binary = Buffer.concat([
    Buffer.from('INSERT INTO `é` FORMAT RowBinary\n'),
    Buffer.from([0xff, 0]),
  ]);
  const { sql, data } = readStatement(binary);
  assert.equal(sql, 'INSERT INTO `é` ');
  assert.deepEqual([...data!.bytes], [0xff, 0]);
});

test('a statement without data stays whole', () => {
  for (const content of [
    'SELECT 1 FORMAT CSV',
    "INSERT INTO t VALUES (1, 'FORMAT CSV')",
    'INSERT INTO t (a) SELECT a FROM u FORMAT CSV',
    'INSERT INTO t WITH 1 AS a SELECT a',
    "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
    'INSERT INTO t',
    'INSERT INTO t FORMAT',
    'INSERT',
    '',
    'x'.repeat(300_000),
  ]) {
    const read = readStatement(Buffer.from(content));
    assert.deepEqual(read, { sql: content }, content.slice(0, 50));
  }
  assert.throws(() => readStatement(Buffer.from([0xff])), { exceptionCode: 62 });
});
