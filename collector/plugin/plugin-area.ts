// Plug-ins of `wsar collect`: options, threads, columns and what they have to say.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AreaHost, AreaPart, CollectArea } from '#collector/collect-area.ts';
import { PLUGINS_MAX } from '#collector/plugin/plugin.ts';
import type { PluginHost, PluginPlan } from '#collector/plugin/plugin-host.ts';
import type { Group } from '#collector/report/layout.ts';
import { shortText } from '#collector/report/number-text.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import { WsarError } from '#core/errors.ts';

const TABLE = 'plugins';
/** Columns of one plug-in in the table; --json has all. */
const COLUMNS_MAX = 6;
const COLUMN_WIDTH_MIN = 5;
/** `id=command`; upper case before `=` is an environment variable of the command. */
const NAMED = /^([a-z][a-z0-9-]{0,31})=(.+)$/s;

export const pluginArea: CollectArea = {
  options: [
    {
      flags: '--plugin <file>',
      help: 'take metrics from a module (.ts, .mjs, .js) that exports a plug-in, in a thread of its own',
      parse: (text) => parseFile(text),
      repeat: true,
    },
    {
      flags: '--exec <command>',
      help: "take metrics from a program that prints them, 'command' or 'id=command'",
      parse: parseCommand,
      repeat: true,
    },
  ],
  tables: [TABLE],
  async prepare(options) {
    const plans = ['plugin', 'exec'].flatMap(
      (name) => (options[name] as PluginPlan[] | undefined) ?? [],
    );
    if (plans.length === 0) return undefined;
    if (plans.length > PLUGINS_MAX) {
      throw new WsarError(
        'WSAR_ERR_USAGE',
        `${plans.length} plug-ins are too many; at most ${PLUGINS_MAX}`,
        'let one program print the metrics of several',
      );
    }
    return new PluginPart(plans);
  },
};

class PluginPart implements AreaPart {
  readonly shown = [TABLE];
  readonly #plans: readonly PluginPlan[];
  readonly #hosts: PluginHost[] = [];

  constructor(plans: readonly PluginPlan[]) {
    this.#plans = plans;
  }

  async open(host: AreaHost): Promise<void> {
    const { PluginHost } = await import('#collector/plugin/plugin-host.ts');
    const { PluginSource } = await import('#collector/plugin/plugin-source.ts');
    const { PluginHealthSource } = await import('#collector/plugin/plugin-health.ts');
    const { idOf } = await import('#collector/plugin/module-runner.ts');
    for (const plan of this.#plans) {
      const id = plan.id === '' ? idOf(plan.text) : plan.id;
      this.#hosts.push(new PluginHost({ ...plan, id }, host.clock, host.periodMs));
    }
    const reasons = await Promise.all(this.#hosts.map((plugin) => plugin.start()));
    const wrong = reasons.findIndex((reason) => reason !== undefined);
    if (wrong >= 0) {
      throw new WsarError(
        'WSAR_ERR_FILE',
        `${this.#plans[wrong]!.text} is no plug-in: ${reasons[wrong]}`,
        'docs/tools/plugin-protocol.md says what a plug-in is, docs/examples/plugins has one',
      );
    }
    this.#nameApart();
    for (const plugin of this.#hosts) host.add(new PluginSource(plugin, host.periodMs));
    host.add(new PluginHealthSource(this.#hosts, host.periodMs));
  }

  onTick({ frame }: TickView): readonly LabEvent[] {
    return this.#hosts.flatMap((plugin) =>
      plugin.takeSaid().map((text) => ({
        wallMs: frame.wallMs,
        kind: 'note' as const,
        text: `plug-in ${plugin.id}: ${text}`,
        data: { plugin: plugin.id },
      })),
    );
  }

  groups(name: string): Group[] {
    if (name !== TABLE) return [];
    return this.#hosts
      .filter(({ metrics }) => metrics.length > 0)
      .map(({ id, metrics }) => ({
        title: id,
        columns: metrics.slice(0, COLUMNS_MAX).map((metric) => {
          const head = headOf(metric.name);
          const width = Math.max(COLUMN_WIDTH_MIN, head.length);
          return { head, metric: `plugin.${id}.${metric.name}`, width, text: shortText };
        }),
      }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((plugin) => plugin.close()));
  }

  /** Two of one name become `x` and `x-2`. */
  #nameApart(): void {
    const taken = new Set<string>();
    for (const plugin of this.#hosts) {
      let { id } = plugin;
      for (let i = 2; taken.has(id); i++) id = `${plugin.id}-${i}`;
      plugin.id = id;
      taken.add(id);
    }
  }
}

/** The last word of a name, and what tells its instance: `jobs.waiting{queue=mail}` is `waiting.mail`. */
function headOf(name: string): string {
  const [bare, attributes = ''] = name.split('{');
  const values = attributes
    .replace('}', '')
    .split(',')
    .map((pair) => pair.split('=')[1] ?? '');
  return [bare!.split('.').at(-1)!, ...values.filter((value) => value !== '')]
    .join('.')
    .slice(0, 12);
}

function parseFile(text: string): PluginPlan {
  const path = resolve(text);
  if (/\.(ts|mts|mjs|js|cjs)$/.test(path) && existsSync(path))
    return { text: path, isProgram: false, id: '' };
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--plugin ${text} names no module that is there`,
    'give the file of a module (.ts, .mjs, .js); a program is given with --exec',
  );
}

function parseCommand(text: string): PluginPlan {
  const [, id = '', command = text] = NAMED.exec(text) ?? [];
  if (command.trim() !== '') return { text: command, isProgram: true, id };
  throw new WsarError(
    'WSAR_ERR_USAGE',
    '--exec names no command',
    "give one, such as --exec './queue-length.sh'",
  );
}
