// Load on an HTTP server: keep-alive connections of autocannon (cannon.ts), with the counts, histograms, rules
// and report of every other load. A request is a message, an answer its acknowledgement and reception; an answer
// of 400 and above, or none, is an error. Latency is corrected (cannon.ts), service is what was measured, and
// there is no lateness. Without a rate each connection asks again at once (a closed loop), and latency is service.
//
// Cost: an object and some closures a connection, as autocannon has them: for tens to thousands of
// connections, not for a million.

import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { type Cannon, recordCorrected, STATUS_ERROR, startCannon } from '#loadgen/http/cannon.ts';
import { createTimings, type Timings } from '#loadgen/interval-timings.ts';
import { tcpSockets } from '#loadgen/kernel-witness.ts';
import type { LoadDriver, PhaseName } from '#loadgen/load-driver.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import type { LoadEnd, LoadResult } from '#loadgen/load-summary.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';
import { type Counts, createBoard, sumBoards } from '#loadgen/worker-board.ts';

const LOOK_MS = 20;

export interface HttpRunParts {
  clock: Clock;
  options: LoadOptions;
  target: ResolvedTarget;
  signal: AbortSignal;
  onPhase: (phase: PhaseName, wallMs: number) => void;
}

export class HttpRun implements LoadDriver {
  phase: PhaseName = 'ramp';
  failure: WsarError | undefined;
  readonly ratePerS: number;
  readonly #parts: HttpRunParts;
  readonly #counts = sumBoards([createBoard()]);
  readonly #total = createTimings();
  readonly #intervalUs: number;
  #second = createTimings();
  #endUs = Number.NaN;
  #cannon: Cannon | undefined;
  #lastError = '';

  constructor(parts: HttpRunParts) {
    this.#parts = parts;
    const { ratePerS, connections } = parts.options;
    this.ratePerS = ratePerS;
    this.#intervalUs = ratePerS === 0 ? Number.POSITIVE_INFINITY : (connections / ratePerS) * 1e6;
  }

  get remainingS(): number | undefined {
    const leftUs = this.#endUs - this.#parts.clock.monoUs();
    return Number.isNaN(leftUs) ? undefined : Math.max(0, leftUs / 1e6);
  }

  counts(): Counts {
    return { ...this.#counts };
  }

  async takeSecond(): Promise<Timings> {
    const second = this.#second;
    this.#second = createTimings();
    return second;
  }

  /** autocannon fixes its rate at the start. */
  setRate(): boolean {
    return false;
  }

  finish(): void {
    this.#cannon?.stop();
  }

  async run(): Promise<LoadResult> {
    const { clock, options, signal, onPhase } = this.#parts;
    onPhase('ramp', clock.wallMs());
    const before = tcpSockets('/proc');
    const cpuBefore = process.cpuUsage();
    const startUs = clock.monoUs();
    this.phase = 'steady';
    this.#endUs = startUs + options.durationMs * 1000;
    onPhase('steady', clock.wallMs());
    const done = this.#start();
    const stop = (): void => this.finish();
    signal.addEventListener('abort', stop, { once: true });
    let during: number | undefined;
    let isRunning = true;
    void done.then(() => {
      isRunning = false;
    });
    while (isRunning) {
      await Promise.race([done, new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))]);
      if (isRunning) during = tcpSockets('/proc') ?? during;
    }
    signal.removeEventListener('abort', stop);
    const endUs = Math.min(clock.monoUs(), Number.isNaN(this.#endUs) ? Infinity : this.#endUs);
    this.phase = 'end';
    onPhase('end', clock.wallMs());
    const cpu = process.cpuUsage(cpuBefore);
    const end = this.#judgeEnd(signal);
    return this.#result(end, (endUs - startUs) / 1e6, cpu.user + cpu.system, {
      // Nobody counts the requests under way here.
      little: undefined,
      sockets: { before, during },
    });
  }

  #start(): Promise<void> {
    const { options, target } = this.#parts;
    const { connections, ratePerS, uploadBytes } = options;
    const counts = this.#counts;
    counts.attempted = connections;
    counts.connected = connections;
    counts.logins = connections;
    counts.loggedIn = connections;
    counts.ready = connections;
    return new Promise((resolve) => {
      const cannon = startCannon(
        target,
        Math.ceil(ratePerS),
        {
          connections,
          duration: options.durationMs / 1000,
          ...(uploadBytes === 0 ? {} : { method: 'POST', body: Buffer.alloc(uploadBytes, 0x2e) }),
        },
        () => resolve(),
      );
      cannon.on('response', (_client, status, _bytes, ms) => this.#answered(status, ms * 1000));
      cannon.on('reqError', (error) => this.#failed(error));
      this.#cannon = cannon;
    });
  }

  #answered(status: number, us: number): void {
    const counts = this.#counts;
    counts.planned++;
    counts.sent++;
    counts.expected++;
    counts.acked++;
    if (status >= STATUS_ERROR) {
      counts.errors++;
      this.#lastError = `it answered with status ${status}`;
      return;
    }
    counts.received++;
    this.#record(us);
  }

  #record(us: number): void {
    for (const timings of [this.#second, this.#total]) {
      timings.service.record(us);
      recordCorrected(timings.latency, us, this.#intervalUs);
    }
  }

  #failed(error: NodeJS.ErrnoException): void {
    this.#counts.planned++;
    this.#counts.errors++;
    this.#lastError = `last error ${error.code ?? error.message}`;
  }

  #judgeEnd(signal: AbortSignal): LoadEnd {
    const { options } = this.#parts;
    if (this.#counts.received === 0 && !signal.aborted) {
      this.failure = new WsarError(
        'WSAR_ERR_UNREACHABLE',
        `${options.target.text} answered no request${this.#lastError === '' ? '' : ` (${this.#lastError})`}`,
        'is the server running, and on that path?',
      );
      this.#counts.loggedIn = 0;
      this.#counts.ready = 0;
      return 'failed';
    }
    return signal.aborted ? 'stopped' : 'complete';
  }

  #result(
    end: LoadEnd,
    steadyS: number,
    cpuUs: number,
    checks: Pick<LoadResult, 'little' | 'sockets'>,
  ): LoadResult {
    const counts = this.counts();
    return {
      options: this.#parts.options,
      engine: 'net',
      end,
      failure: this.failure?.message,
      counts,
      timings: this.#total,
      rampS: 0,
      steadyS,
      sentInSteady: counts.received,
      cutOnTheirWay: 0,
      ratePerS: this.ratePerS,
      rampCpuUs: 0,
      cpuUs,
      userBytesPerConnection: Number.NaN,
      sourceAddresses: 0,
      stack: undefined,
      ...checks,
    };
  }
}
