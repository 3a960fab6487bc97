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

/** What is kept of what it says of itself, for the reason why it did not start. */
const SAID_CHARS_MAX = 2000;

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
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    t.after(() => void child.kill('SIGKILL'));
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-SAID_CHARS_MAX);
    });
    const over = new AbortController();
    const ended = once(child, 'exit').then(() => {
      over.abort();
      return false;
    });
    if (await Promise.race([isListening(port, over.signal), ended])) {
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
    if (attempt === 4) throw new Error(`mosquitto does not start: ${said}`);
  }
}

/** Resolves with true once something accepts connections on the port; with false when `signal` says: nothing will. */
export async function isListening(port: number, signal?: AbortSignal): Promise<boolean> {
  while (signal?.aborted !== true) {
    const socket = createConnection(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return true;
    await sleep(20);
  }
  return false;
}
