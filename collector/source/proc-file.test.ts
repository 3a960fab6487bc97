import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProcFile } from '#collector/source/proc-file.ts';
import { temporaryFolder } from '#test/command.ts';

const textOf = (file: ProcFile): string => file.bytes.toString('latin1', 0, file.length);

test('a file is read anew each time through one descriptor, whatever its size', (t) => {
  const path = join(temporaryFolder(t), 'stat');
  const file = new ProcFile(path);
  t.after(() => file.close());
  for (const size of [10, 100_000, 8192, 1]) {
    writeFileSync(path, 'x'.repeat(size));
    assert.ok(file.read());
    assert.equal(textOf(file), 'x'.repeat(size));
  }
  assert.equal(file.failures, 0);
});

test('a real file of several pages, which the kernel hands out piece by piece, comes whole', (t) => {
  const file = new ProcFile('/proc/self/smaps');
  t.after(() => file.close());
  if (!file.read()) return t.skip('no /proc here');
  assert.ok(file.length > 8192);
  assert.match(textOf(file), /VmFlags:[^\n]*\n$/);
});

test('a missing file is tried less and less often, and read once it is there', (t) => {
  const path = join(temporaryFolder(t), 'late');
  const file = new ProcFile(path);
  t.after(() => file.close());
  for (let i = 0; i < 100; i++) assert.equal(file.read(), false);
  // Tries at 0, 2, 5, 10, 19, 36, 69: the gaps double.
  assert.equal(file.failures, 7);
  writeFileSync(path, 'here\n');
  let reads = 0;
  while (!file.read()) assert.ok(++reads <= 128);
  assert.equal(textOf(file), 'here\n');
});

test('a file that is emptied gives nothing; one that takes its place is found', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'stat');
  writeFileSync(path, 'one\n');
  const file = new ProcFile(path);
  t.after(() => file.close());
  assert.ok(file.read());
  writeFileSync(path, '');
  assert.equal(file.read(), false);
  writeFileSync(join(folder, 'new'), 'two\n');
  renameSync(join(folder, 'new'), path);
  let reads = 0;
  while (!file.read()) assert.ok(++reads <= 4);
  assert.equal(textOf(file), 'two\n');
});

test('a folder, or a file that may not be read, is no exception', (t) => {
  const file = new ProcFile(temporaryFolder(t));
  t.after(() => file.close());
  assert.equal(file.read(), false);
  assert.equal(file.length, 0);
});
