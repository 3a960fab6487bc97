// The running screen: messages go into the state, keys into the view, and frames to the terminal, at
// most ten a second and only when something could have changed. Every callback is guarded: whatever goes
// wrong ends the screen first, so that the terminal is always given back before anything is printed.

import type { ReadStream, WriteStream } from 'node:tty';
import type { ExitCode } from '#core/cli/exit-code.ts';
import { EXIT } from '#core/cli/exit-code.ts';
import type { Clock } from '#core/clock/clock.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { FrozenQueue } from '#tui/frozen-queue.ts';
import { LabState } from '#tui/model/lab-state.ts';
import { type Message, printable } from '#tui/model/message.ts';
import { ABSENT } from '#tui/model/second-ring.ts';
import { openScreen, type Screen } from '#tui/screen/blessed-screen.ts';
import { Follower } from '#tui/source/follower.ts';
import { frameOf } from '#tui/view/frame.ts';
import { type Effect, type Key, pressKey, withNotice } from '#tui/view/key-action.ts';
import type { Moment } from '#tui/view/scene.ts';
import type { Theme } from '#tui/view/theme.ts';
import { initialView, type ViewState } from '#tui/view/view-state.ts';

export interface AppOptions {
  root: string;
  clock: Clock;
  signal: AbortSignal;
  input: ReadStream;
  output: WriteStream;
  theme: Theme;
  colours: 0 | 16 | 256;
  /** Knobs may be turned from the start. */
  control: boolean;
  /** End when the lab ends. */
  once: boolean;
}

const FRAME_PERIOD_US = 100_000;
/** Ages on the screen move on twice a second. */
const HEARTBEAT_MS = 500;

/** Shows the screen until it is left; returns the exit code. */
export async function runScreen(options: AppOptions): Promise<ExitCode> {
  const app = new App(options);
  try {
    return await app.run();
  } finally {
    await app.close();
  }
}

class App {
  readonly #options: AppOptions;
  readonly #state = new LabState();
  readonly #frozen = new FrozenQueue();
  readonly #follower: Follower;
  readonly #done = Promise.withResolvers<ExitCode>();
  readonly #selfCpu: SelfCpu;
  #view: ViewState;
  #screen: Screen | undefined;
  #resume: (() => void) | undefined;
  /** Time of the newest row, also while frozen. */
  #arrivedUs = ABSENT;
  #frozenWallMs = ABSENT;
  #drawnUs = Number.NEGATIVE_INFINITY;
  #cancelFrame: (() => void) | undefined;
  #cancelHeartbeat: (() => void) | undefined;

