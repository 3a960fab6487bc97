import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { compareHostStates, isSomebodyIn, readHostState } from '#lab/ladder/host-state.ts';
import { skipUnless } from '#test/foreign-part.ts';

test('a setting that has changed is named with both values, one that came or went is not', () => {
  const { settings, ...rest } = readHostState();
  assert.ok(settings.size > 100, `${settings.size} settings`);
  const name = 'net/core/somaxconn';
  const before = { ...rest, settings: new Map([...settings, ['net/gone', '1']]) };
  const after = { ...rest, settings: new Map([...settings, [name, '7'], ['net/new', '1']]) };
  const compared = compareHostStates(before, after, null);
  assert.deepEqual(compared.settingsChanged, [`${name}: ${settings.get(name)} before, 7 after`]);
  assert.equal(compared.isNamespaceGone, true);
});

const isRoot = process.getuid?.() === 0;
const skip = skipUnless(isRoot ? [] : ['the right to make network namespaces'], 'run as root');

test('a namespace is gone when its last process is', { skip }, async () => {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo in; read end'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  const namespace = readlinkSync(`/proc/${child.pid}/ns/net`);
  assert.equal(isSomebodyIn(namespace), true);
  child.stdin!.end('\n');
  await once(child, 'exit');
  assert.equal(isSomebodyIn(namespace), false);
});
