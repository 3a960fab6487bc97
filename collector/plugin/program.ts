// A program that speaks the line protocol: started, read, asked before each row, started again when it ends, and ended
// with all that it started. Runs in the plug-in's thread.
//
//   /bin/sh (leader of a group of its own) -> the command -> its children
//     \-> watcher: reads a pipe that nobody writes to; when wsar is gone the pipe ends, and the watcher kills the group
//
// A child that leaves the group (a daemon) still has our mark in its environment, by which it is found and killed.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { LineProtocol } from '#collector/plugin/line-protocol.ts';
import { MeteredReader } from '#collector/plugin/metered-reader.ts';
import { quoted } from '#collector/plugin/plugin-metric.ts';
import { Note, type ValueCell } from '#collector/plugin/value-cell.ts';
import type { ValueCollector } from '#collector/plugin/value-collector.ts';
import type { Clock } from '#core/clock/clock.ts';

const LINE_BYTES_MAX = 1024;
/** 320 KB and 10,000 lines a second: 256 metrics ten times a second are a third of that. */
const BYTES_PER_SLICE_MAX = 32 * 1024;
const LINES_PER_SLICE_MAX = 1000;
/** Of complaints on stderr less is wanted. */
const COMPLAINT_BYTES_PER_SLICE_MAX = 4096;
const COMPLAINTS_PER_SLICE_MAX = 20;
const BACKOFF_MS_START = 1000;
const BACKOFF_MS_MAX = 60_000;
/** A program that ran for so long is started again at once. */
const STEADY_MS = 60_000;
const TERM_MS_MAX = 500;
const MARK = 'WSAR_PLUGIN_MARK';

/** $1 the command, $2 the mark. `$$` in the watcher is the shell that it was started by: the leader of the group. */
const LEADER = `export ${MARK}="$2"
{ read -r _ <&3; kill -9 -$$; } </dev/null >/dev/null 2>&1 &
exec 3<&-
exec /bin/sh -c "$1"`;

export interface ProgramOptions {
  command: string;
  /** Tells this program's processes from all others. */
  mark: string;
  cell: ValueCell;
  values: ValueCollector;
  periodMs: number;
  clock: Clock;
  say: (text: string) => void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export class Program {
  readonly #options: ProgramOptions;
  readonly #protocol: LineProtocol;
  #child: Child | undefined;
  #backoffMs = BACKOFF_MS_START;
  #startedUs = 0;
  #complaint = '';
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(options: ProgramOptions) {
    this.#options = options;
    const { cell, values, periodMs, clock, say } = options;
    const { monoUs, wallMs } = clock;
    this.#protocol = new LineProtocol({ cell, values, periodMs, monoUs, wallMs, say });
  }

  start(): void {
    const { command, mark, cell, clock } = this.#options;
    this.#protocol.restart();
    this.#complaint = '';
    this.#startedUs = clock.monoUs();
    const child = spawn('/bin/sh', ['-c', LEADER, 'sh', command, mark], {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    }) as unknown as Child;
    this.#child = child;
    cell.setNote(Note.pid, child.pid ?? 0);
    // A program that reads nothing, or is gone: what we say to it is lost, which is fine.
    for (const stream of child.stdio) stream?.on('error', () => {});
    this.#read(child);
    child.once('error', (error) => this.#ended(child, error.message));
    child.once('exit', (code, signal) => this.#ended(child, signal ?? `exit ${code}`));
  }

  /** A row is near: the program may answer with values. */
  tick(wallMs: number): void {
    const stdin = this.#child?.stdin;
    if (stdin === undefined || stdin.destroyed || stdin.writableNeedDrain) return;
    stdin.write(`tick ${wallMs}\n`);
  }

  /** Ends the program and all that it started; SIGTERM first, half a second later SIGKILL. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.stdin.end();
      killGroup(child.pid, 'SIGTERM');
      const cancel = this.#options.clock.after(TERM_MS_MAX, () => killGroup(child.pid!, 'SIGKILL'));
      await gone;
      cancel();
    }
    killMarked(this.#options.mark);
  }

  #read(child: Child): void {
    const { clock, cell } = this.#options;
    new MeteredReader({
      stream: child.stdout,
      clock,
      lineBytesMax: LINE_BYTES_MAX,
      bytesPerSliceMax: BYTES_PER_SLICE_MAX,
      linesPerSliceMax: LINES_PER_SLICE_MAX,
      onLine: (line) => this.#protocol.take(line),
      onRefused: () => cell.count(Note.refusedLines),
      onThrottled: () => cell.count(Note.throttled),
    });
    new MeteredReader({
      stream: child.stderr,
      clock,
      lineBytesMax: LINE_BYTES_MAX,
      bytesPerSliceMax: COMPLAINT_BYTES_PER_SLICE_MAX,
      linesPerSliceMax: COMPLAINTS_PER_SLICE_MAX,
      // The last line says most; Node adds one that says nothing.
      onLine: (line) => {
        if (line !== '' && !line.startsWith('Node.js v')) this.#complaint = line;
      },
      onRefused: () => {},
      onThrottled: () => {},
    });
  }

  #ended(child: Child, how: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    const { cell, clock, say } = this.#options;
    // What it started goes with it, and so does the watcher.
    if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
    for (const stream of child.stdio) stream?.destroy();
    if (this.#isClosed) return;
    const ranMs = (clock.monoUs() - this.#startedUs) / 1000;
    if (ranMs >= STEADY_MS) this.#backoffMs = BACKOFF_MS_START;
    const words = this.#complaint === '' ? '' : `: ${quoted(this.#complaint)}`;
    say(`it ended (${how})${words}; it is started again in ${this.#backoffMs / 1000} s`);
    this.#cancel = clock.after(this.#backoffMs, () => {
      cell.count(Note.restarts);
      this.start();
    });
    this.#backoffMs = Math.min(BACKOFF_MS_MAX, this.#backoffMs * 2);
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left in it.
  }
}

/** Kills what left the group: whatever has the mark in its environment. Only at the end; it looks at every process. */
function killMarked(mark: string): void {
  const wanted = `${MARK}=${mark}\0`;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (readFileSync(`/proc/${name}/environ`, 'latin1').includes(wanted))
        process.kill(pid, 'SIGKILL');
    } catch {
      // Another user's, or gone meanwhile.
    }
  }
}
