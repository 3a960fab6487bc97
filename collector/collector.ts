// A whole collector: sources, sampler and ticks; a report on stdout; in a lab the bus, the server's rows
// as a source, and the recorder. It ends by a signal, after so many rows, or because what it works for
// is gone, and always in the same order: ticks stop, averages are printed, the spool is brought to the
// store, the bus is left.

import type { AreaHost, AreaPart } from '#collector/collect-area.ts';
import type { CollectorSurroundings, CollectPlan } from '#collector/collect-plan.ts';
import { startCollection } from '#collector/collection.ts';
import type { LabLink } from '#collector/lab-link.ts';
import type { OpenMetricsServer } from '#collector/openmetrics-server.ts';
import { HOST_SOURCE, Recorder } from '#collector/recorder.ts';
import type { TickRecorder } from '#collector/recording/tick-recorder.ts';
import { createReport } from '#collector/report/create-report.ts';
import type { Instances } from '#collector/report/layout.ts';
import type { Report } from '#collector/report/report.ts';
import { Sampler } from '#collector/sampler.ts';
import { DiskSource } from '#collector/source/disk.ts';
import { NetworkDeviceSource } from '#collector/source/network-device.ts';
import { OwnCostSource, type TickRecord } from '#collector/source/own-cost.ts';
import { type Recording, RecordingSource } from '#collector/source/recording.ts';
import { ServerRowSource } from '#collector/source/server-row.ts';
import type { Source } from '#collector/source/source.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { type TickView, viewOf } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import { keepAlive } from '#core/clock/keep-alive.ts';

/**
 * Collects until it is over. Throws what `lost` was aborted with, or WSAR_ERR_UNREACHABLE for a bus that
 * stayed away.
 */
export async function runCollector(
  plan: CollectPlan,
  surroundings: CollectorSurroundings,
): Promise<void> {
  const release = keepAlive();
  const collector = new Collector(plan, surroundings);
  try {
    await collector.open();
    await collector.run();
  } finally {
    await collector.close();
    release();
  }
}

class Collector {
  readonly #plan: CollectPlan;
  readonly #surroundings: CollectorSurroundings;
  readonly #server = new ServerRowSource();
  readonly #tickRecord: TickRecord = { lateUs: 0, missedTicks: 0, droppedRows: 0 };
  readonly #sampler: Sampler;
  readonly #report: Report;
  readonly #sources: readonly Source[];
  readonly #areas: readonly AreaPart[];
  #disk: TickRecorder | undefined;
  #recorder: Recorder | undefined;
  #link: LabLink | undefined;
  #openMetrics: OpenMetricsServer | undefined;
  #rows = 0;
  /** An area cannot go on. */
  #hasFailed = false;
  readonly #ended = Promise.withResolvers<void>();