  constructor(options: AppOptions) {
    this.#options = options;
    this.#view = initialView(options.control);
    this.#selfCpu = new SelfCpu(options.clock);
    this.#follower = new Follower({
      root: options.root,
      environment: readLabEnvironment(),
      clock: options.clock,
      onMessage: this.#guarded((message: Message) => this.#hear(message)),
      onMalformed: this.#guarded(() => {
        this.#state.malformed++;
        this.#requestFrame();
      }),
      onSwitch: this.#guarded((link) => {
        this.#frozen.drain();
        this.#arrivedUs = ABSENT;
        this.#state.reset(link);
        this.#requestFrame();
      }),
      onLink: this.#guarded((link) => {
        this.#state.link = link;
        if (link.state === 'ended' && options.once) this.#done.resolve(EXIT.ok);
        this.#requestFrame();
      }),
      onError: (error) => this.#done.reject(error),
    });
  }

  async run(): Promise<ExitCode> {
    const { signal, input, output, theme, colours } = this.#options;
    // A bus that was asked for and is not there is said before the screen changes.
    await this.#follower.start();
    if (signal.aborted) return EXIT.ok;
    this.#screen = openScreen({
      input,
      output,
      theme,
      colours,
      onKey: this.#guarded((key: Key) => this.#press(key)),
      onResize: this.#guarded(() => this.#drawNow()),
    });
    signal.addEventListener('abort', this.#onAbort);
    process.on('SIGTSTP', this.#onSuspend);
    process.on('SIGCONT', this.#onContinue);
    this.#beat();
    this.#drawNow();
    return await this.#done.promise;
  }

  async close(): Promise<void> {
    this.#cancelFrame?.();
    this.#cancelHeartbeat?.();
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    process.off('SIGTSTP', this.#onSuspend);
    process.off('SIGCONT', this.#onContinue);
    this.#screen?.close();
    await this.#follower.close();
  }

  readonly #onAbort = (): void => this.#done.resolve(EXIT.ok);
  readonly #onSuspend = (): void => this.#guarded(() => this.#suspend())();
  readonly #onContinue = (): void => this.#guarded(() => this.#continue())();

  #hear(message: Message): void {
    const arrivedUs = this.#options.clock.monoUs();
    if (message.kind === 'row') this.#arrivedUs = arrivedUs;
    if (this.#view.frozenSinceUs !== undefined) {
      this.#frozen.push({ message, arrivedUs });
      return;
    }
    this.#state.apply(message, arrivedUs);
    this.#requestFrame();
  }

  #press(key: Key): void {
    const nowUs = this.#options.clock.monoUs();
    const wasFrozen = this.#view.frozenSinceUs !== undefined;
    const { view, effect } = pressKey(this.#view, key, this.#state, nowUs);
    this.#view = view;
    const isFrozen = view.frozenSinceUs !== undefined;
    if (isFrozen && !wasFrozen) this.#frozenWallMs = this.#options.clock.wallMs();
    if (!isFrozen && wasFrozen) this.#thaw();
    if (effect !== undefined) this.#perform(effect);
    this.#requestFrame();
  }

  #thaw(): void {
    for (const { message, arrivedUs } of this.#frozen.drain())
      this.#state.apply(message, arrivedUs);
    this.#state.droppedFrozen = this.#frozen.dropped;
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'quit':
        this.#done.resolve(EXIT.ok);
        break;
      case 'redraw':
        this.#screen?.forget();
        break;
      case 'suspend':
        this.#suspend();
        break;
      case 'turn':
        this.#turn(effect.knob, effect.value).catch((error) => this.#done.reject(error));
    }
  }

  async #turn(key: string, value: string | number): Promise<void> {
    const entry = this.#state.knob(key);
    if (entry === undefined) return;
    this.#state.markPending(key, value);
    try {
      const answer = await this.#follower.turn(entry.owner, entry.name, value);
      this.#state.markAnswered(key);
      const { refused } = answer;
      this.#tell(
        `${entry.label} ${refused === undefined ? `is ${answer.value}` : `refused: ${refused}`}`,
      );
    } catch (error) {
      // Nobody answered: that is news for the person, not a failure of the screen.
      const { message } = error as Error;
      this.#state.markAnswered(key, message);
      this.#tell(message);
    }
    this.#requestFrame();
  }

  #tell(text: string): void {
    this.#view = withNotice(this.#view, printable(text), this.#options.clock.monoUs());
  }

  /** Draws soon: at once, or when the last frame is a tenth of a second old. */
  #requestFrame(): void {
    if (this.#cancelFrame !== undefined) return;
    const { clock } = this.#options;
    const waitUs = this.#drawnUs + FRAME_PERIOD_US - clock.monoUs();
    const draw = this.#guarded(() => this.#drawNow());
    this.#cancelFrame = clock.after(Math.max(0, waitUs / 1000), draw);
  }

  #drawNow(): void {
    this.#cancelFrame?.();
    this.#cancelFrame = undefined;
    const screen = this.#screen;
    if (screen === undefined || this.#resume !== undefined) return;
    const nowUs = this.#options.clock.monoUs();
    const { frozenSinceUs } = this.#view;
    const frozenS = frozenSinceUs === undefined ? ABSENT : (nowUs - frozenSinceUs) / 1e6;
    this.#drawnUs = nowUs;
    const input = {
      state: this.#state,
      view: this.#view,
      theme: this.#options.theme,
      moment: this.#moment(nowUs),
      truth: { nowUs, ageUs: nowUs - this.#arrivedUs, frozenS },
    };
    screen.draw(frameOf(input, screen.cols, screen.rows));
  }

  #moment(nowUs: number): Moment {
    const { frozenSinceUs } = this.#view;
    const selfPercent = this.#selfCpu.percent;
    return frozenSinceUs === undefined
      ? { nowUs, wallMs: this.#options.clock.wallMs(), selfPercent }
      : { nowUs: frozenSinceUs, wallMs: this.#frozenWallMs, selfPercent };
  }

  #beat(): void {
    this.#selfCpu.measure();
    this.#requestFrame();
    this.#cancelHeartbeat = this.#options.clock.after(
      HEARTBEAT_MS,
      this.#guarded(() => this.#beat()),
    );
  }

  /** Ctrl-Z: the whole foreground job stops, as any other program's would. */
  #suspend(): void {
    if (this.#screen === undefined || this.#resume !== undefined) return;
    this.#resume = this.#screen.release();
    process.kill(0, 'SIGSTOP');
  }

  #continue(): void {
    const resume = this.#resume ?? this.#screen?.release();
    this.#resume = undefined;
    resume?.();
    this.#drawNow();
  }

  /** A callback whose failure ends the screen and then surfaces. */
  #guarded<A extends unknown[]>(callback: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      try {
        callback(...args);
      } catch (error) {
        this.#done.reject(error);
      }
    };
  }
}

/** What watching costs: CPU time of this process over the last second or so. */
class SelfCpu {
  readonly #clock: Clock;
  #atUs: number;
  #usage = process.cpuUsage();
  percent = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atUs = clock.monoUs();
  }

  measure(): void {
    const nowUs = this.#clock.monoUs();
    if (nowUs - this.#atUs < 900_000) return;
    const { user, system } = process.cpuUsage(this.#usage);
    this.percent = (100 * (user + system)) / (nowUs - this.#atUs);
    this.#usage = process.cpuUsage();
    this.#atUs = nowUs;
  }
}
