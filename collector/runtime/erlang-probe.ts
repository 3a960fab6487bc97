// One long-lived `erl` child that is a hidden node beside the Erlang node that is looked at, and speaks lines
// (collector/runtime/erlang-probe.escript). It is asked once a tick, shortly before it, and never waited for: what it
// answered lies here with its time. A child that ends, hangs or floods is ended and started again after 1, 2, 4 ... 60
// seconds.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#core/clock/clock.ts';

const SCRIPT = fileURLToPath(new URL('./erlang-probe.escript', import.meta.url));
const LINE_MAX = 4096;
const KEYS_MAX = 256;
/** A node that has gone takes net_kernel up to 7 s to notice. */
const ANSWER_US_MAX = 12e6;
const PAUSE_S_MAX = 60;
const KILL_MS = 1000;
/** An answer takes a few milliseconds. */
const LEAD_MS = 300;

export interface ErlangTarget {
  /** `name@host`. */
  node: string;
  /** Port of a node that has none of epmd; undefined: epmd knows it. */
  port: number | undefined;
  cookie: string;
}

export interface ErlangProbeOptions {
  target: ErlangTarget;
  clock: Clock;
  /** Makes the name of the hidden node: unique among the collectors of a host. */
  ownId: string;
  /** The state changed: why it fails now, or undefined when it works (again). */
  onChange?: (failure: string | undefined) => void;
  /** Program that is started; for tests. */
  program?: string;
}

export class ErlangProbe {
  /** The last whole answer by key, when it was asked for and when it came. */
  readonly values = new Map<string, number>();
  answers = 0;
  stampUs = Number.NaN;
  answeredUs = Number.NaN;
  failure: string | undefined = 'not asked yet';
  failures = 0;
  restarts = 0;
  readonly #options: ErlangProbeOptions;
  #child: ChildProcess | undefined;
  #rest = '';
  #isAnswering = false;
  /** When the question that is open was asked; NaN: none is. */
  #askedUs = Number.NaN;
  readonly #next = new Map<string, number>();
  #pauseS = 1;
  #stopPause: (() => void) | undefined;
  #stopAsk: (() => void) | undefined;
  #isClosed = false;

  constructor(options: ErlangProbeOptions) {
    this.#options = options;
  }

  /** Asks at once when there is no answer yet, else shortly before the next tick, which then shows a fresh one. */
  arrange(nowUs: number, periodMs: number): void {
    if (this.answers === 0) {
      this.ask(nowUs);
      return;
    }
    if (this.#stopAsk !== undefined || this.#isClosed) return;
    const { clock } = this.#options;
    this.#stopAsk = clock.after(Math.max(0, periodMs - LEAD_MS), () => {
      this.#stopAsk = undefined;
      this.ask(clock.monoUs());
    });
  }

  /** Asks, unless a question is open; starts the child when there is none. */
  ask(nowUs: number): void {
    if (this.#isClosed || this.#stopPause !== undefined) return;
    if (this.#child === undefined) this.#start();
    if (Number.isNaN(this.#askedUs)) {
      this.#askedUs = nowUs;
      this.#child?.stdin?.write('s\n');
    } else if (nowUs - this.#askedUs > ANSWER_US_MAX) this.#restart('it does not answer');
  }

  /** Ends the child; resolves when it has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopPause?.();
    this.#stopAsk?.();
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
    child.stdin?.end();
    const stopKill = this.#options.clock.after(KILL_MS, () => void child.kill('SIGKILL'));
    await ended;
    stopKill();
  }

  #start(): void {
    const { target, program = 'erl' } = this.#options;
    const child = spawn(program, this.#flags(), { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#child = child;
    this.#rest = '';
    this.#isAnswering = false;
    this.#askedUs = Number.NaN;
    child.on('error', (error: NodeJS.ErrnoException) => {
      const reason = `${program} is not on PATH: install Erlang (Debian: erlang-base)`;
      this.#lose(child, error.code === 'ENOENT' ? reason : error.message);
    });
    child.on('exit', (code, signal) => this.#lose(child, `its probe ended (${signal ?? code})`));
    // A child that has ended: its exit says so.
    child.stdin.on('error', () => {});
    child.stdout.setEncoding('latin1').on('data', (text: string) => this.#take(child, text));
    child.stdin.write(`${target.node}\n${target.cookie}\n`);
  }

  /** A hidden node that listens nowhere, starts no epmd, writes no cookie, and spins for no work. */
  #flags(): string[] {
    const { target, ownId } = this.#options;
    const host = target.node.slice(target.node.indexOf('@') + 1);
    return [
      ...['+B', '+S', '1:1', '+SDio', '1', '+sbwt', 'none', '-boot', 'no_dot_erlang', '-noshell'],
      ...[host.includes('.') ? '-name' : '-sname', `wsar_${ownId}@${host}`],
      ...['-hidden', '-dist_listen', 'false', '-start_epmd', 'false', '-setcookie', 'nocookie'],
      ...(target.port === undefined ? [] : ['-erl_epmd_port', String(target.port)]),
      ...['-run', 'escript', 'start', '-extra', SCRIPT],
    ];
  }

  #take(child: ChildProcess, text: string): void {
    if (child !== this.#child) return;
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(line);
    if (this.#rest.length > LINE_MAX) this.#restart('its probe floods');
  }

  #line(line: string): void {
    const at = line.indexOf(' ');
    const key = at < 0 ? line : line.slice(0, at);
    const rest = at < 0 ? '' : line.slice(at + 1);
    if (key === 'begin') {
      this.#isAnswering = true;
      this.#next.clear();
    } else if (key === 'end' && this.#isAnswering) this.#answered();
    else if (key === 'down' || key === 'error') this.#fail(rest);
    else if (this.#isAnswering && this.#next.size < KEYS_MAX) this.#next.set(key, Number(rest));
  }

  #answered(): void {
    this.values.clear();
    for (const [key, value] of this.#next) this.values.set(key, value);
    this.#isAnswering = false;
    this.answers++;
    this.stampUs = this.#askedUs;
    this.answeredUs = this.#options.clock.monoUs();
    this.#askedUs = Number.NaN;
    this.#pauseS = 1;
    this.#change(undefined);
  }

  #fail(reason: string): void {
    this.failures++;
    this.#askedUs = Number.NaN;
    this.#change(reason);
  }

  #restart(reason: string): void {
    const child = this.#child;
    if (child === undefined) return;
    this.#lose(child, reason);
    child.kill('SIGKILL');
  }

  /** The child is gone, or is given up. */
  #lose(child: ChildProcess, reason: string): void {
    if (child !== this.#child) return;
    this.#child = undefined;
    this.#fail(reason);
    if (this.#isClosed) return;
    this.restarts++;
    this.#stopPause = this.#options.clock.after(this.#pauseS * 1000, () => {
      this.#stopPause = undefined;
    });
    this.#pauseS = Math.min(PAUSE_S_MAX, this.#pauseS * 2);
  }

  #change(failure: string | undefined): void {
    const isNew = failure !== this.failure;
    this.failure = failure;
    if (isNew && !this.#isClosed) this.#options.onChange?.(failure);
  }
}
