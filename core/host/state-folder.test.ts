import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolder } from '#core/host/make-folder.ts';
import { stateFolder } from '#core/host/state-folder.ts';

test('folders are made with those above them, for the owner only, once or again', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wsar-folder-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, 'a', 'b', 'c');
  makeFolder(folder);
  makeFolder(folder);
  assert.equal(statSync(join(root, 'a')).mode & 0o777, 0o700);
  assert.equal(statSync(folder).isDirectory(), true);
  writeFileSync(join(root, 'file'), '');
  assert.throws(() => makeFolder(join(root, 'file', 'below')), { code: /ENOTDIR|EEXIST/ });
  assert.throws(() => makeFolder(join(root, 'file')), { code: 'EEXIST' });
  chmodSync(root, 0o700);
});

test('a state folder that cannot be made falls back to one of our own, and below /proc nothing hangs', (t) => {
  assert.throws(() => makeFolder('/proc/nope/a/b'), { code: 'ENOENT' });
  const said: string[] = [];
  const talk = (text: string): unknown => said.push(text);
  const folder = stateFolder({ XDG_STATE_HOME: '/proc/nope' }, talk);
  assert.deepEqual(said, [], 'nobody asked for that folder by name');
  for (let turn = 0; turn < 2; turn++) {
    assert.equal(stateFolder({ WSAR_STATE_DIR: '/proc/nope/a/b' }, talk), folder);
  }
  t.diagnostic(said.join());
  assert.equal(said.length, 1);
  assert.match(
    said[0]!,
    /^wsar: WSAR_STATE_DIR cannot .*, \/.* is used: ENOENT.*; name another\n$/,
  );
  assert.equal(existsSync(folder), true);
});
