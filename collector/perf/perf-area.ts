// Hardware counters, system calls, traps and locks: options and parts of `wsar collect --perf`. With --pid the same
// counters stand on those processes too.

import type { AreaHost, AreaPart, CollectArea } from '#collector/collect-area.ts';
import type { Whose } from '#collector/perf/perf-catalogue.ts';
import type { PerfStatSource } from '#collector/perf/perf-stat-source.ts';
import type { Column, Group } from '#collector/report/layout.ts';
import { percentText, secondsText, shortText } from '#collector/report/number-text.ts';
import { PROC_ROOT } from '#collector/source/source-list.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import { WsarError } from '#core/errors.ts';

const WAYS = ['auto', 'ffi', 'stat'] as const;
type Way = (typeof WAYS)[number];
const TABLE = 'perf';
const WORDS_CHARACTERS_MAX = 200;

export const perfArea: CollectArea = {
  options: [
    {
      flags: '--perf',
      help: 'count system calls, traps, contended locks, migrations, cycles, cache misses; with --pid of it too',
    },
    {
      flags: '--perf-share <percent>',
      help: 'count tracepoints for this share of the time; default: always, or what 0.5 % of all CPU time allows',
      parse: parseShare,
    },
    {
      flags: '--perf-by <way>',
      help: `how counters are read: ${WAYS.join(', ')}; ffi opens them here, stat runs perf(1) beside`,
      parse: parseWay,
      default: 'auto',
    },
  ],
  tables: [TABLE],
  async prepare(options) {
    if (options['perf'] !== true) {
      if (options['perfShare'] === undefined) return undefined;
      throw new WsarError('WSAR_ERR_USAGE', '--perf-share is a detail of --perf', 'give both');
    }
    if (options['root'] !== undefined && options['root'] !== PROC_ROOT) {
      throw new WsarError(
        'WSAR_ERR_USAGE',
        '--perf counts what happens here and now, --root reads a copy',
        'leave one of them out',
      );
    }
    const pids = [...new Set((options['pid'] as number[] | undefined) ?? [])];
    return new PerfPart(pids, options['perfBy'] as Way, options['perfShare'] as number | undefined);
  },
};

class PerfPart implements AreaPart {
  readonly shown = [TABLE];
  readonly #pids: readonly number[];
  readonly #way: Way;
  readonly #share: number | undefined;
  readonly #children: PerfStatSource[] = [];
  /** The host, then processes. */
  readonly #all: readonly Whose[];

  constructor(pids: readonly number[], way: Way, share: number | undefined) {
    this.#pids = pids;
    this.#all = [undefined, ...pids.map((pid) => ({ pid }))];
    this.#way = way;
    this.#share = share;
  }

  async open(host: AreaHost): Promise<void> {
    const why = await this.#openHere(host);
    if (why === undefined) return;
    if (this.#way !== 'ffi') host.talk(`counters are read by perf stat, because ${why}`);
    if (this.#way === 'ffi') {
      throw new WsarError(
        'WSAR_ERR_SYSTEM',
        `no counter can be opened: ${why}`,
        'wsar doctor says more',
      );
    }
    await this.#openStat(host, why);
  }

  /** A perf that cannot count says why. */
  onTick({ frame }: TickView): readonly LabEvent[] {
    return this.#children.flatMap((child) => {
      const words = child.takeWords();
      if (words === undefined) return [];
      const text = `${child.id}: perf says: ${words.slice(0, WORDS_CHARACTERS_MAX)}`;
      return [{ wallMs: frame.wallMs, kind: 'note' as const, text, data: { source: child.id } }];
    });
  }

  groups(name: string): Group[] {
    return name === TABLE ? [...HOST_GROUPS, ...this.#pids.map(processGroup)] : [];
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.end()));
  }

  /** Opens counters through the FFI; returns why none could be opened. */
  async #openHere(host: AreaHost): Promise<string | undefined> {
    if (this.#way === 'stat') return 'it was asked for';
    const { loadPerfCalls } = await import('#core/host/perf/perf-calls.ts');
    const calls = loadPerfCalls();
    if (typeof calls === 'string') return calls;
    const { PerfSource } = await import('#collector/perf/perf-source.ts');
    const refusals: string[] = [];
    for (const whose of this.#all) {
      const source = new PerfSource({ calls, clock: host.clock, share: this.#share, whose });
      const capability = source.probe();
      if (capability.state === 'absent') {
        source.close();
        refusals.push(capability.reason);
      } else host.add(source);
      const isTold = capability.state === 'absent' && this.#all.length === 1;
      if (capability.state !== 'ok' && !isTold) {
        host.talk(`${source.id}: not counted: ${capability.reason}`);
      }
    }
    // One that can be counted is enough to stay with this way.
    return refusals.length === this.#all.length ? refusals[0] : undefined;
  }

  async #openStat(host: AreaHost, why: string): Promise<void> {
    const { PerfStatSource } = await import('#collector/perf/perf-stat-source.ts');
    for (const whose of this.#all) {
      const source = new PerfStatSource({ clock: host.clock, periodMs: host.periodMs, whose, why });
      this.#children.push(source);
      source.start();
      host.add(source);
    }
  }
}

function short(head: string, metric: string, width = 6): Column {
  return { head, metric, width, text: shortText };
}

const HOST_GROUPS: Group[] = [
  {
    title: 'kernel events/s',
    columns: [
      short('sysc', 'system.linux.syscalls'),
      {
        head: '±%',
        metric: 'system.linux.syscalls{stat=error}',
        width: 4,
        text: percentText,
      },
      short('trap', 'system.linux.traps'),
      short('lock', 'system.linux.lock_contentions'),
      short('migr', 'system.linux.cpu_migrations'),
      short('move', 'system.linux.task_moves'),
    ],
  },
  {
    title: 'hardware',
    columns: [
      { head: 'IPC', metric: 'cpu.linux.perf.ipc', width: 5, text: secondsText },
      short('LLC/s', 'cpu.linux.perf.cache_misses'),
      short('dTLB/s', 'cpu.linux.perf.dtlb_misses'),
    ],
  },
];

function processGroup(pid: number): Group {
  const of = (what: string): string => `process.linux.perf.${what}{pid=${pid}}`;
  return {
    title: `pid ${pid}/s`,
    columns: [
      short('sysc', of('syscalls')),
      short('csw', of('context_switches')),
      short('flt', of('page_faults')),
      short('lock', of('lock_contentions')),
      { head: 'IPC', metric: of('ipc'), width: 5, text: secondsText },
    ],
  };
}

function parseShare(text: string): number {
  const share = Number(text.replace(/%$/, '')) / 100;
  if (text.trim() !== '' && share > 0 && share <= 1) return share;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--perf-share ${text} is no share of the time`,
    'give percent above 0 up to 100, such as 5 or 5%',
  );
}

function parseWay(text: string): Way {
  const way = WAYS.find((one) => one === text);
  if (way !== undefined) return way;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--perf-by knows no '${text}'`,
    `choose of ${WAYS.join(', ')}`,
  );
}
