// The collector's end of a lab's bus: its rows and events out, everybody's in. The bus may be lost: then
// the collector is told, tries to come back for a bounded time while it samples on into the spool, and
// says when that time is over.

import { HOST_SOURCE } from '#collector/recorder.ts';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { type PublishedSource, publishSource } from '#core/bus/publish-source.ts';
import { type LabEvent, topic } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { MetricRegistry } from '#core/metric/registry.ts';
import type { Row } from '#core/metric/row.ts';

/** How long the collector goes on without its bus, ms. */
export const BUS_LOST_MS_MAX = 30_000;
const RETRY_MS = 500;

export interface LabLinkOptions {
  url: string;
  lab: string;
  host: string;
  clock: Clock;
  /** What rows hold; asked for again when it has changed. */
  metrics: MetricRegistry;
  onMessage: (topic: string, value: unknown) => void;
  /** The bus is gone, or back. */
  onChange: (event: LabEvent) => void;
  /** It did not come back in time. */
  onGone: (error: WsarError) => void;
  /** How long the bus itself tries before it calls itself lost; default its own. */
  busTimeoutMs?: number;
  /** Default BUS_LOST_MS_MAX. */
  lostMsMax?: number;
}

export interface LabLink {
  row(row: Row): void;
  event(event: LabEvent): void;
  close(): Promise<void>;
}

/** Connects. Throws WSAR_ERR_UNREACHABLE when the bus does not answer. */
export async function openLabLink(options: LabLinkOptions): Promise<LabLink> {
  const link = new Link(options);
  await link.connect();
  return link;
}

class Link implements LabLink {
  readonly #options: LabLinkOptions;
  #bus: Bus | undefined;
  #published: PublishedSource | undefined;
  #version = -1;
  #isClosed = false;

  constructor(options: LabLinkOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const { url, lab, host, onMessage, busTimeoutMs } = this.#options;
    const bus = await connectBus(url, {
      clientId: `collect-${host}`,
      ...(busTimeoutMs === undefined ? {} : { timeoutMs: busTimeoutMs }),
    });
    try {
      await bus.subscribe(topic.row(lab, '+', '+'), onMessage);
      await bus.subscribe(topic.event(lab, '+', '+'), onMessage);
    } catch (error) {
      await bus.close();
      throw error;
    }
    if (this.#isClosed) return await bus.close();
    bus.onLost(() => void this.#comeBack());
    this.#bus = bus;
    this.#publish();
  }

  row(row: Row): void {
    if (this.#bus === undefined) return;
    if (this.#options.metrics.version !== this.#version) this.#publish();
    this.#published?.row(row);
  }

  event(event: LabEvent): void {
    if (this.#bus !== undefined) this.#published?.event(event);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#bus?.close();
  }

  #publish(): void {
    const { lab, host, metrics } = this.#options;
    this.#version = metrics.version;
    const source = { lab, host, source: HOST_SOURCE, metrics: metrics.definitions() };
    this.#published = publishSource(this.#bus!, source);
  }

  async #comeBack(): Promise<void> {
    const { clock, url, onChange, onGone, lostMsMax = BUS_LOST_MS_MAX } = this.#options;
    this.#bus = undefined;
    const startUs = clock.monoUs();
    const leftMs = (): number => lostMsMax - (clock.monoUs() - startUs) / 1000;
    onChange({ wallMs: clock.wallMs(), kind: 'lost', text: 'the bus was lost; sampling goes on' });
    while (!this.#isClosed && leftMs() > 0) {
      try {
        await this.connect();
        const lostMs = (clock.monoUs() - startUs) / 1000;
        const text = `the bus is back after ${(lostMs / 1000).toFixed(1)} s`;
        onChange({ wallMs: clock.wallMs(), kind: 'note', text, data: { lostMs } });
        return;
      } catch {
        // Not there yet; connecting itself waits, so this does not spin, and the time is bounded.
        await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
      }
    }
    if (this.#isClosed) return;
    onGone(
      new WsarError(
        'WSAR_ERR_UNREACHABLE',
        `the bus of the lab was lost for ${Math.round(lostMsMax / 1000)} s`,
        `see why the broker at ${new URL(url).host} ended; rows up to now are in the spool`,
      ),
    );
  }
}
