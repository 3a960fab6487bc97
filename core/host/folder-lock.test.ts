import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockFolder } from '#core/host/folder-lock.ts';
import { hostName } from '#core/host/host-name.ts';
import { isRunning, ownIdentity } from '#core/host/process-identity.ts';
import { ROOT, temporaryFolder, watchProcess } from '#test/command.ts';

test('of many that start at once on a stale lock, one gets the folder', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'lock.json'), JSON.stringify({ pid: 4_194_305, startTicks: 1 }));
  const script = `
    import { lockFolder } from '#core/host/folder-lock.ts';
    process.stdin.once('data', () => {
      try {
        lockFolder(${JSON.stringify(folder)}, 'test');
        process.stdout.write('mine');
      } catch (error) {
        process.stdout.write(error.code);
      }
      process.stdin.on('end', () => process.exit()).resume();
    });
    process.stdout.write('up ');`;
  const starters = Array.from({ length: 5 }, () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
    t.after(() => void child.kill('SIGKILL'));
    return watchProcess(child);
  });
  await Promise.all(starters.map((starter) => starter.line(/up /)));
  for (const { child } of starters) child.stdin!.write('go');
  const said = await Promise.all(starters.map((starter) => starter.line(/mine|WSAR_ERR_SYSTEM/)));
  assert.equal(said.filter(([word]) => word === 'mine').length, 1);
  for (const { child } of starters) child.stdin!.end();
  await Promise.all(starters.map((starter) => starter.exit()));
  // The owner is gone without a word: the folder is free.
  lockFolder(folder, 'test').release();
  assert.deepEqual(readdirSync(folder), []);
});

test('what a starter left behind who died while he took over stops nobody', (t) => {
  const folder = temporaryFolder(t);
  const dead = JSON.stringify({ pid: 4_194_305, startTicks: 1 });
  for (const name of ['lock.json', 'lock.json.heir', 'lock.json.heir.heir']) {
    writeFileSync(join(folder, name), dead);
  }
  lockFolder(folder, 'test').release();
  assert.deepEqual(readdirSync(folder), []);
});

test('who was killed as he took the lock does not stop the next process of his id', (t) => {
  const folder = temporaryFolder(t);
  const left = join(folder, `lock.json.${process.pid}`);
  for (const file of [left, `${left}.1`]) {
    writeFileSync(file, JSON.stringify({ pid: process.pid, startTicks: 1 }));
    linkSync(file, join(folder, 'lock.json'));
    lockFolder(folder, 'test').release();
  }
});

test('a lock is given back, and a folder that cannot be written is told', (t) => {
  const folder = temporaryFolder(t);
  const lock = lockFolder(folder, 'test');
  assert.throws(() => lockFolder(folder, 'test'), /the test in .* already open in process/);
  lock.release();
  assert.equal(existsSync(join(folder, 'lock.json')), false);
  assert.throws(() => lockFolder(join(folder, 'nowhere'), 'test'), { code: 'WSAR_ERR_SYSTEM' });
  // A full disk.
  const { pid, startTicks } = ownIdentity();
  symlinkSync('/dev/full', join(folder, `lock.json.${pid}.${startTicks}`));
  assert.throws(() => lockFolder(folder, 'test'), /the test cannot write to its folder: ENOSPC/);
  assert.deepEqual(readdirSync(folder), []);
});

test('a process is known by its id and its start', async (t) => {
  assert.ok(isRunning(ownIdentity()));
  assert.equal(isRunning({ ...ownIdentity(), startTicks: 1 }), false);
  const child = spawn(process.execPath, ['-e', '']);
  t.after(() => void child.kill('SIGKILL'));
  await once(child, 'exit');
  assert.equal(isRunning({ pid: child.pid!, startTicks: null }), false);
});

test("a host's name can stand in a topic and in a path", () => {
  assert.equal(hostName('web-1.example.org'), 'web-1.example.org');
  assert.equal(hostName('Ann\u2019s Mac/+#'), 'Ann-s-Mac---');
  assert.equal(hostName(''), 'host');
  assert.match(hostName(), /^[A-Za-z0-9._-]+$/);
});
