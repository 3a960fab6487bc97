// A lab for tests of the screen: the real embedded bus, real knob owners, and the rows of the recorded
// run, published as if they were measured now.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { topic } from '#core/bus/topic.ts';
import { systemClock } from '#core/clock/clock.ts';
import type { KnobValue } from '#core/knob/knob.ts';
import { offerKnobs } from '#core/knob/offer-knobs.ts';
import { temporaryFolder } from '#test/command.ts';
import {
  firstWallMs,
  HOST,
  LAB,
  type RecordedMessage,
  recordedLab,
  shifted,
} from '#tui/test/recorded-lab.ts';

export interface ServedLab {
  url: string;
  bus: Bus;
  /** What the knobs hold, by name. */
  knobs: Map<string, KnobValue>;
  /** Publishes the rows of the recording up to its second `seconds`, the newest of them as of now. */
  publishUntil(seconds: number): void;
  /** Publishes the next second of the recording, as of now. */
  publishNext(): void;
  close(): Promise<void>;
}

export async function serveLab(t: TestContext): Promise<ServedLab> {
  const broker = await startEmbeddedBus();
  const bus = await connectBus(broker.url, { clientId: 'served-lab' });
  const recording = recordedLab();
  const knobs = new Map<string, KnobValue>([
    ['write.flush', 'turn'],
    ['load.rate', 2000],
  ]);
  const close: (() => Promise<void>)[] = [];
  const lab: ServedLab = {
    url: broker.url,
    bus,
    knobs,
    publishUntil(seconds) {
      playedSeconds = seconds;
      publish(bus, recording, (second) => second <= seconds, seconds);
    },
    publishNext() {
      playedSeconds++;
      publish(bus, recording, (second) => second === playedSeconds, playedSeconds);
    },
    async close() {
      for (const end of close.splice(0)) await end();
      await bus.close();
      await broker.close();
    },
  };
  let playedSeconds = 0;
  t.after(() => lab.close());
  for (const { topic: name, value } of recording) {
    if (name.endsWith('/schema')) bus.publish(name, value, { retain: true, qos: 1 });
  }
  const folder = temporaryFolder(t);
  for (const owner of ['server', 'load']) {
    const offered = await offerKnobs({
      bus,
      lab: LAB,
      host: HOST,
      owner,
      journalFile: join(folder, `${owner}.journal`),
      clock: systemClock,
      knobs: recordedKnobs(recording, owner).map((def) => ({
        def,
        read: () => knobs.get(def.name)!,
        apply: (value) => void knobs.set(def.name, value),
      })),
    });
    close.push(() => offered.close());
  }
  return lab;
}

/** Says in a state folder that this lab runs, as the process of the test; returns how to end it. */
export function announceLab(stateFolder: string, busUrl: string): () => void {
  mkdirSync(stateFolder, { recursive: true });
  const file = join(stateFolder, 'current-lab.json');
  const lab = { pid: process.pid, lab: LAB, runId: 'run-7', busUrl, storeUrl: '' };
  writeFileSync(file, JSON.stringify(lab), { mode: 0o600 });
  return () => rmSync(file, { force: true });
}

function publish(
  bus: Bus,
  recording: RecordedMessage[],
  isWanted: (second: number) => boolean,
  newest: number,
): void {
  const startMs = (Math.floor(systemClock.wallMs() / 1000) - newest) * 1000;
  const originMs = firstWallMs(recording);
  for (const [index, message] of shifted(recording, startMs).entries()) {
    if (!/\/(row|event)$/.test(message.topic)) continue;
    const second = Math.ceil((Number(recording[index]!.value['wallMs']) - originMs) / 1000);
    if (isWanted(second)) bus.publish(message.topic, message.value, { qos: 1 });
  }
}

function recordedKnobs(recording: RecordedMessage[], owner: string) {
  const names = owner === 'server' ? ['write.flush'] : ['load.rate'];
  return names.map((name) => {
    const state = recording.find((message) => message.topic === topic.knobState(LAB, owner, name));
    return state!.value['def'] as Parameters<typeof offerKnobs>[0]['knobs'][0]['def'];
  });
}
