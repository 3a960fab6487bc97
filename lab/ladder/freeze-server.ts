// Lets the server of a step stand still: its process by SIGSTOP, or one of its workers by its knob.

import { spawn } from 'node:child_process';
import { WsarError } from '#core/errors.ts';
import type { Freeze } from '#lab/ladder/disturbance.ts';
import { type BlocksContext, turn } from '#lab/run/run-blocks.ts';

export type Control = Pick<BlocksContext, 'bus' | 'lab' | 'signal'>;

/** Why it did not stand still, which is a finding of the step; undefined when it does. */
export async function freezeServer(
  control: Control,
  pid: number,
  { forMs, of }: Freeze,
): Promise<string | undefined> {
  if (of === 'process') {
    // Who wakes it is a process of its own, should we end.
    const script = `kill -STOP ${pid}; sleep ${forMs / 1000}; kill -CONT ${pid}`;
    spawn('/bin/sh', ['-c', script], { stdio: 'ignore', detached: true }).on('error', () => {});
    return undefined;
  }
  try {
    await turn(control, 'server', 'inject.freeze', forMs);
    return undefined;
  } catch (error) {
    if (!(error instanceof WsarError)) throw error;
    return `no worker stood still: ${error.message}`;
  }
}
