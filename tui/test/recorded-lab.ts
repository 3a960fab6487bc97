// A recorded run for tests: what was on the bus of a real `wsar run` (2,000 connections, 2,000 messages a
// second, A B B A on write.flush) from its first row on, cut to the metrics that have a place on the
// screen. One line a message: {topic, value}.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '#test/command.ts';
import { LabState } from '#tui/model/lab-state.ts';
import { readBusMessage } from '#tui/model/message.ts';

export interface RecordedMessage {
  topic: string;
  value: Record<string, unknown>;
}

export const LAB = 'recorded';
export const HOST = 'host-a';

export function recordedLab(): RecordedMessage[] {
  const text = readFileSync(join(ROOT, 'tui', 'fixtures', 'first-loop.ndjson'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordedMessage);
}

/** Wall time of the first row, ms. */
export function firstWallMs(messages: RecordedMessage[]): number {
  const row = messages.find(({ topic }) => topic.endsWith('/row'));
  return Number(row?.value['wallMs']);
}

/** The same recording as if its first row stood at `startWallMs` (a whole second). */
export function shifted(messages: RecordedMessage[], startWallMs: number): RecordedMessage[] {
  const byMs = startWallMs - firstWallMs(messages);
  return messages.map(({ topic, value }) => {
    const moved = { ...value };
    for (const key of ['wallMs', 'appliedWallMs']) {
      if (typeof moved[key] === 'number') moved[key] = (moved[key] as number) + byMs;
    }
    return { topic, value: moved };
  });
}

/**
 * The state of a screen that followed the recording to second `seconds`, and the monotonic time of then:
 * row S arrives at S seconds.
 */
export function stateAfter(seconds: number): { state: LabState; nowUs: number; wallMs: number } {
  const messages = recordedLab();
  const startWallMs = firstWallMs(messages);
  const state = new LabState();
  state.reset({ state: 'live', mode: 'lab', lab: LAB, runId: '', text: '' });
  for (const { topic, value } of messages) {
    const wallMs = Number(value['wallMs'] ?? value['appliedWallMs'] ?? startWallMs);
    if (wallMs > startWallMs + seconds * 1000) continue;
    const message = readBusMessage(topic, value);
    if (message === undefined) throw new Error(`the recording holds no message: ${topic}`);
    state.apply(message, (wallMs - startWallMs) * 1000 + 1);
  }
  return { state, nowUs: seconds * 1e6 + 200_000, wallMs: startWallMs + seconds * 1000 + 200 };
}
