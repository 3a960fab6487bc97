// Counters without the FFI: one `perf stat -I <ms> -x,` for the whole run, whose lines are read as they come. The way
// of a host where koffi is not to be had or not to be trusted. It costs a process of 12 MB and about 1 ms a second.
//
// The lines of an interval come together, a little after it; with the last event's line the interval stands. When
// perf ends it is started again after 1, 2, 4 ... 60 s. It ends with us: its pipe is then closed.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '#core/clock/clock.ts';
import { LineSplitter } from '#core/host/line-splitter.ts';
import { parsePerfStatLine } from '#core/host/perf/perf-stat-line.ts';

const LINE_BYTES_MAX = 4096;
const BACKOFF_MS_START = 1000;
const BACKOFF_MS_MAX = 60_000;
const KILL_AFTER_MS = 1000;
/** perf takes no shorter interval. */
const INTERVAL_MS_MIN = 100;
const KERNEL_EVENTS = ['context-switches', 'cpu-migrations'];

export interface PerfStatOptions {
  clock: Clock;
  events: readonly string[];
  intervalMs: number;
  /** Processes; none: every processor. */
  pids: readonly number[];
  program?: string;
  onInterval(interval: PerfStatInterval): void;
}

export interface PerfStatInterval {
  /** When its last line came, monotonic us; intervals follow each other by perf's own time. */
  stampUs: number;
  lengthS: number;
  /** By event, in the order asked for; NaN: not counted. */
  counts: Float64Array;
  /** The smallest share of the time that any counter was on the hardware. */
  share: number;
}

export class PerfStatChild {
  /** How often it had to be started again. */
  restarts = 0;
  /** What perf said first on stderr when it was started last, or how it ended. */
  words = '';
  /** Lines that were no counts. */
  refusedLines = 0;
  /** Events that perf says this machine does not have. */
  readonly unsupported = new Set<string>();
  readonly #options: PerfStatOptions;
  readonly #counts: Float64Array;
  #child: ChildProcess | undefined;
  #cancel: () => void = () => {};
  #backoffMs = BACKOFF_MS_START;
  #isClosed = false;
  #seen = 0;
  /** Of the last whole interval, and of the line before this one; by perf's clock. */
  #seconds = 0;
  #lineSeconds = 0;
  #share = 1;

  constructor(options: PerfStatOptions) {
    this.#options = options;
    this.#counts = new Float64Array(options.events.length).fill(Number.NaN);
  }

  start(): void {
    const { program = 'perf', events, pids, intervalMs } = this.#options;
    const target = pids.length === 0 ? ['-a'] : ['-p', pids.join(',')];
    const period = String(Math.max(INTERVAL_MS_MIN, intervalMs));
    const counted = events.flatMap((event) => ['-e', event]);
    const args = ['stat', '--log-fd', '1', '-x,', '-I', period, ...target, ...counted];
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: PROGRAM_PATH, LC_ALL: 'C' },
    });
    this.#child = child;
    this.#seconds = 0;
    this.#startInterval();
    this.words = '';
    const lines = new LineSplitter(LINE_BYTES_MAX, (line) => this.takeLine(line));
    const complaints = new LineSplitter(LINE_BYTES_MAX, (line) => {
      if (this.words === '' && !/^\s*(Error:)?\s*$/.test(line)) this.words = line.trim();
    });
    child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
    child.on('error', (error) => this.#ended(error.message));
    child.on('exit', (code, signal) => this.#ended(`perf ended (${signal ?? code})`));
  }

  /** Ends perf; done when it is gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => resolve()).once('error', () => resolve());
    });
    child.kill('SIGTERM');
    const cancel = this.#options.clock.after(KILL_AFTER_MS, () => void child.kill('SIGKILL'));
    await gone;
    cancel();
  }

  /** Takes a line that perf wrote. */
  takeLine(line: string): void {
    const parsed = parsePerfStatLine(line);
    const index = parsed === undefined ? -1 : this.#options.events.indexOf(parsed.event);
    if (parsed === undefined || index < 0) {
      if (line.trim() !== '' && !line.startsWith('#')) this.refusedLines++;
      return;
    }
    if (parsed.seconds !== this.#lineSeconds) {
      // A new interval. What is left of one that lacked a line belongs to none.
      this.#lineSeconds = parsed.seconds;
      this.#startInterval();
    }
    if (parsed.refusal === 'not supported') this.unsupported.add(parsed.event);
    // What happens in the kernel only is 0 then, which is no truth.
    const isBlind = parsed.isUserOnly && KERNEL_EVENTS.includes(parsed.event);
    this.#counts[index] = isBlind ? Number.NaN : parsed.count;
    if (parsed.refusal === undefined) this.#share = Math.min(this.#share, parsed.share);
    this.#seen++;
    if (this.#seen < this.#options.events.length) return;
    this.#options.onInterval({
      stampUs: this.#options.clock.monoUs(),
      lengthS: parsed.seconds - this.#seconds,
      counts: this.#counts,
      share: this.#share,
    });
    this.#seconds = parsed.seconds;
    this.#backoffMs = BACKOFF_MS_START;
    this.#startInterval();
  }

  #startInterval(): void {
    this.#seen = 0;
    this.#share = 1;
    this.#counts.fill(Number.NaN);
  }

  #ended(how: string): void {
    if (this.#child === undefined) return;
    this.#child = undefined;
    if (this.words === '') this.words = how;
    if (this.#isClosed) return;
    this.#cancel = this.#options.clock.after(this.#backoffMs, () => {
      this.restarts++;
      this.start();
    });
    this.#backoffMs = Math.min(BACKOFF_MS_MAX, this.#backoffMs * 2);
  }
}

/** Where perf is looked for, whatever the environment says: it may run as root. */
const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
