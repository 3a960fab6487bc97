// Keeps the parts of a run together: an unexpected end of any one of them cuts the run short with one
// sentence and a typed exit code, and at the end nothing is left behind. It holds no policy about phases;
// it only knows which part is vital for what.

import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import {
  describeExit,
  type Part,
  type PartName,
  type PartOptions,
  startPart,
} from '#lab/run/part.ts';

/** Why a run ends before its plan. */
export interface Cut {
  cause: 'part-lost' | 'interrupted' | 'time' | 'failure';
  sentence: string;
  exitCode: ExitCode;
}

export interface Supervisor {
  /** Starts a part and watches it. One that may fail is no loss until it is required. */
  start(options: PartOptions, mode?: { mayFail: boolean }): Promise<Part>;
  /** From now on the end of this part is a loss. */
  require(name: PartName): void;
  /** Ends one part; its end is then no loss. Does nothing when it was never started. */
  stop(name: PartName, graceMs: number): Promise<void>;
  /** Ends all that still run, in the order in which data flows; resolves when every process is gone. */
  stopAll(graceMs: number): Promise<void>;
  part(name: PartName): Part | undefined;
}

/** The order of an orderly end: load first, then what it loads, then who records, then where it is kept. */
const STOP_ORDER: readonly PartName[] = ['load', 'server', 'collector', 'store'];

/** `onLost` is called for the first part that ends unasked; the later ones are consequences. */
export function createSupervisor(onLost: (cut: Cut) => void): Supervisor {
  const parts = new Map<PartName, Part>();
  const optional = new Set<PartName>();
  let hasLost = false;

  async function start(options: PartOptions, mode = { mayFail: false }): Promise<Part> {
    const part = await startPart(options);
    parts.set(part.name, part);
    if (mode.mayFail) optional.add(part.name);
    void part.exited.then(() => {
      if (!optional.has(part.name)) tellLoss(part);
    });
    return part;
  }

  function tellLoss(part: Part): void {
    if (part.isStopping || hasLost) return;
    hasLost = true;
    const exit = part.exit!;
    const words = exit.signal === null ? part.lastWords() : '';
    const said = words === '' ? '' : `; it said "${words}"`;
    onLost({
      cause: 'part-lost',
      sentence: `the ${part.name} was lost: ${describeExit(exit)}${said}`,
      exitCode: part.name === 'collector' ? EXIT.invalidRun : EXIT.unreachable,
    });
  }

  async function stop(name: PartName, graceMs: number): Promise<void> {
    await parts.get(name)?.stop(graceMs);
  }

  return {
    start,
    require(name) {
      optional.delete(name);
      const part = parts.get(name);
      if (part?.exit !== undefined) tellLoss(part);
    },
    stop,
    part: (name) => parts.get(name),
    async stopAll(graceMs) {
      for (const name of STOP_ORDER) await stop(name, graceMs);
    },
  };
}
