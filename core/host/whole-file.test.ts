// Files that are replaced as a whole, on a disk that is full: /dev/full stands in for it.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeCurrentLab } from '#core/host/current-lab.ts';
import { writeWhole } from '#core/host/whole-file.ts';
import { temporaryFolder } from '#test/command.ts';

test('a file is replaced, and is for its owner alone', (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeFileSync(`${file}.new`, 'of a process that was killed', { mode: 0o644 });
  for (const text of ['one', 'two']) {
    writeWhole(file, text);
    assert.equal(readFileSync(file, 'utf8'), text);
  }
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a full disk leaves the old text and nothing beside it', (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'file');
  writeWhole(file, 'old');
  symlinkSync('/dev/full', `${file}.new`);
  assert.throws(() => writeWhole(file, 'new'), { code: 'ENOSPC' });
  assert.deepEqual(readdirSync(folder), ['file']);
  assert.equal(readFileSync(file, 'utf8'), 'old');
});

test('a lab that cannot say where it is tells the folder and what to do', (t) => {
  const folder = temporaryFolder(t);
  const before = process.env['WSAR_STATE_DIR'];
  process.env['WSAR_STATE_DIR'] = folder;
  t.after(() => {
    if (before === undefined) delete process.env['WSAR_STATE_DIR'];
    else process.env['WSAR_STATE_DIR'] = before;
  });
  symlinkSync('/dev/full', join(folder, 'current-lab.json.new'));
  const lab = { pid: process.pid, lab: 'full', runId: 'r', busUrl: '', storeUrl: '' };
  assert.throws(() => writeCurrentLab(lab), {
    code: 'WSAR_ERR_SYSTEM',
    message: `the state folder ${folder} cannot be written: ENOSPC: no space left on device, write`,
    hint: 'make room there, or name another folder in WSAR_STATE_DIR',
  });
  assert.deepEqual(readdirSync(folder), []);
});
