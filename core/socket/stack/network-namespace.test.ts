import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { enterNetworkNamespace } from '#core/socket/stack/network-namespace.ts';
import { skipUnless } from '#test/foreign-part.ts';

const isRoot = process.getuid?.() === 0;
const skip = skipUnless(isRoot ? [] : ['the right to make network namespaces'], 'run as root');
const setting = (name: string): string => readFileSync(`/proc/sys/net/${name}`, 'utf8').trim();
const own = (): string => readlinkSync('/proc/thread-self/ns/net');

test('a namespace has its table and settings, the host keeps its own', { skip }, async () => {
  const [home, backlog, children] = [
    own(),
    setting('core/somaxconn'),
    setting('ipv4/tcp_child_ehash_entries'),
  ];
  const outside = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(outside, 'listening');
  const { port } = outside.address() as { port: number };
  const namespace = enterNetworkNamespace({
    connectionBuckets: 65_536,
    settings: { 'core/somaxconn': 12_345 },
  });
  try {
    assert.equal(own(), namespace.name);
    assert.notEqual(namespace.name, home);
    assert.equal(setting('core/somaxconn'), '12345');
    // Read-only: how many buckets there are.
    assert.equal(Math.abs(Number(setting('ipv4/tcp_ehash_entries'))), 65_536);
    const child = spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' });
    assert.equal(child.stdout.trim(), namespace.name);
    const socket = connect(port, '127.0.0.1');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
  } finally {
    namespace.leave();
  }
  assert.equal(own(), home);
  assert.deepEqual(
    [setting('core/somaxconn'), setting('ipv4/tcp_child_ehash_entries')],
    [backlog, children],
  );
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
  outside.close();
});

test('a setting that is not there is told, and the thread is where it was', { skip }, () => {
  const home = own();
  assert.throws(() => enterNetworkNamespace({ settings: { 'ipv4/no_such_thing': 1 } }), {
    code: 'WSAR_ERR_LIMIT',
    message: /setting net\/ipv4\/no_such_thing to 1/,
  });
  assert.equal(own(), home);
});
