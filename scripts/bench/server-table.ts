// What bench:server and bench:peers print: a table for a person, or one JSON object a broker.

import { loadavg } from 'node:os';
import { type LoadSize, OFFLINE_USERS, type PeerFigures } from '#scripts/bench/server-measures.ts';
import { OURS, type PeerName, versionOf } from '#scripts/bench/server-peers.ts';

export interface TablePlan {
  isJson: boolean;
  size: LoadSize;
  head: string[];
}

const NAME_WIDTH = 30;
const CELL_WIDTH = 17;
/** Every ratio is to this one. */
const BASE: PeerName = 'mosquitto';
/** Below this share of its core the server waited for the client when the limit was reached. */
const BUSY_RATIO_MIN = 0.85;

/** What ours is to need at most of what another needs, and of what. */
const AIMS: { what: string; value: (of: PeerFigures) => number; of: PeerName; ratio: number }[] = [
  { what: 'CPU of a QoS 1 message, saturated', value: busyCpuUs, of: 'mosquitto', ratio: 0.4 },
  { what: 'CPU of a QoS 1 message, saturated', value: busyCpuUs, of: 'aedes', ratio: 0.25 },
  { what: 'memory of an idle session', value: idleBytes, of: 'mosquitto', ratio: 0.2 },
  { what: 'memory of an idle session', value: idleBytes, of: 'aedes', ratio: 0.02 },
];

