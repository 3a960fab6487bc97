// The area of runtimes: `--node`, `--prometheus`. The runtime that was chosen fills the runtime table
// (collector/runtime/runtime-table.ts).

import type { AreaHost, AreaPart, CollectArea } from '#collector/collect-area.ts';
import type { Group } from '#collector/report/layout.ts';
import type { NodeSource } from '#collector/runtime/node-source.ts';
import { nodeThreadGroup, runtimeGroups } from '#collector/runtime/runtime-columns.ts';
import type { Source } from '#collector/source/source.ts';
import { WsarError } from '#core/errors.ts';

const PID_MAX = 4_194_304;
/** A page of metrics that is larger, or takes longer, is not taken. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const PAGE_MS_MAX = 5000;
const ENDPOINTS_MAX = 8;
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
    return node === undefined && endpoints.length === 0
      ? undefined
      : new RuntimePart(node, endpoints);
  },
};

class RuntimePart implements AreaPart {
  readonly shown: string[];
  readonly feedsRuntime: boolean;
  readonly #node: NodeTargets | undefined;
  readonly #endpoints: readonly URL[];
  #nodeSource: NodeSource | undefined;

  constructor(node: NodeTargets | undefined, endpoints: readonly URL[]) {
    this.#node = node;
    this.#endpoints = endpoints;
    this.feedsRuntime = node !== undefined;
    this.shown = this.feedsRuntime ? ['runtime'] : [];
  }

  async open(host: AreaHost): Promise<void> {
    if (this.#node !== undefined) {
      const { NodeSource } = await import('#collector/runtime/node-source.ts');
      this.#nodeSource = new NodeSource(this.#node, true);
      add(host, this.#nodeSource);
    }
    if (this.#endpoints.length > 0) await addEndpoints(host, this.#endpoints);
  }

  groups(name: string, isWide: boolean): Group[] {
    if (name === 'runtime' && this.feedsRuntime) return runtimeGroups('node', isWide);
    if (name !== 'node') return [];
    const labels = this.#nodeSource?.labels().slice(0, COLUMNS_MAX) ?? [];
    return labels.map((label) => nodeThreadGroup(label, isWide));
  }
}

async function addEndpoints(host: AreaHost, endpoints: readonly URL[]): Promise<void> {
  const { Scraper } = await import('#collector/runtime/scraper.ts');
  const { PrometheusSource, PrometheusStatusSource } = await import(
    '#collector/runtime/prometheus-source.ts'
  );
  const { clock, periodMs } = host;
  for (const url of endpoints) {
    const name = endpointName(url);
    const onChange = (failure: string | undefined): void =>
      host.talk(failure === undefined ? `${name} answers` : `${name}: ${failure}; trying on`);
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
  if (pids.every((pid) => Number.isInteger(pid) && pid > 0 && pid <= PID_MAX)) return pids;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--node ${text} names no process`,
    'give process ids separated by commas, or all',
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
