// Alerts: options and parts of `wsar collect --alerts`. What happens is an event of kind `alert` on the bus and in the
// recording, a line on stderr, and for whoever asks a program that is started.

import { readFileSync } from 'node:fs';
import type { AlertEngine, RuleMistake } from '#collector/alert/alert-engine.ts';
import type { AlertHook } from '#collector/alert/alert-hook.ts';
import type { AlertRule } from '#collector/alert/alert-rule.ts';
import type { AreaHost, AreaPart, CollectArea } from '#collector/collect-area.ts';
import { timeText } from '#collector/report/number-text.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import { WsarError } from '#core/errors.ts';
import { NO_SLOT } from '#core/metric/registry.ts';

/** In the place of a file: wsar's own alerts. */
const DEFAULT = 'default';
const US_PER_S = 1e6;

export const alertArea: CollectArea = {
  options: [
    {
      flags: '--alerts <file>',
      help: `raise the alerts of this YAML file, or with '${DEFAULT}' wsar's own`,
    },
    {
      flags: '--alert-exec <command>',
      help: 'start this (sh -c) for every alert that is raised or cleared: WSAR_ALERT_* and JSON on stdin',
    },
  ],
  async prepare(options) {
    const file = options['alerts'] as string | undefined;
    const command = options['alertExec'] as string | undefined;
    if (file === undefined && command === undefined) return undefined;
    return new AlertPart(file ?? DEFAULT, await rulesOf(file ?? DEFAULT), command);
  },
};

async function rulesOf(file: string): Promise<AlertRule[]> {
  const { defaultRules } = await import('#collector/alert/default-rules.ts');
  if (file === DEFAULT) return defaultRules();
  const { readAlertFile } = await import('#collector/alert/alert-file.ts');
  const { hasDefaults, rules } = readAlertFile(textOf(file), file);
  return [...(hasDefaults ? defaultRules() : []), ...rules];
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `the alerts in ${file} cannot be read: ${(error as Error).message}`,
      `name a file as docs/tools/alerts.md describes it, or '${DEFAULT}'`,
      error,
    );
  }
}

class AlertPart implements AreaPart {
  readonly #file: string;
  readonly #rules: readonly AlertRule[];
  readonly #command: string | undefined;
  #host!: AreaHost;
  #engine: AlertEngine | undefined;
  #hook: AlertHook | undefined;
  #told = 0;
  #readMistake!: (error: unknown) => Error;

  constructor(file: string, rules: readonly AlertRule[], command: string | undefined) {
    this.#file = file;
    this.#rules = rules;
    this.#command = command;
  }

  async open(host: AreaHost): Promise<void> {
    const { AlertEngine, RuleMistake } = await import('#collector/alert/alert-engine.ts');
    const { AlertSource } = await import('#collector/alert/alert-source.ts');
    const { placedError } = await import('#collector/alert/alert-file.ts');
    this.#host = host;
    this.#readMistake = (error) =>
      error instanceof RuleMistake ? this.#mistakeOf(error, placedError) : (error as Error);
    if (this.#command !== undefined) {
      const { AlertHook } = await import('#collector/alert/alert-hook.ts');
      const { clock } = host;
      const talk = (text: string): void => host.talk(`alert: ${text}`);
      this.#hook = new AlertHook({ command: this.#command, clock, talk });
    }
    const { registry } = host;
    this.#engine = new AlertEngine(this.#rules, {
      get version() {
        return registry.version;
      },
      *names() {
        for (let slot = 0; slot < registry.slots; slot++) yield registry.spec(slot).name;
      },
      unitOf(metric) {
        const slot = registry.slotOf(metric);
        return slot === NO_SLOT ? undefined : registry.spec(slot).unit;
      },
    });
    host.add(
      new AlertSource(
        () => this.#engine,
        () => this.#told,
        this.#hook,
      ),
    );
  }

  onTick(view: TickView): readonly LabEvent[] {
    const { frame } = view;
    try {
      const events = this.#engine!.tick(
        {
          value: (metric) => view.value(metric),
          decay: (metric, horizon) => view.decay(metric, horizon),
          dtS: frame.intervalUs / US_PER_S,
        },
        frame.wallMs,
      );
      for (const event of events) this.#tell(event);
      return events;
    } catch (error) {
      this.#host.fail(this.#readMistake(error));
      return [];
    }
  }

  async close(): Promise<void> {
    await this.#hook?.close();
  }

  #tell(event: LabEvent): void {
    if (event.data?.['state'] === 'raised') this.#told++;
    this.#host.talk(`${timeText(event.wallMs)} alert ${event.text}`);
    this.#hook?.call({
      variables: {
        WSAR_ALERT_HOST: this.#host.host,
        WSAR_ALERT_TIME: new Date(event.wallMs).toISOString(),
        WSAR_ALERT_TEXT: event.text,
        ...Object.fromEntries(
          ['alert', 'state', 'severity', 'instance', 'value', 'condition'].map((key) => [
            key === 'alert' ? 'WSAR_ALERT_NAME' : `WSAR_ALERT_${key.toUpperCase()}`,
            String(event.data?.[key] ?? ''),
          ]),
        ),
      },
      json: JSON.stringify({ host: this.#host.host, ...event }),
    });
  }

  /** A mistake that showed only with the metrics of this host. */
  #mistakeOf(
    { rule, condition, mistake }: RuleMistake,
    placed: typeof import('#collector/alert/alert-file.ts').placedError,
  ): Error {
    if (condition.place !== undefined) return placed(this.#file, condition.place, mistake);
    return new WsarError('WSAR_ERR_FILE', `alert ${rule.name}: ${mistake.message}`, mistake.remedy);
  }
}
