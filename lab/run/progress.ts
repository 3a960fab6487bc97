// What a person sees while a run is under way: on a terminal a list of phases that is drawn again in
// place, in a log one line a phase with its time, with --json one object a change. Talk goes to stderr,
// so that stdout holds nothing but the result.

import type { Clock } from '#core/clock/clock.ts';

export type PhaseState = 'running' | 'done' | 'left-out' | 'failed';

export interface Progress {
  /** A phase begins; what was running before is done. */
  start(phase: string, text: string): void;
  /** News of the running phase. */
  update(text: string): void;
  /** The running phase ended; `text` holds its one number. */
  end(state: Exclude<PhaseState, 'running'>, text: string): void;
}

interface PhaseLine {
  phase: string;
  state: PhaseState;
  text: string;
  startedUs: number;
  endedUs: number | null;
}

type Marks = Record<PhaseState, string>;
const MARKS: Marks = { running: '…', done: '✓', 'left-out': '-', failed: '✗' };
const ASCII_MARKS: Marks = { running: '.', done: '+', 'left-out': '-', failed: '!' };
const NAME_WIDTH = 10;
/** In a log a long phase says that it lives this often. */
const LOG_EVERY_US = 30e6;

export interface ProgressOptions {
  clock: Clock;
  write: (text: string) => void;
  /** Width of the terminal, or null for a log. */
  columns: number | null;
  /** False where signs beyond ASCII do not show. */
  isUtf8: boolean;
}

/** A list on a terminal, lines in a log. */
export function textProgress({ clock, write, columns, isUtf8 }: ProgressOptions): Progress {
  const marks = isUtf8 ? MARKS : ASCII_MARKS;
  const end = isUtf8 ? '…' : '~';
  const lines: PhaseLine[] = [];
  let drawn = 0;
  let saidUs = 0;

  function draw(): void {
    // Up over what stands there, each line cleared before it is written again.
    let text = drawn > 0 ? `\u001b[${drawn}A` : '';
    for (const line of lines)
      text += `\u001b[2K${clip(lineText(line, marks, clock), columns!, end)}\n`;
    drawn = lines.length;
    write(text);
  }

  function log(line: PhaseLine): void {
    saidUs = clock.monoUs();
    const time = new Date(clock.wallMs()).toISOString().slice(11, 19);
    write(`${time} ${lineText(line, marks, clock)}\n`);
  }

  function last(): PhaseLine {
    return lines.at(-1)!;
  }

  return {
    start(phase, text) {
      lines.push({ phase, state: 'running', text, startedUs: clock.monoUs(), endedUs: null });
      saidUs = clock.monoUs();
      if (columns !== null) draw();
    },
    update(text) {
      last().text = text;
      if (columns !== null) draw();
      else if (clock.monoUs() - saidUs >= LOG_EVERY_US) log(last());
    },
    end(state, text) {
      Object.assign(last(), { state, text, endedUs: clock.monoUs() });
      if (columns !== null) draw();
      else log(last());
    },
  };
}

/** One object a change: {"phase","state","text","wall_ms"}. */
export function jsonProgress(clock: Clock, write: (text: string) => void): Progress {
  let phase = '';
  const say = (state: PhaseState, text: string): void =>
    write(`${JSON.stringify({ kind: 'phase', wall_ms: clock.wallMs(), phase, state, text })}\n`);
  return {
    start(name, text) {
      phase = name;
      say('running', text);
    },
    update: (text) => say('running', text),
    end: say,
  };
}

function lineText(line: PhaseLine, marks: Marks, clock: Clock): string {
  const { phase, state, text, startedUs, endedUs } = line;
  const seconds = ((endedUs ?? clock.monoUs()) - startedUs) / 1e6;
  return `${marks[state]} ${phase.padEnd(NAME_WIDTH)} ${text} (${seconds.toFixed(1)} s)`;
}

function clip(text: string, columns: number, end: string): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}${end}`;
}
