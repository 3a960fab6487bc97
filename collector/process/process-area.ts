// The area of chosen processes: `--pid`, `--match`, `--netns-of`.

import type { AreaHost, AreaPart, CollectArea } from '#collector/collect-area.ts';
import { namespaceGroups, processGroup } from '#collector/process/process-columns.ts';
import type { ProcessSource } from '#collector/process/process-source.ts';
import type { Group } from '#collector/report/layout.ts';
import type { Source } from '#collector/source/source.ts';
import { parseCount } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';

const PID_MAX = 4_194_304;
const NAMESPACES_MAX = 16;
/** Processes with columns of their own. */
const COLUMNS_MAX = 4;

export const processArea: CollectArea = {
  options: [
    {
      flags: '--pid <id>',
      help: 'look at this process: CPU, run and wait time, switches, faults, memory, descriptors, threads',
      parse: parsePid('--pid'),
      repeat: true,
    },
    {
      flags: '--match <pattern>',
      help: 'look at every process whose name or command line matches this regular expression',
      parse: parsePattern,
      repeat: true,
    },
    {
      flags: '--netns-of <id>',
      help: 'TCP, sockets and devices of the network namespace of this process too',
      parse: parsePid('--netns-of'),
      repeat: true,
    },
  ],
  tables: ['pid', 'netns'],
  async prepare(options) {
    const pids = [...new Set((options['pid'] as number[] | undefined) ?? [])];
    const patterns = (options['match'] as RegExp[] | undefined) ?? [];
    const namespaces = [...new Set((options['netnsOf'] as number[] | undefined) ?? [])];
    if (pids.length + patterns.length + namespaces.length === 0) return undefined;
    if (namespaces.length > NAMESPACES_MAX) {
      throw new WsarError(
        'WSAR_ERR_USAGE',
        `--netns-of was given ${namespaces.length} times`,
        `at most ${NAMESPACES_MAX} namespaces`,
      );
    }
    return new ProcessPart(pids, patterns, namespaces);
  },
};

class ProcessPart implements AreaPart {
  readonly shown: string[];
  readonly #pids: number[];
  readonly #patterns: RegExp[];
  readonly #namespaces: number[];
  /** Reasons that were told. */
  readonly #said = new Set<string>();
  #source: ProcessSource | undefined;
  #host: AreaHost | undefined;

  constructor(pids: number[], patterns: RegExp[], namespaces: number[]) {
    this.#pids = pids;
    this.#patterns = patterns;
    this.#namespaces = namespaces;
    const hasProcesses = pids.length + patterns.length > 0;
    this.shown = [...(hasProcesses ? ['pid'] : []), ...(namespaces.length > 0 ? ['netns'] : [])];
  }

  async open(host: AreaHost): Promise<void> {
    const { root } = host;
    this.#host = host;
    const { pageBytes } = await import('#core/host/page-bytes.ts');
    if (this.#pids.length + this.#patterns.length > 0) {
      const { ProcessSource } = await import('#collector/process/process-source.ts');
      this.#source = new ProcessSource(root, pageBytes(), {
        pids: this.#pids,
        patterns: this.#patterns,
        ownPid: process.pid,
      });
      this.#add(this.#source);
    }
    if (this.#namespaces.length === 0) return;
    const { namespaceSources } = await import('#collector/process/namespace-sources.ts');
    for (const pid of this.#namespaces) {
      for (const source of namespaceSources(root, pid, pageBytes())) this.#add(source);
    }
  }

  groups(name: string, isWide: boolean): Group[] {
    if (name === 'netns') return this.#namespaces.flatMap((pid) => namespaceGroups(pid));
    if (name !== 'pid' || this.#source === undefined) return [];
    const labels = this.#source.labels().slice(0, COLUMNS_MAX);
    const { hasExactDescriptors } = this.#source;
    return labels.map((label) => processGroup(label, { isWide, hasExactDescriptors }));
  }

  #add(source: Source): void {
    const found = source.probe();
    if (found.state !== 'ok' && !this.#said.has(found.reason)) {
      this.#said.add(found.reason);
      this.#host!.talk(found.reason);
    }
    this.#host!.add(source);
  }
}

function parsePid(option: string): (text: string) => number {
  return (text) => {
    try {
      return parseCount(1, PID_MAX)(text);
    } catch (error) {
      throw new WsarError(
        'WSAR_ERR_USAGE',
        `${option} ${text} is no process id`,
        'give the number that ps shows as PID',
        error,
      );
    }
  };
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--match ${text} is no regular expression`,
      'escape the characters ( [ * + ? \\ that stand for themselves',
      error,
    );
  }
}
