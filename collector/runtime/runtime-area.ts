// The area of runtimes: `--node`, `--erlang`, `--prometheus`. The runtime that was chosen fills the runtime table
// (collector/runtime/runtime-table.ts).

import type { AreaHost, AreaPart, CollectArea } from '#collector/collect-area.ts';
import type { Group } from '#collector/report/layout.ts';
import type { ErlangProbe, ErlangTarget } from '#collector/runtime/erlang-probe.ts';
import { erlangTarget, parseErlangNode } from '#collector/runtime/erlang-target.ts';
import type { NodeSource } from '#collector/runtime/node-source.ts';
import { nodeThreadGroup, runtimeGroups } from '#collector/runtime/runtime-columns.ts';
import type { Source } from '#collector/source/source.ts';
import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import { WsarError } from '#core/errors.ts';

const PID_MAX = 4_194_304;
const NODE_PIDS_MAX = 64;
/** A page of metrics that is larger, or takes longer, is not taken. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const PAGE_MS_MAX = 5000;
const ENDPOINTS_MAX = 8;
/** Events of one tick. */
const EVENTS_MAX = 16;
/** Node threads with columns of their own. */
const COLUMNS_MAX = 4;

type NodeTargets = number[] | 'all';

/** What was asked for. */
interface Wanted {
  node: NodeTargets | undefined;
  endpoints: readonly URL[];
  erlang: ErlangTarget | undefined;
}

export const runtimeArea: CollectArea = {
  options: [
    {
      flags: '--node <targets>',
      help: "Node programs that run with wsar's agent: process ids separated by commas, or all",
      parse: parseNodeTargets,
    },
    {
      flags: '--erlang <node>',
      help: 'Erlang node NAME@HOST, with :PORT one that needs no epmd: schedulers, mailboxes, garbage, memory',
      parse: parseErlangNode,
    },
    {
      flags: '--erlang-cookie-file <file>',
      help: 'file with the cookie of --erlang; default ~/.erlang.cookie',
    },
    {
      flags: '--prometheus <url>',
      help: 'every series of this Prometheus or OpenMetrics endpoint, fetched before each tick',
      parse: parseEndpoint,
      repeat: true,
    },
  ],
  tables: ['node'],
  async prepare(options) {
    const node = options['node'] as NodeTargets | undefined;
    const endpoints = distinct((options['prometheus'] as URL[] | undefined) ?? []);
    const erlang = erlangTarget(options);
    return node === undefined && endpoints.length === 0 && erlang === undefined
      ? undefined
      : new RuntimePart({ node, endpoints, erlang });
  },
};

class RuntimePart implements AreaPart {
  readonly shown: string[];
  readonly feedsRuntime: boolean;
  readonly #wanted: Wanted;
  /** Since the last tick. */
  readonly #happened: string[] = [];
  #probe: ErlangProbe | undefined;
  #nodeSource: NodeSource | undefined;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
    this.feedsRuntime = wanted.node !== undefined || wanted.erlang !== undefined;
    this.shown = this.feedsRuntime ? ['runtime'] : [];
  }

  async open(host: AreaHost): Promise<void> {
    const { node, erlang, endpoints } = this.#wanted;
    const tell = (text: string): void => {
      if (this.#happened.length < EVENTS_MAX) this.#happened.push(text);
    };
    if (erlang !== undefined) this.#probe = await addErlang(host, erlang, tell);
    if (node !== undefined) {
      const { NodeSource } = await import('#collector/runtime/node-source.ts');
      this.#nodeSource = new NodeSource(node, erlang === undefined);
      add(host, this.#nodeSource);
    }
    if (endpoints.length > 0) await addEndpoints(host, endpoints, tell);
  }

  /** What answers and what does not, on the time line of the row. */
  onTick({ frame }: TickView): LabEvent[] {
    return this.#happened
      .splice(0)
      .map((text) => ({ wallMs: frame.wallMs, kind: 'note' as const, text }));
  }

  async close(): Promise<void> {
    await this.#probe?.close();
  }

  groups(name: string, isWide: boolean): Group[] {
    if (name === 'runtime' && this.feedsRuntime) {
      return runtimeGroups(this.#wanted.erlang === undefined ? 'node' : 'erlang', isWide);
    }
    if (name !== 'node') return [];
    const labels = this.#nodeSource?.labels().slice(0, COLUMNS_MAX) ?? [];
    return labels.map((label) => nodeThreadGroup(label, isWide));
  }
}

async function addErlang(
  host: AreaHost,
  target: ErlangTarget,
  tell: (text: string) => void,
): Promise<ErlangProbe> {
  const { ErlangProbe } = await import('#collector/runtime/erlang-probe.ts');
  const { ErlangSource, ErlangStatusSource } = await import('#collector/runtime/erlang-source.ts');
  const { clock, periodMs } = host;
  const { node } = target;
  const onChange = (failure: string | undefined): void =>
    tell(failure === undefined ? `${node} answers` : `${node}: ${failure}; trying on`);
  const probe = new ErlangProbe({ target, clock, ownId: `collect_${process.pid}`, onChange });
  host.add(new ErlangSource(probe, { node, periodMs, fillsTable: true }));
  host.add(new ErlangStatusSource(probe));
  return probe;
}

async function addEndpoints(
  host: AreaHost,
  endpoints: readonly URL[],
  tell: (text: string) => void,
): Promise<void> {
  const { Scraper } = await import('#collector/runtime/scraper.ts');
  const { PrometheusSource, PrometheusStatusSource } = await import(
    '#collector/runtime/prometheus-source.ts'
  );
  const { clock, periodMs } = host;
  for (const url of endpoints) {
    const name = endpointName(url);
    const onChange = (failure: string | undefined): void =>
      tell(failure === undefined ? `${name} answers` : `${name}: ${failure}; trying on`);
    const scraper = new Scraper({
      url,
      clock,
      timeoutMs: PAGE_MS_MAX,
      bytesMax: PAGE_BYTES_MAX,
      onChange,
    });
    const target = { name, scraper, periodMs, clock };
    host.add(new PrometheusSource(target));
    host.add(new PrometheusStatusSource(target));
  }
}

/** `host:port`, with the path when it is not the usual one; never the credentials. */
function endpointName({ host, pathname }: URL): string {
  const name = pathname === '/metrics' ? host : `${host}${pathname}`;
  return name.replace(/[{},=]/g, '_');
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
  const areIds = pids.every((pid) => Number.isInteger(pid) && pid > 0 && pid <= PID_MAX);
  if (areIds && pids.length <= NODE_PIDS_MAX) return [...new Set(pids)];
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--node ${text} names no process`,
    `give up to ${NODE_PIDS_MAX} process ids separated by commas, or all`,
  );
}

function parseEndpoint(text: string): URL {
  const full = /^https?:\/\//.test(text) ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--prometheus ${text} is no address`,
      'give http://HOST:PORT/metrics',
    );
  }
  if (url.pathname === '/') url.pathname = '/metrics';
  return url;
}

/** Each endpoint once. */
function distinct(endpoints: readonly URL[]): URL[] {
  const found = [...new Map(endpoints.map((url) => [endpointName(url), url])).values()];
  if (found.length <= ENDPOINTS_MAX) return found;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--prometheus was given for ${found.length} endpoints`,
    `at most ${ENDPOINTS_MAX} of them`,
  );
}
