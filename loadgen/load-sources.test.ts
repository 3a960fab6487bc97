// Where connections come from, on the real kernel: every port plan, several target ports, given addresses, and sources
// that are still in TIME_WAIT from a run that has just ended, whoever closed first.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';
import { freePort } from '#test/free-port.ts';

/** An address that no other test process uses. */
const ADDRESS = `127.77.${(process.pid >> 7) & 127}.${1 + (process.pid & 127)}`;
/** States in /proc/net/tcp (include/net/tcp_states.h). */
const TIME_WAIT = '06';

/** A server with two listeners; its ports. */
async function startServer(t: TestContext): Promise<[number, number]> {
  const ports: [number, number] = [await freePort(), await freePort()];
  const conf = join(temporaryFolder(t), 'two.conf');
  const listeners = ports.map((port) => `listener ${port} 127.0.0.1`);
  writeFileSync(conf, [...listeners, 'allow_anonymous true', ''].join('\n'));
  const server = startWsar(t, ['serve', '-c', conf]);
  await server.line(/^ready mqtt:\S+\nready mqtt:\S+$/m);
  return ports;
}

async function load(
  t: TestContext,
  target: string,
  ...more: string[]
): Promise<{ exitCode: number; summary: LoadSummary; talk: string }> {
  const run = startWsar(t, [
    ...[
      'load',
      '--scenario',
      'one-to-one',
      '--target',
      target,
      '--connections',
      '40',
      '--rate',
      '100/s',
    ],
    ...['--duration', '1s', '--lateness-max', '60s', '--json', ...more],
  ]);
  const exitCode = await run.exit();
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1) || '{}') as LoadSummary;
  return { exitCode, summary, talk: run.stderr() };
}

/** Sockets of `state` from our address at a port of 20000 to 20039, seen at either end. */
function inState(state: string): { atClient: number; atServer: number } {
  const [a, b, c, d] = ADDRESS.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  const ours = `${d}${c}${b}${a}:`.toUpperCase();
  const seen = { atClient: 0, atServer: 0 };
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const [, local, remote, at] = line.trim().split(/\s+/);
    const isRun = (end: string | undefined): boolean =>
      end?.startsWith(ours) === true && (Number.parseInt(end.slice(9), 16) / 40) >> 0 === 500;
    if (at !== state) continue;
    if (isRun(local)) seen.atClient++;
    if (isRun(remote)) seen.atServer++;
  }
  return seen;
}

/** Forty connections from our address to `port` that end: by us first, or by the server first. */
async function leaveTimeWait(port: number, first: 'client' | 'server'): Promise<void> {
  const sockets = Array.from({ length: 40 }, (_, i) =>
    connect({ host: '127.0.0.1', port, localAddress: ADDRESS, localPort: 20_000 + i }),
  );
  const end = async (socket: Socket): Promise<void> => {
    socket.resume();
    await once(socket, 'connect');
    // What is no CONNECT makes the server hang up.
    if (first === 'client') socket.end();
    else socket.write(Buffer.from([0xf0, 0xff, 0xff, 0xff, 0xff]));
    await once(socket, 'close');
  };
  await Promise.all(sockets.map(end));
}

const FORTY = ['--sources', ADDRESS, '--ports', 'explicit:20000-20039'];

test('every plan of ports: everybody is in, from the addresses that were given', async (t) => {
  const [port] = await startServer(t);
  const one = async (plan: string, index: number): Promise<void> => {
    const sources = ['--sources', `${ADDRESS},127.78.0.0/30`, '--first-user', `${100 * index}`];
    const run = await load(t, `mqtt://127.0.0.1:${port}`, '--ports', plan, ...sources);
    assert.equal(run.exitCode, 0, run.talk);
    const { connections, sourcePorts, messages } = run.summary;
    assert.deepEqual([connections.loggedIn, connections.failed, messages.lost], [40, 0, 0]);
    assert.equal(sourcePorts, plan === 'auto' ? 'explicit' : plan);
    assert.ok(connections.sourceAddresses >= (plan === 'window' || plan === 'kernel' ? 3 : 1));
  };
  await Promise.all(['explicit', 'window', 'kernel', 'auto'].map(one));
});

test('two target ports take twice as many users from the same sources, and all of them talk', async (t) => {
  const ports = await startServer(t);
  const both = `mqtt://127.0.0.1:${ports.join(',')}`;
  const few = ['--sources', ADDRESS, '--ports', 'explicit:20000-20019'];
  const run = await load(t, both, ...few);
  assert.equal(run.exitCode, 0, run.talk);
  const { connections, messages } = run.summary;
  assert.deepEqual([connections.loggedIn, connections.sourceTaken, messages.lost], [40, 0, 0]);
  const one = await load(t, `mqtt://127.0.0.1:${ports[0]}`, ...few);
  assert.equal(one.exitCode, 3);
  assert.match(one.talk, /40 connections need as many source ports, .* has 20/);
  const closed = await freePort();
  const half = await load(t, `mqtt://127.0.0.1:${ports[0]},${closed}`);
  assert.equal(half.exitCode, 4);
  assert.match(half.talk, new RegExp(`\\(port ${closed}\\)`));
});

test('two runs one after the other from the same forty sources leave nothing to each other', async (t) => {
  const [port] = await startServer(t);
  for (let round = 0; round < 2; round++) {
    const run = await load(t, `mqtt://127.0.0.1:${port}`, ...FORTY);
    assert.equal(run.exitCode, 0, run.talk);
    const { loggedIn, failed, sourceTaken } = run.summary.connections;
    assert.deepEqual([loggedIn, failed, sourceTaken], [40, 0, 0]);
  }
  assert.deepEqual(inState(TIME_WAIT), { atClient: 0, atServer: 0 });
});

test('sources in TIME_WAIT at the server, which closed first, are taken again at once', async (t) => {
  const [port] = await startServer(t);
  await leaveTimeWait(port, 'server');
  assert.deepEqual(inState(TIME_WAIT), { atClient: 0, atServer: 40 });
  const run = await load(t, `mqtt://127.0.0.1:${port}`, ...FORTY);
  assert.equal(run.exitCode, 0, run.talk);
  const { loggedIn, failed } = run.summary.connections;
  assert.deepEqual([loggedIn, failed], [40, 0]);
});

test('sources in TIME_WAIT at our end, since we closed first, are waited for: nobody has failed', async (t) => {
  const [port] = await startServer(t);
  await leaveTimeWait(port, 'client');
  assert.deepEqual(inState(TIME_WAIT), { atClient: 40, atServer: 0 });
  const run = await load(t, `mqtt://127.0.0.1:${port}`, ...FORTY);
  assert.equal(run.exitCode, 0, run.talk);
  const { loggedIn, failed } = run.summary.connections;
  assert.deepEqual([loggedIn, failed], [40, 0]);
});
