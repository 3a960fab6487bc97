// The area of runtimes: `--node`. What was chosen last fills the runtime table (collector/runtime/runtime-table.ts).

import type { AreaHost, AreaPart, CollectArea } from '#collector/collect-area.ts';
import type { Group } from '#collector/report/layout.ts';
import type { NodeSource } from '#collector/runtime/node-source.ts';
import { nodeThreadGroup, runtimeGroups } from '#collector/runtime/runtime-columns.ts';
import type { Source } from '#collector/source/source.ts';
import { WsarError } from '#core/errors.ts';

const PID_MAX = 4_194_304;
/** Node threads with columns of their own. */
const COLUMNS_MAX = 4;

type NodeTargets = number[] | 'all';

export const runtimeArea: CollectArea = {
  options: [
    {
      flags: '--node <targets>',
      help: "Node programs that run with wsar's agent: process ids separated by commas, or all",
      parse: parseNodeTargets,
    },
  ],
  tables: ['node'],
  async prepare(options) {
    const node = options['node'] as NodeTargets | undefined;
    return node === undefined ? undefined : new RuntimePart(node);
  },
};

class RuntimePart implements AreaPart {
  readonly shown: string[];
  readonly feedsRuntime: boolean;
  readonly #node: NodeTargets | undefined;
  #nodeSource: NodeSource | undefined;

  constructor(node: NodeTargets | undefined) {
    this.#node = node;
    this.feedsRuntime = node !== undefined;
    this.shown = this.feedsRuntime ? ['runtime'] : [];
  }

  async open(host: AreaHost): Promise<void> {
    if (this.#node !== undefined) {
      const { NodeSource } = await import('#collector/runtime/node-source.ts');
      this.#nodeSource = new NodeSource(this.#node, true);
      add(host, this.#nodeSource);
    }
  }

  groups(name: string, isWide: boolean): Group[] {
    if (name === 'runtime' && this.feedsRuntime) return runtimeGroups('node', isWide);
    if (name !== 'node') return [];
    const labels = this.#nodeSource?.labels().slice(0, COLUMNS_MAX) ?? [];
    return labels.map((label) => nodeThreadGroup(label, isWide));
  }
}

/** Takes a source in and says what it lacks. */
function add(host: AreaHost, source: Source): void {
  const found = source.probe();
  if (found.state !== 'ok') host.talk(found.reason);
  host.add(source);
}

function parseNodeTargets(text: string): NodeTargets {
  if (text === 'all') return 'all';
  const pids = text.split(',').map(Number);
  if (pids.every((pid) => Number.isInteger(pid) && pid > 0 && pid <= PID_MAX)) return pids;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--node ${text} names no process`,
    'give process ids separated by commas, or all',
  );
}
