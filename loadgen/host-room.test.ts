import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { readHostRoom, requireRoom, roomBytes } from '#loadgen/host-room.ts';
import { temporaryFolder } from '#test/command.ts';

const GIB = 2 ** 30;
const here = { connections: 100_000, engine: 'ring', isTargetHere: true } as const;

function refusal(act: () => void): WsarError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof WsarError);
    return error;
  }
  throw new Error('it was not refused');
}

/** Bytes of one connection more. */
function one(need: Parameters<typeof roomBytes>[0]): number {
  const of = (connections: number): number => roomBytes({ ...need, connections });
  return (of(2_000_000) - of(1_000_000)) / 1e6;
}

test('a connection to this host costs both its ends; engine net more', () => {
  // Measured at a million: 8.0 KB of kernel memory for both ends and 100 bytes of ours.
  assert.ok(one(here) > 8100 && one(here) < 11_000);
  assert.ok(one({ ...here, isTargetHere: false }) < one(here) * 0.55);
  assert.ok(one({ ...here, engine: 'net' }) > one(here) + 3000);
});

test('clients without sockets: what was measured fits, and not a tenth more is asked for', () => {
  const stack = { ...here, engine: 'stack' } as const;
  // Of server, generator and kernel together, at two million users.
  assert.ok(one(stack) > 4543 * 1.03 && one(stack) < 4543 * 1.1, `${one(stack)}`);
  // The server's end and session alone, and our own part alone.
  const own = one({ ...stack, isTargetHere: false });
  assert.ok(own > 186 && one(stack) - own > 4177 + 193);
  requireRoom(
    { ...stack, connections: 4_500_000 },
    { freeBytes: 22 * GIB, descriptors: undefined },
  );
});

test('too little memory is refused with how many would fit, and that many do', () => {
  const room = { freeBytes: GIB, descriptors: undefined };
  requireRoom({ ...here, connections: 50_000 }, room);
  const { code, hint } = refusal(() => requireRoom({ ...here, connections: 1_000_000 }, room));
  assert.equal(code, 'WSAR_ERR_MEMORY');
  const fit = Number(/at most (\d+) connections/.exec(hint)![1]);
  requireRoom({ ...here, connections: fit }, room);
  refusal(() => requireRoom({ ...here, connections: fit + 100 }, room));
  assert.match(refusal(() => requireRoom(here, { ...room, freeBytes: 1000 })).hint, /free some/);
});

test('engine net needs descriptors, ring does not', () => {
  const room = { freeBytes: undefined, descriptors: 20_000 };
  requireRoom(here, room);
  const { code, message } = refusal(() => requireRoom({ ...here, engine: 'net' }, room));
  assert.equal(code, 'WSAR_ERR_LIMIT');
  assert.match(message, /100000 connections and this process may have 20000/);
  requireRoom({ ...here, engine: 'net', connections: 19_000 }, room);
});

test('what cannot be read refuses nothing', (t) => {
  const folder = temporaryFolder(t);
  const room = readHostRoom(folder, folder);
  assert.deepEqual(room, { freeBytes: undefined, descriptors: undefined });
  requireRoom({ ...here, engine: 'net', connections: 10_000_000 }, room);
});

test('memory is MemFree and idle file pages, or what the control group leaves, whichever is less', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'self'));
  writeFileSync(
    join(folder, 'meminfo'),
    'MemTotal: 100 kB\nMemFree:         3000 kB\nMemAvailable:   9000 kB\nInactive(file):  500 kB\n',
  );
  writeFileSync(
    join(folder, 'self/limits'),
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024      4096      files\n',
  );
  assert.deepEqual(readHostRoom(folder, folder), { freeBytes: 3500 * 1024, descriptors: 1024 });
  writeFileSync(join(folder, 'memory.max'), 'max\n');
  writeFileSync(join(folder, 'memory.current'), '1000\n');
  assert.equal(readHostRoom(folder, folder).freeBytes, 3500 * 1024);
  writeFileSync(join(folder, 'memory.max'), '1001000\n');
  assert.equal(readHostRoom(folder, folder).freeBytes, 1_000_000);
});

test('this host can be read', () => {
  const { freeBytes, descriptors } = readHostRoom('/proc', '/sys/fs/cgroup');
  assert.ok(freeBytes! > 0 && descriptors! > 0);
});
