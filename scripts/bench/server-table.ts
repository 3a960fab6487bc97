// What bench:server prints: a table for a person, or one JSON object a broker.

import type { PeerName } from '#scripts/bench/server-peers.ts';

/** All rounds of one broker. Keys of the first three: qos0@4000, qos1@saturated. */
export interface PeerFigures {
  cpuUs: Record<string, number[]>;
  perS: Record<string, number[]>;
  p99Us: Record<string, number[]>;
  logins: number[];
  idleBytes: number[];
  /** CPU of a delivered message by the number of receivers. */
  fanUs: Record<string, number[]>;
  drainPerS: number[];
  drainUs: number[];
}

export interface TablePlan {
  isJson: boolean;
  rates: number[];
  fans: number[];
  head: string;
}

const NAME_WIDTH = 30;
const CELL_WIDTH = 17;
/** Every ratio is to this one. */
const BASE: PeerName = 'mosquitto';

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
  const lines = [plan.head, '', title('', names)];
  const add = (label: string, value: (of: PeerFigures) => number, digits: number): void => {
    lines.push(line(label, figures, value, digits));
  };
  const loads = [...plan.rates.map(String), 'saturated'];
  for (const qos of [0, 1]) {
    for (const load of loads) {
      const key = `qos${qos}@${load}`;
      const per = load === 'saturated' ? '' : '/s';
      add(`QoS ${qos} ${load}${per}: CPU us/msg`, (of) => median(of.cpuUs[key]), 1);
    }
  }
  for (const qos of [0, 1]) {
    add(`QoS ${qos} saturated: msg/s`, (of) => median(of.perS[`qos${qos}@saturated`]), 0);
  }
  for (const rate of plan.rates) {
    add(`QoS 1 ${rate}/s: p99 us`, (of) => median(of.p99Us[`qos1@${rate}`]), 0);
  }
  add('logins/s', (of) => median(of.logins), 0);
  add('idle session: user B', (of) => median(of.idleBytes), 0);
  for (const fan of plan.fans) add(`fan-out ${fan}: CPU us/msg`, (of) => median(of.fanUs[fan]), 1);
  add('drain: msg/s', (of) => median(of.drainPerS), 0);
  add('drain: CPU us/msg', (of) => median(of.drainUs), 1);
  process.stdout.write(`${lines.join('\n')}\n`);
}

function row(server: PeerName, of: PeerFigures): Record<string, unknown> {
  const medians = (all: Record<string, number[]>): Record<string, number> =>
    Object.fromEntries(Object.entries(all).map(([key, values]) => [key, median(values)]));
  return {
    server,
    cpu_us: medians(of.cpuUs),
    messages_per_s: medians(of.perS),
    latency_p99_us: medians(of.p99Us),
    logins_per_s: median(of.logins),
    idle_session_bytes: median(of.idleBytes),
    fan_cpu_us: medians(of.fanUs),
    drain_per_s: median(of.drainPerS),
    drain_cpu_us: median(of.drainUs),
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
