// Debian's MQTT broker for one test: own port, own configuration, ended with the test.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '#test/command.ts';
import { freePort } from '#test/free-port.ts';

export interface Mosquitto {
  url: string;
  port: number;
  child: ChildProcess;
  /** Ends it at once, without a farewell. */
  kill(): Promise<void>;
}

/** Starts a broker that lets anybody in, on `port` or any free one; `more` are lines of its configuration. */
export async function startMosquitto(
  t: TestContext,
  givenPort?: number,
  more: readonly string[] = [],
): Promise<Mosquitto> {
  const folder = temporaryFolder(t);
  for (let attempt = 0; ; attempt++) {
    const port = givenPort ?? (await freePort());
    const config = join(folder, 'mosquitto.conf');
    const lines = [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'persistence false'];
    writeFileSync(config, [...lines, ...more, ''].join('\n'));
    const child = spawn('mosquitto', ['-c', config], {
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
      stdio: 'ignore',
    });
    t.after(() => void child.kill('SIGKILL'));
    const ended = once(child, 'exit').then(() => false);
    if (await Promise.race([isListening(port), ended])) {
      return {
        url: `mqtt://127.0.0.1:${port}`,
        port,
        child,
        async kill() {
          child.kill('SIGKILL');
          await ended;
        },
      };
    }
    if (attempt === 4) throw new Error('mosquitto does not start');
  }
}

/** Resolves with true once something accepts connections on the port. */
export async function isListening(port: number): Promise<boolean> {
  for (;;) {
    const socket = createConnection(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return true;
    await sleep(20);
  }
}
