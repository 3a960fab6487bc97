// Fetches one metrics endpoint again and again, between the ticks, none of which waits for it. A page is taken as a
// whole or not at all; one that is too large, too slow, or cut off is a failure with its reason, and the page before
// stands until it is too old.
//
// Pages come in pieces of 64 KiB at most, each read at once (about 1 ms), so that no tick is held up for longer.
// Bounds: bytes of a page, time for it, series of an endpoint; each has a count of what it refused.

import { type Agent, Agent as HttpAgent, get as httpGet, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, get as httpsGet } from 'node:https';
import { StringDecoder } from 'node:string_decoder';
import { ExpositionReader, type Sample } from '#collector/runtime/exposition.ts';
import type { Clock } from '#core/clock/clock.ts';

export const SERIES_MAX = 2000;
/** A series that was not there for so many pages makes room for others. */
const ABSENT_PAGES_MAX = 10;
const US_PER_MS = 1000;
const ACCEPT =
  'application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

export interface ScraperOptions {
  url: URL;
  clock: Clock;
  timeoutMs: number;
  bytesMax: number;
  /** The state changed: why it fails now, or undefined when it works (again). */
  onChange?: (failure: string | undefined) => void;
}

export interface Series {
  readonly key: string;
  readonly isCounter: boolean;
  /** Of the last whole page that has it. */
  value: number;
  page: number;
  /** Of the page that is being read. */
  nextValue: number;
  nextPage: number;
}

export class Scraper {
  readonly series = new Map<string, Series>();
  /** Number of the last whole page, and when it began to arrive; 0: none yet. */
  page = 0;
  stampUs = Number.NaN;
  /** Of the last attempt. */
  durationUs = Number.NaN;
  bytes = 0;
  /** Why the last attempt failed; undefined: it did not. */
  failure: string | undefined;
  failures = 0;
  /** Samples that found no place among the series. */
  refused = 0;
  readonly #options: ScraperOptions;
  readonly #reader: ExpositionReader;
  readonly #agent: Agent;
  #isRunning = false;
  #isClosed = false;
  #startedUs = 0;
  #attempt = 0;
  #cancel: () => void = () => {};

  constructor(options: ScraperOptions) {
    this.#options = options;
    this.#reader = new ExpositionReader((sample) => this.#take(sample));
    const isSecure = options.url.protocol === 'https:';
    const agent = { keepAlive: true, maxSockets: 1 };
    this.#agent = isSecure ? new HttpsAgent(agent) : new HttpAgent(agent);
  }

  get malformed(): number {
    return this.#reader.malformed;
  }

  /** Fetches a page unless one is under way. */
  start(): void {
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    this.#attempt++;
    this.#startedUs = this.#options.clock.monoUs();
    const { url, timeoutMs, clock } = this.#options;
    const get = url.protocol === 'https:' ? httpsGet : httpGet;
    const request = get(url, { agent: this.#agent, headers: { accept: ACCEPT } });
    const attempt = this.#attempt;
    const fail = (reason: string): void => {
      if (attempt !== this.#attempt || !this.#isRunning) return;
      this.#finish(reason);
      request.destroy();
    };
    const cancelTimer = clock.after(timeoutMs, () =>
      fail(`no whole page within ${timeoutMs / 1000} s`),
    );
    this.#cancel = () => {
      cancelTimer();
      request.destroy();
    };
    request.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    request.on('response', (response) => {
      if (response.statusCode === 200) this.#read(response, fail, cancelTimer);
      else fail(`status ${response.statusCode}`);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#agent.destroy();
  }

  #read(response: IncomingMessage, fail: (reason: string) => void, cancelTimer: () => void): void {
    const stampUs = this.#options.clock.monoUs();
    const decoder = new StringDecoder('utf8');
    const attempt = this.#attempt;
    this.#reader.start();
    this.bytes = 0;
    response.on('data', (piece: Buffer) => {
      if (attempt !== this.#attempt || !this.#isRunning) return;
      this.bytes += piece.length;
      if (this.bytes > this.#options.bytesMax) fail(`more than ${this.#options.bytesMax} bytes`);
      else this.#reader.push(decoder.write(piece));
    });
    response.on('error', (error) => fail(error.message));
    response.on('close', () => fail('cut off'));
    response.on('end', () => {
      if (attempt !== this.#attempt || !this.#isRunning) return;
      cancelTimer();
      this.#reader.end();
      this.#takePage(stampUs);
      this.#finish(undefined);
    });
  }

  #take({ key, value, isCounter }: Sample): void {
    const known = this.series.get(key);
    if (known !== undefined) {
      known.nextValue = value;
      known.nextPage = this.#attempt;
    } else if (this.series.size >= SERIES_MAX) this.refused++;
    else {
      const [page, nextPage] = [-1, this.#attempt];
      this.series.set(key, { key, isCounter, value: Number.NaN, page, nextValue: value, nextPage });
    }
  }

  #takePage(stampUs: number): void {
    this.page = this.#attempt;
    this.stampUs = stampUs;
    for (const series of this.series.values()) {
      if (series.nextPage === this.page) {
        series.value = series.nextValue;
        series.page = this.page;
      } else if (this.page - series.nextPage > ABSENT_PAGES_MAX) this.series.delete(series.key);
    }
  }

  #finish(failure: string | undefined): void {
    this.#isRunning = false;
    this.durationUs = this.#options.clock.monoUs() - this.#startedUs;
    if (failure !== undefined) this.failures++;
    const isNew = failure !== this.failure;
    this.failure = failure;
    if (isNew && !this.#isClosed) this.#options.onChange?.(failure);
  }

  /** Time since the last page, ms; NaN before the first. */
  ageMs(nowUs: number): number {
    return (nowUs - this.stampUs) / US_PER_MS;
  }
}
