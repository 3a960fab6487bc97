// The work of a plug-in's thread (plugin-thread.ts). It runs on its own ticker, a little before the collector's
// rows, so that values are there when a row is made; the collector never waits for it.
//
// What a module prints goes nowhere: it would end up in the collector's own output, through its main thread.

import { parentPort, workerData } from 'node:worker_threads';
import { loadModule, ModuleRunner } from '#collector/plugin/module-runner.ts';
import type { PluginBirth, PluginMessage, PluginOrder } from '#collector/plugin/plugin-message.ts';
import { Program } from '#collector/plugin/program.ts';
import { Note, ValueCell } from '#collector/plugin/value-cell.ts';
import { ValueCollector } from '#collector/plugin/value-collector.ts';
import type { Clock } from '#core/clock/clock.ts';
import { createHostClock } from '#core/clock/host-clock.ts';
import { startTicker } from '#core/clock/ticker.ts';

/** So much earlier than a row a plug-in is asked, but not more than a quarter of the period. */
const LEAD_MS_MAX = 100;
const SAY_MS_MIN = 5000;
const HEARTBEAT_MS = 500;

const birth = workerData as PluginBirth;
const post = (message: PluginMessage): void => parentPort!.postMessage(message);
const clock = createHostClock();
const cell = new ValueCell(birth.memory);
const values = new ValueCollector(cell, birth.known, (metrics) =>
  post({ kind: 'metrics', metrics }),
);

let saidUs = Number.NEGATIVE_INFINITY;

/** Tells a person; what comes sooner than seconds later is not told, the counters have it. */
function say(text: string): void {
  const nowUs = clock.monoUs();
  if (nowUs - saidUs < SAY_MS_MIN * 1000) return;
  saidUs = nowUs;
  post({ kind: 'says', text });
}

interface Work {
  id: string | undefined;
  tick(wallMs: number): void;
  close(): Promise<void>;
}

async function startModule(path: string): Promise<Work> {
  for (const stream of [process.stdout, process.stderr]) stream.write = () => true;
  const plugin = await loadModule(path, values);
  await plugin.open?.();
  // What it declared is told before it is ready.
  await new Promise((resolve) => setImmediate(resolve));
  const runner = new ModuleRunner(plugin, { cell, values, periodMs: birth.periodMs, clock, say });
  return { id: plugin.id, tick: () => runner.tick(), close: () => runner.close() };
}

function startProgram(command: string, mark: string): Work {
  const { periodMs } = birth;
  const program = new Program({ command, mark, cell, values, periodMs, clock, say });
  program.start();
  return { id: undefined, tick: (wallMs) => program.tick(wallMs), close: () => program.close() };
}

/** Ticks before the rows do: the wall clock of the ticker runs ahead by the lead. */
function startTicks(work: Work): () => void {
  const leadMs = Math.min(LEAD_MS_MAX, birth.periodMs / 4);
  const ahead: Clock = { ...clock, wallMs: () => clock.wallMs() + leadMs };
  return startTicker(ahead, birth.periodMs, ({ wallMs }) => work.tick(wallMs));
}

function beat(): void {
  cell.setNote(Note.heartbeatUs, clock.monoUs());
  clock.after(HEARTBEAT_MS, beat);
}

async function main(): Promise<void> {
  beat();
  let work: Work;
  try {
    work =
      'path' in birth.work
        ? await startModule(birth.work.path)
        : startProgram(birth.work.command, birth.work.mark);
  } catch (error) {
    post({ kind: 'invalid', text: (error as Error).message?.split('\n')[0] ?? String(error) });
    parentPort!.close();
    return;
  }
  const stop = startTicks(work);
  parentPort!.on('message', ({ kind }: PluginOrder) => {
    if (kind !== 'close') return;
    stop();
    void work.close().finally(() => {
      post({ kind: 'closed' });
      parentPort!.close();
    });
  });
  post({ kind: 'ready', id: work.id });
}

await main();