/** NaN of nothing. */
export function median(values: readonly number[] | undefined): number {
  const sorted = [...(values ?? [])].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function printTable(figures: Map<PeerName, PeerFigures>, plan: TablePlan): void {
  if (plan.isJson) {
    for (const [server, of] of figures)
      process.stdout.write(`${JSON.stringify(row(server, of))}\n`);
    return;
  }
  const names = [...figures.keys()];
  const { rates, fans, searchSteps } = plan.size;
  const lines = [...plan.head, '', title('', names)];
  const add = (label: string, value: (of: PeerFigures) => number, digits: number): void => {
    const isMeasured = [...figures.values()].some((of) => !Number.isNaN(value(of)));
    if (isMeasured) lines.push(line(label, figures, value, digits));
  };
  const loads = [...rates.map(String), 'saturated', 'chained'];
  for (const qos of [0, 1]) {
    for (const load of loads) {
      const key = `qos${qos}@${load}`;
      const per = Number.isNaN(Number(load)) ? '' : '/s';
      add(`QoS ${qos} ${load}${per}: CPU us/msg`, (of) => median(of.cpuUs[key]), 1);
    }
  }
  for (const qos of [0, 1]) {
    add(`QoS ${qos} saturated: msg/s`, (of) => median(of.perS[`qos${qos}@saturated`]), 0);
  }
  for (const rate of rates) {
    add(`QoS 1 ${rate}/s: p99 us`, (of) => median(of.p99Us[`qos1@${rate}`]), 0);
  }
  if (searchSteps > 0) {
    add('QoS 1 limit, by search: msg/s', (of) => limit(of, 'perS'), 0);
    add('  server CPU of a core then', (of) => limit(of, 'serverCpuRatio'), 2);
    add('  half of it: p99 us', (of) => limit(of, 'halfP99Us'), 0);
    add('  half of it: CPU us/msg', (of) => limit(of, 'halfCpuUs'), 1);
  }
  add('logins/s', (of) => median(of.logins), 0);
  add('idle session: user B', idleBytes, 0);
  for (const fan of fans) add(`fan-out ${fan}: CPU us/msg`, (of) => median(of.fanUs[fan]), 1);
  add('drain: msg/s', (of) => median(of.drainPerS), 0);
  add('drain: CPU us/msg', (of) => median(of.drainUs), 1);
  process.stdout.write(`${lines.join('\n')}\n`);
}

export function headLine({ users, rounds, seconds, idle, stored }: LoadSize): string {
  const load = loadavg()[0]!.toFixed(1);
  return (
    `${users} users one to one, 64 B, ${rounds} interleaved rounds of ${seconds} s, medians, load average ${load}; ` +
    `idle: ${idle} sessions with one subscription; ` +
    `drain: ${stored} QoS 1 messages of ${OFFLINE_USERS} users`
  );
}

export function versionLines(names: PeerName[]): string[] {
  return names.map((name) => `${name}: ${versionOf(name)}; ${SETTINGS[name]}`);
}

/** How each differs from what its package brings; docs/decisions has the reasons. */
const SETTINGS: Record<PeerName, string> = {
  ring: 'serve --engine ring --workers 1 --users 2N --mailbox 100000',
  'ring-1ms': 'serve --engine ring --gather 1000 --workers 1 --users 2N --mailbox 100000',
  epoll: 'serve --engine epoll --workers 1 --users 2N --mailbox 100000',
  net: 'serve --engine net --workers 1 --users 2N --mailbox 100000',
  mosquitto: 'persistence false, set_tcp_nodelay true, max_queued_messages 100000, log_type none',
  rabbitmq: 'MQTT plugin alone, mqtt.prefetch 20, +S 1:1 +sbwt none, no log',
  ejabberd: 'mod_mqtt alone, max_queue 100000, one account, +S 1:1 +sbwt none, loglevel 1',
  aedes: 'as its package comes, in memory, TCP_NODELAY',
};

/** How far ours is from what it aims at, a sentence each. */
export function aimLines(figures: Map<PeerName, PeerFigures>): string[] {
  return AIMS.flatMap(({ what, value, of, ratio }) => {
    const base = figures.get(of);
    if (base === undefined || Number.isNaN(value(base))) return [];
    return OURS.filter((name) => figures.has(name)).map((name) => {
      const own = value(figures.get(name)!) / value(base);
      const verdict = own <= ratio ? 'reached' : 'not reached';
      return `${name} to ${of}, ${what}: ${own.toFixed(3)}, aim at most ${ratio}: ${verdict}`;
    });
  });
}

function busyCpuUs(of: PeerFigures): number {
  return median(of.cpuUs['qos1@saturated']);
}

function idleBytes(of: PeerFigures): number {
  return median(of.idleBytes);
}

function limit(of: PeerFigures, key: keyof PeerFigures['limits'][number]): number {
  return median(of.limits.map((found) => found[key]));
}

function row(server: PeerName, of: PeerFigures): Record<string, unknown> {
  const medians = (all: Record<string, number[]>): Record<string, number> =>
    Object.fromEntries(Object.entries(all).map(([key, values]) => [key, median(values)]));
  return {
    server,
    version: versionOf(server),
    settings: SETTINGS[server],
    cpu_us: medians(of.cpuUs),
    messages_per_s: medians(of.perS),
    latency_p99_us: medians(of.p99Us),
    logins_per_s: median(of.logins),
    idle_session_bytes: idleBytes(of),
    fan_cpu_us: medians(of.fanUs),
    drain_per_s: median(of.drainPerS),
    drain_cpu_us: median(of.drainUs),
    limit_per_s: limit(of, 'perS'),
    limit_server_cpu_ratio: limit(of, 'serverCpuRatio'),
    limit_is_client: limit(of, 'serverCpuRatio') < BUSY_RATIO_MIN,
    half_limit_p99_us: limit(of, 'halfP99Us'),
    half_limit_cpu_us: limit(of, 'halfCpuUs'),
  };
}

function title(label: string, names: string[]): string {
  return label.padEnd(NAME_WIDTH) + names.map((name) => name.padStart(CELL_WIDTH)).join('');
}

/** A figure of each broker, and in brackets its ratio to mosquitto's. */
function line(
  label: string,
  figures: Map<PeerName, PeerFigures>,
  value: (of: PeerFigures) => number,
  digits: number,
): string {
  const base = figures.has(BASE) ? value(figures.get(BASE)!) : Number.NaN;
  const cells = [...figures.values()].map((of) => {
    const own = value(of);
    if (Number.isNaN(own)) return '-';
    const ratio = own / base;
    return own.toFixed(digits) + (Number.isFinite(ratio) ? ` (${ratio.toFixed(2)})` : '');
  });
  return label.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(CELL_WIDTH)).join('');
}
