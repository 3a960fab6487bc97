// What the facts mean for a run of so many connections: fine, worth knowing, or lacking, with a remedy.
// Only what a run cannot do without is `lacks`; the rest makes it smaller, slower or less telling.

import { numberText } from '#dashboards/report/number-text.ts';
import type { DoctorFacts } from '#lab/doctor/doctor-facts.ts';
import { connectionsInDescriptors, connectionsInMemory } from '#lab/run/size-to-host.ts';

export interface Finding {
  name: string;
  value: string;
  state: 'ok' | 'note' | 'lacks';
  /** What it means, and what to do when it is not fine; '' when nothing needs to be said. */
  text: string;
}

/** Two million sockets in 262,144 buckets are still fine; beyond that lookups are felt. */
const CONNECTIONS_PER_BUCKET_MAX = 8;
/** The backlog of a listener that a fast ramp fills. */
const SOMAXCONN_MIN = 1024;
const NETDEV_BACKLOG_MIN = 1000;

/** `connections` is what the person wants to run. */
export function examine(facts: DoctorFacts, connections: number): Finding[] {
  return [
    ok('node', `${facts.node}, ${facts.platform}`),
    ok('user', userText(facts.uid)),
    engine(facts),
    ok('cores', String(facts.cores)),
    descriptors(facts, connections),
    memory(facts, connections),
    ports(facts),
    somaxconn(facts),
    netdevBacklog(facts),
    ehash(facts, connections),
    store(facts),
    perfCounters(facts),
    facts.canWriteState
      ? ok('state', facts.stateFolder)
      : lacks('state', facts.stateFolder, 'it cannot be written; set WSAR_STATE_DIR'),
    ...sources(facts),
  ];
}

/** What the collector can see: those that are whole in one line, the others each with its reason. */
function sources({ sources: found }: DoctorFacts): Finding[] {
  const whole = found.filter(({ capability }) => capability.state === 'ok').map(({ id }) => id);
  const others = found.flatMap(({ id, capability }) =>
    capability.state === 'ok' ? [] : [note(`source ${id}`, capability.state, capability.reason)],
  );
  const value = `${whole.length} of ${found.length} whole`;
  return [ok('sources', value, whole.join(', ')), ...others];
}

function engine({ engine: { engine: name, reason } }: DoctorFacts): Finding {
  return name === 'ring' ? ok('engine', 'ring', reason) : note('engine', name, reason);
}

function descriptors(facts: DoctorFacts, connections: number): Finding {
  const value = facts.descriptors === undefined ? 'unknown' : numberText(facts.descriptors);
  const bearable = connectionsInDescriptors(facts);
  if (connections > bearable) {
    return lacks(
      'descriptors',
      value,
      `engine ${facts.engine.engine} bears ${numberText(bearable)} connections; raise RLIMIT_NOFILE (ulimit -n)`,
    );
  }
  const text = facts.engine.engine === 'ring' ? 'ring keeps connections outside of them' : '';
  return ok('descriptors', value, text);
}

function memory(facts: DoctorFacts, connections: number): Finding {
  if (facts.freeBytes === undefined) return note('memory', 'unknown', 'this host does not tell');
  const value = `${(facts.freeBytes / 1024 ** 3).toFixed(1)} GiB free`;
  const bearable = connectionsInMemory(facts);
  const text = `bears about ${numberText(bearable)} connections, both ends`;
  return connections > bearable
    ? lacks('memory', value, `${text}; free memory, or run fewer`)
    : ok('memory', value, text);
}

function ports({ ports: { localMin, localMax, listening } }: DoctorFacts): Finding {
  const outside = 65_535 - 1024 - (localMax - localMin + 1);
  return ok(
    'ports',
    `${localMin}-${localMax} by the kernel`,
    `about ${numberText(outside)} others for each source address, ${listening.size} listeners`,
  );
}

function somaxconn({ somaxconn: value }: DoctorFacts): Finding {
  if (value === undefined) return note('somaxconn', 'unknown', 'this host does not tell');
  return value < SOMAXCONN_MIN
    ? note(
        'somaxconn',
        numberText(value),
        'a fast ramp overflows it; sysctl net.core.somaxconn=4096',
      )
    : ok('somaxconn', numberText(value), 'connections that wait to be accepted');
}

function netdevBacklog({ netdevMaxBacklog: value }: DoctorFacts): Finding {
  const name = 'backlog';
  if (value === undefined) return note(name, 'unknown', 'this host or namespace does not tell');
  const text =
    value <= NETDEV_BACKLOG_MIN
      ? 'a burst on loopback may be dropped; sysctl net.core.netdev_max_backlog=65536'
      : 'packets that wait for the network stack';
  return {
    name,
    value: numberText(value),
    state: value <= NETDEV_BACKLOG_MIN ? 'note' : 'ok',
    text,
  };
}

function ehash({ ehashEntries }: DoctorFacts, connections: number): Finding {
  if (ehashEntries === undefined || ehashEntries <= 0) {
    return note('ehash', 'of the host', 'this namespace shares the table of connections');
  }
  const isSmall = connections * 2 > ehashEntries * CONNECTIONS_PER_BUCKET_MAX;
  const value = `${numberText(ehashEntries)} buckets`;
  return isSmall
    ? note('ehash', value, 'lookups slow down; a namespace with net.ipv4.tcp_child_ehash_entries')
    : ok('ehash', value, 'table of established connections');
}

function store({ chdb }: DoctorFacts): Finding {
  if ('version' in chdb) return ok('store', `chDB ${chdb.version}`, 'history is kept here');
  return note('store', 'none', `${chdb.obstacle}; or name a server in WSAR_CLICKHOUSE_URL`);
}

function perfCounters({ hasPerfCounters, perfParanoid }: DoctorFacts): Finding {
  if (!hasPerfCounters) return note('counters', 'none', 'no hardware counters are visible here');
  const isOpen = perfParanoid !== undefined && perfParanoid <= 1;
  const text = `kernel.perf_event_paranoid is ${perfParanoid ?? 'unknown'}`;
  return isOpen ? ok('counters', 'hardware', text) : note('counters', 'closed', text);
}

function userText(uid: number | undefined): string {
  if (uid === undefined) return 'unknown';
  return uid === 0 ? 'root' : `ordinary (uid ${uid})`;
}

function ok(name: string, value: string, text = ''): Finding {
  return { name, value, state: 'ok', text };
}

function note(name: string, value: string, text: string): Finding {
  return { name, value, state: 'note', text };
}

function lacks(name: string, value: string, text: string): Finding {
  return { name, value, state: 'lacks', text };
}
