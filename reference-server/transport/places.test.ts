// A bound of connections is the whole server's, and holds to the one: however they spread over the workers, so many
// get in, more wait (or are reset, with a mosquitto.conf), and who leaves makes room at any worker.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { generate } from 'mqtt-packet';
import { startServer } from '#reference-server/test/running-server.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';

const MAX = 9;
const MORE = 7;

/** Clients that log in and stay; how many were let in, and how many ended. */
class Crowd {
  readonly sockets: Socket[] = [];
  in = 0;
  ended = 0;
  #changed = (): void => {};

  constructor(t: TestContext, port: number) {
    for (let index = 0; index < MAX + MORE; index++) {
      const socket = connect(port, '127.0.0.1');
      socket.write(generate({ cmd: 'connect', clientId: `user${index}`, keepalive: 60 }));
      socket.on('error', () => {});
      socket.once('data', () => this.#count(() => this.in++));
      socket.once('close', () => this.#count(() => this.ended++));
      t.after(() => void socket.destroy());
      this.sockets.push(socket);
    }
  }

  #count(act: () => void): void {
    act();
    this.#changed();
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => (this.#changed = resolve));
  }
}

for (const engine of ['auto', 'epoll', 'net']) {
  test(`--connections ${MAX} with 3 workers: ${MAX} are in, ${MORE} wait; engine ${engine}`, async (t) => {
    const args = ['--workers', '3', '--engine', engine, '--connections', String(MAX)];
    const server = await startServer(t, args);
    const crowd = new Crowd(t, server.port);
    await crowd.until(() => crowd.in === MAX);
    const full = await server.values((value) => value('connections') >= MAX, 'new');
    assert.equal(full['wsar.server.connections'], MAX);
    assert.equal(full['wsar.server.sessions'], MAX);
    assert.ok(full['wsar.server.refused']! > 0, 'that it was full is counted');
    assert.deepEqual([crowd.in, crowd.ended], [MAX, 0], 'nobody is reset');
    for (const socket of crowd.sockets.filter(({ bytesRead }) => bytesRead > 0)) socket.destroy();
    await crowd.until(() => crowd.in === MAX + MORE);
    for (const socket of crowd.sockets) socket.destroy();
    await server.values((value) => value('connections') === 0, 'new');
    const again = new Crowd(t, server.port);
    await again.until(() => again.in === MAX);
    server.command.child.kill('SIGTERM');
    assert.equal(await server.command.exit(), 143, 'it ends while some wait');
  });
}

test(`max_connections ${MAX} with 3 workers: ${MAX} are in, ${MORE} are reset`, async (t) => {
  const file = join(temporaryFolder(t), 'mosquitto.conf');
  writeFileSync(file, `listener 0\nallow_anonymous true\nmax_connections ${MAX}\n`);
  const server = startWsar(t, ['serve', '-c', file, '--workers', '3']);
  const [, port] = await server.line(/^ready mqtt:\/\/127\.0\.0\.1:(\d+)\n/);
  const crowd = new Crowd(t, Number(port));
  await crowd.until(() => crowd.in + crowd.ended === MAX + MORE);
  assert.deepEqual([crowd.in, crowd.ended], [MAX, MORE]);
});
