// The files behind messages with media, as HTTP load beside the messages: whoever sends one has uploaded it, whoever
// gets one downloads it. Uploads are POSTs of the sizes of media-sizes.ts, downloads GETs of what the server has
// at that path. Both by autocannon, in the main thread.
//
//   uploads    messages a second x share of media
//   downloads  the same x deliveries of a message
//
// autocannon's rates are whole requests a second, one at least, and fixed: of a plan that changes it is the mean.
// A connection has a list of the sizes (few connections), or one size (many), so that each is as likely.
//
// Memory: MEDIA_SIZES bodies, 12 MB with the sizes of WhatsApp in 2014; with few connections LISTS_MAX times.

import { createHistogram, type Histogram } from '#core/metric/histogram.ts';
import {
  type Cannon,
  type CannonClient,
  recordCorrected,
  STATUS_ERROR,
  startCannon,
} from '#loadgen/http/cannon.ts';
import {
  MEDIA_SIZES,
  type MediaFile,
  type MediaKind,
  mediaFiles,
} from '#loadgen/http/media-sizes.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';

/** Connections that send every size, one after the other: their lists are copies. */
const LISTS_MAX = 2;
const DOWNLOAD_CONNECTIONS_MAX = 64;
/** Ends after the load in any case. */
const SPARE_S = 5;

export interface MediaPlan {
  target: ResolvedTarget;
  kinds: readonly MediaKind[];
  uploadsPerS: number;
  downloadsPerS: number;
  durationMs: number;
}

/** What became of one direction. */
export interface FlowReport {
  /** As autocannon takes it: a whole number. */
  ratePerS: number;
  connections: number;
  answered: number;
  errors: number;
  /** Of the bodies that were sent, or of the answers. */
  bytes: number;
  latencyUs: Record<'p50' | 'p99' | 'p999' | 'max', number>;
}

export interface MediaReport {
  target: string;
  uploads: FlowReport;
  downloads: FlowReport;
}

export class MediaLoad {
  readonly #plan: MediaPlan;
  readonly #uploads: Flow;
  readonly #downloads: Flow;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(plan: MediaPlan) {
    this.#plan = plan;
    this.#uploads = new Flow(plan.uploadsPerS, (rate) =>
      rate < MEDIA_SIZES ? Math.min(rate, LISTS_MAX) : MEDIA_SIZES,
    );
    this.#downloads = new Flow(plan.downloadsPerS, (rate) =>
      Math.min(rate, DOWNLOAD_CONNECTIONS_MAX),
    );
  }

  start(): void {
    const { target, kinds, durationMs } = this.#plan;
    const duration = durationMs / 1000 + SPARE_S;
    const files = mediaFiles(kinds);
    // One block of memory is all bodies; autocannon copies what a connection sends.
    const block = Buffer.alloc(Math.max(...files.map(({ bytes }) => bytes)), 0x2e);
    const path = target.path || '/';
    const one = this.#uploads.connections === MEDIA_SIZES;
    /** Of each connection; `asked` are its requests, of which those that fail have a size, too. */
    const sizes = new Map<unknown, { of: MediaFile[]; asked: number }>();
    let clients = 0;
    const setupClient = (client: CannonClient): void => {
      const first = clients++;
      const of = one
        ? [files[first % files.length]!]
        : files.map((_, i) => files[(first * (MEDIA_SIZES / LISTS_MAX) + i) % files.length]!);
      client.setRequests(
        of.map(({ bytes }) => ({ method: 'POST', path, body: block.subarray(0, bytes) })),
      );
      const known = { of, asked: 0 };
      sizes.set(client, known);
      client.on('request', () => {
        known.asked++;
      });
    };
    const sizeOf = (client: unknown): number => {
      const known = sizes.get(client);
      return known === undefined ? 0 : known.of[(known.asked - 1) % known.of.length]!.bytes;
    };
    this.#ended = Promise.all([
      this.#uploads.start(target, { duration, method: 'POST', setupClient }, sizeOf),
      this.#downloads.start(target, { duration }, (_client, bytes) => bytes),
    ]);
  }

  /** Resolves when both have ended. Again is nothing. */
  async stop(): Promise<void> {
    this.#uploads.stop();
    this.#downloads.stop();
    await this.#ended;
  }

  report(): MediaReport {
    return {
      target: this.#plan.target.text,
      uploads: this.#uploads.report(),
      downloads: this.#downloads.report(),
    };
  }
}

/** Requests of one kind, at a rate. */
class Flow {
  readonly ratePerS: number;
  readonly connections: number;
  readonly #latency: Histogram = createHistogram();
  #cannon: Cannon | undefined;
  #answered = 0;
  #errors = 0;
  #bytes = 0;

  constructor(ratePerS: number, connectionsFor: (rate: number) => number) {
    this.ratePerS = Math.max(1, Math.round(ratePerS));
    this.connections = connectionsFor(this.ratePerS);
  }

  start(
    target: ResolvedTarget,
    more: Record<string, unknown>,
    bytesOf: (client: unknown, bytes: number) => number,
  ): Promise<void> {
    const { connections, ratePerS } = this;
    const intervalUs = (connections / ratePerS) * 1e6;
    return new Promise((resolve) => {
      const cannon = startCannon(target, ratePerS, { connections, ...more }, resolve);
      cannon.on('response', (client, status, bytes, ms) => {
        this.#answered++;
        this.#bytes += bytesOf(client, bytes);
        if (status >= STATUS_ERROR) this.#errors++;
        else recordCorrected(this.#latency, ms * 1000, intervalUs);
      });
      cannon.on('reqError', () => {
        this.#errors++;
      });
      this.#cannon = cannon;
    });
  }

  stop(): void {
    this.#cannon?.stop();
  }

  report(): FlowReport {
    const { ratePerS, connections } = this;
    const latency = this.#latency;
    return {
      ...{ ratePerS, connections },
      ...{ answered: this.#answered, errors: this.#errors, bytes: this.#bytes },
      latencyUs: {
        p50: latency.percentile(50),
        p99: latency.percentile(99),
        p999: latency.percentile(99.9),
        max: latency.max,
      },
    };
  }
}
