// The feed when no lab runs: `wsar collect --json` as a child process, one JSON object a line. The child
// ends with us: it is asked to, and even if we were killed its next line finds nobody to read it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '#core/clock/clock.ts';
import { hostName } from '#core/host/host-name.ts';
import { type Message, printable, readEvent, readRow, readSchema } from '#tui/model/message.ts';
import type { Feed, FeedListener } from '#tui/source/feed.ts';

const STOP_TIMEOUT_MS = 2000;
const STDERR_LENGTH_MAX = 400;

/** Starts the collector of the package in `root`. */
export function openHostFeed(root: string, listener: FeedListener): Feed {
  const child = spawn(join(root, 'bin', 'wsar'), ['collect', '--json', '--schema'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let talk = '';
  let isClosed = false;
  const lose = (why: string): void => {
    if (isClosed) return;
    isClosed = true;
    listener.lost(why);
  };
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    talk = (talk + text).slice(-STDERR_LENGTH_MAX);
  });
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (isClosed || line === '') return;
    const message = readLine(line);
    if (message === undefined) listener.malformed();
    else listener.message(message);
  });
  child.on('error', (error) => lose(`the collector cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    const last = printable(talk.trim().split('\n').at(-1) ?? '');
    lose(`the collector ended (${signal ?? `exit ${code}`})${last === '' ? '' : `: ${last}`}`);
  });
  return {
    turn: () => Promise.reject(new Error('no lab runs, so there is no knob to turn')),
    async close() {
      isClosed = true;
      await stop(child);
    },
  };
}

function readLine(line: string): Message | undefined {
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(line) as Record<string, unknown> | null;
  } catch {
    // Half a line of a killed collector.
    return undefined;
  }
  const host = typeof value?.['host'] === 'string' ? value['host'] : hostName();
  if (value?.['metrics'] !== undefined) return readSchema(host, 'host', value);
  if (value?.['values'] !== undefined) return readRow(host, 'host', value);
  return readEvent(host, 'host', value);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const cancel = systemClock.after(STOP_TIMEOUT_MS, () => void child.kill('SIGKILL'));
  await ended;
  cancel();
}
