// `wsar top` in a pty on a served lab, and the processes it starts.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '#test/command.ts';
import { LAB } from '#tui/test/recorded-lab.ts';
import { type ServedLab, serveLab } from '#tui/test/served-lab.ts';
import { PtyCommand } from '#tui/test/terminal.ts';

/** A screen that follows a served lab by its environment, with 20 seconds of it to show. */
export async function topOnLab(
  t: TestContext,
  args: string[] = [],
  size = { cols: 120, rows: 36 },
): Promise<{ top: PtyCommand; lab: ServedLab }> {
  const lab = await serveLab(t);
  const env = { WSAR_BUS_URL: lab.url, WSAR_LAB: LAB, WSAR_STATE_DIR: temporaryFolder(t) };
  const top = new PtyCommand(t, ['top', ...args], { ...size, env });
  await top.shows(/STARTING/);
  lab.publishUntil(20);
  await top.shows(/\[LIVE\]/);
  return { top, lab };
}

/** Ids of the processes that a process started. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

/** Resolves when the process is gone. */
export async function ends(pid: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`process ${pid} is still there`);
}
