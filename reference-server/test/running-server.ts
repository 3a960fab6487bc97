// A real `wsar serve` on a free port, what it reports, and the clients that tests use on it.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { type EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { Row } from '#core/metric/row.ts';
import { type RunningCommand, startWsar, watchProcess } from '#test/command.ts';

export interface RunningServer {
  command: RunningCommand;
  port: number;
  url: string;
  /**
   * Resolves with the first row whose values satisfy `isWanted`: of all rows, or of those that are
   * printed from now on.
   */
  values(
    isWanted: (value: (name: string) => number) => boolean,
    of?: 'all' | 'new',
  ): Promise<Row['values']>;
}

/** Starts it with `--json`; it is ended with the test. */
export async function startServer(
  t: TestContext,
  args: string[],
  options: { env?: Record<string, string>; stdin?: 'ignore' | 'pipe' } = {},
): Promise<RunningServer> {
  const command = startWsar(t, ['serve', '--port', '0', '--json', ...args], options);
  const [, url, port] = await command.line(/^ready (mqtt:\/\/127\.0\.0\.1:(\d+))\n/);
  return {
    command,
    port: Number(port),
    url: url!,
    async values(isWanted, of = 'all') {
      const start = of === 'all' ? 0 : command.stdout().length;
      for (;;) {
        const seen = command.stdout();
        for (const line of seen
          .slice(start)
          .split('\n')
          .filter((text) => text.startsWith('{"wallMs"'))) {
          const values = parse<Row>(line)?.values;
          if (values === undefined) continue;
          if (isWanted((name) => values[`wsar.server.${name}`] ?? 0)) return values;
        }
        if (command.stdout() === seen) {
          assert.equal(command.child.exitCode, null, 'the server still runs');
          await once(command.child.stdout!, 'data');
        }
      }
    },
  };
}

/** undefined for half a line. */
function parse<T>(line: string): T | undefined {
  try {
    return JSON.parse(line) as T;
  } catch {
    return undefined;
  }
}

export interface Message {
  topic: string;
  text: string;
  dup: boolean;
  qos: number;
}

/**
 * An npm mqtt client that does not come back by itself; ended with the test. `onMessage` also hears what
 * comes right behind CONNACK.
 */
export async function client(
  t: TestContext,
  server: RunningServer,
  options: IClientOptions,
  onMessage: (message: Message) => void = () => {},
): Promise<MqttClient> {
  const made = mqtt.connect(server.url, { reconnectPeriod: 0, ...options });
  made.on('error', () => {});
  made.on('message', (topic, payload, { dup, qos }) => {
    onMessage({ topic, text: payload.toString(), dup, qos });
  });
  t.after(() => void made.end(true));
  await nextEvent(made, 'connect');
  return made;
}

/** `once` for clients of npm mqtt, which declare their events otherwise. */
export async function nextEvent(source: MqttClient, name: string): Promise<unknown[]> {
  return await once(source as unknown as EventEmitter, name);
}

/** One of Debian's clients; ended with the test. */
export function debianClient(
  t: TestContext,
  server: RunningServer,
  program: 'mosquitto_pub' | 'mosquitto_sub',
  args: string[],
): RunningCommand {
  const child: ChildProcess = spawn(program, ['-p', String(server.port), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => void child.kill('SIGKILL'));
  return watchProcess(child);
}

/** A plain TCP connection; ended with the test. */
export async function rawConnection(t: TestContext, server: RunningServer): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  t.after(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Resolves when the peer has closed or reset it. */
export async function closed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
}