  constructor(plan: CollectPlan, surroundings: CollectorSurroundings) {
    this.#plan = plan;
    this.#surroundings = surroundings;
    this.#areas = plan.areas ?? [];
    // It may be over before `run` waits for it: a bus or an area that failed at once.
    this.#ended.promise.catch(() => {});
    this.#sources = hostSources(plan.root, plan.isDetailed);
    this.#sampler = new Sampler(surroundings.clock, this.#sources, plan.hasFastLane);
    if (!this.#areas.some(({ feedsRuntime }) => feedsRuntime)) this.#sampler.add(this.#server);
    this.#report = createReport(plan, surroundings, {
      registry: this.#sampler.registry,
      instances: () => this.#instances(),
    });
  }

  /** Connects what is to be connected. Throws when it cannot be. */
  async open(): Promise<void> {
    const { lab, host, spoolFolder, openMetrics } = this.#plan;
    const { clock } = this.#surroundings;
    for (const area of this.#areas) await area.open(this.#areaHost());
    if (spoolFolder !== undefined) {
      this.#sampler.add(new RecordingSource(() => this.#recording()));
    }
    this.#sampler.add(new OwnCostSource(this.#sampler.supervised, this.#tickRecord));
    // What only a lab or a recording needs is loaded only there: it would double the memory of a collector alone.
    if (spoolFolder !== undefined) await this.#openRecorder(spoolFolder);
    if (openMetrics !== undefined) {
      const { serveOpenMetrics } = await import('#collector/openmetrics-server.ts');
      this.#openMetrics = await serveOpenMetrics(this.#sampler.table, openMetrics);
      const at = `http://${openMetrics.host}:${this.#openMetrics.port}/metrics`;
      this.#surroundings.talk(`wsar collect: metrics at ${at}\n`);
    }
    if (lab.busUrl === undefined) return;
    const { openLabLink } = await import('#collector/lab-link.ts');
    this.#link = await openLabLink({
      url: lab.busUrl,
      lab: lab.lab,
      host,
      clock,
      metrics: this.#sampler.registry,
      onMessage: (topic, value) => this.#recorder?.take(topic, value),
      onChange: (event) => this.#onLabChange(event),
      onGone: (error) => this.#end(error),
    });
  }

  async #openRecorder(folder: string): Promise<void> {
    const { lab, host, spoolBytesMax, spoolAgeMsMax } = this.#plan;
    const { clock } = this.#surroundings;
    const { openTickRecorder } = await import('#collector/recording/tick-recorder.ts');
    this.#disk = await openTickRecorder({
      clock,
      sampler: this.#sampler,
      host,
      folder,
      storeUrl: lab.storeUrl,
      runId: lab.runId,
      diskBytesMax: spoolBytesMax,
      ageMsMax: spoolAgeMsMax,
    });
    this.#recorder = new Recorder({
      shipper: this.#disk,
      host,
      onRow: (source, row) => {
        if (source === this.#server.id) this.#server.push(row, clock.monoUs());
      },
    });
  }

  /** Ticks until something ends it. */
  async run(): Promise<void> {
    const { signal, lost, clock, uptimeS } = this.#surroundings;
    const onSignal = (): void => this.#end();
    const onLost = (): void => this.#end(lost.reason as Error);
    signal.addEventListener('abort', onSignal);
    lost.addEventListener('abort', onLost);
    const stop = startCollection({
      clock,
      uptimeS,
      periodMs: this.#plan.periodMs,
      sampler: this.#sampler,
      tickRecord: this.#tickRecord,
      hasFastLane: this.#plan.hasFastLane === true,
      followsWallClock: this.#plan.lab.busUrl === undefined,
      onTick: (frame, events) => this.#onTick(viewOf(this.#sampler.table, frame), events),
    });
    this.#disk?.baseline();
    if (signal.aborted) onSignal();
    if (lost.aborted) onLost();
    try {
      await this.#ended.promise;
    } finally {
      stop();
      signal.removeEventListener('abort', onSignal);
      lost.removeEventListener('abort', onLost);
      this.#report.end();
    }
  }

  async close(): Promise<void> {
    this.#sampler.close();
    for (const area of this.#areas) await area.close?.();
    await this.#openMetrics?.close();
    await this.#link?.close();
    await this.#closeRecorder();
  }

  #end(error?: Error): void {
    if (error === undefined) this.#ended.resolve();
    else this.#ended.reject(error);
  }

  #areaHost(): AreaHost {
    const { periodMs, root, host } = this.#plan;
    const { clock, talk } = this.#surroundings;
    return {
      clock,
      root,
      host,
      periodMs,
      registry: this.#sampler.registry,
      add: (source) => this.#sampler.add(source),
      talk: (text) => talk(`wsar collect: ${text}\n`),
      fail: (error) => {
        this.#hasFailed = true;
        this.#end(error);
      },
    };
  }

  #instances(): Instances {
    const network = this.#sources.find((source) => source instanceof NetworkDeviceSource);
    const disk = this.#sources.find((source) => source instanceof DiskSource);
    return {
      devices: network?.activeDevices() ?? [],
      disks: disk?.disks() ?? [],
      groups: (name) => this.#areas.flatMap((area) => area.groups?.(name, this.#plan.isWide) ?? []),
    };
  }

  #recording(): Recording | undefined {
    return this.#disk === undefined
      ? undefined
      : { recorder: this.#disk.stats, refused: this.#recorder?.refused ?? 0 };
  }

  #onTick(view: TickView, happened: readonly LabEvent[]): void {
    if (this.#rows >= this.#plan.rowsMax) return;
    const told = this.#areas.flatMap((area) => area.onTick?.(view) ?? []);
    // A row would stand before the error that makes it worthless.
    if (this.#hasFailed) return;
    const events = [...this.#withLoss(view, happened), ...told];
    this.#report.row(view, events);
    this.#openMetrics?.tick(view.frame.wallMs);
    for (const event of events) {
      this.#link?.event(event);
      this.#disk?.event(this.#plan.host, HOST_SOURCE, event);
    }
    this.#link?.row(view.row());
    this.#disk?.tick(view);
    this.#rows++;
    if (this.#rows >= this.#plan.rowsMax) this.#end();
  }

  /** What happened, and before it that the reader of stdout had stopped, when it reads again. */
  #withLoss({ frame }: TickView, happened: readonly LabEvent[]): readonly LabEvent[] {
    const { output } = this.#surroundings;
    this.#tickRecord.droppedRows = output?.dropped ?? 0;
    const lost = output?.takeLoss() ?? 0;
    if (lost === 0) return happened;
    const text = `${lost} ${lost === 1 ? 'row was' : 'rows were'} not printed: the reader had stopped`;
    const data = { cause: 'reader', droppedRows: lost };
    return [{ wallMs: frame.wallMs, kind: 'note', text, data }, ...happened];
  }

  #onLabChange(event: LabEvent): void {
    this.#surroundings.talk(`wsar collect: ${event.text}\n`);
    this.#disk?.event(this.#plan.host, HOST_SOURCE, event);
  }

  async #closeRecorder(): Promise<void> {
    const remark = await this.#disk?.close();
    if (remark !== undefined) this.#surroundings.talk(`wsar collect: ${remark}\n`);
  }
}
