// Rows as server, generator and collector tell them, made up for tests: steady figures from second to
// second, and a histogram of as many messages as were delivered.

import { createHistogram } from '#core/metric/histogram.ts';
import type { Row } from '#core/metric/row.ts';

export const START_MS = 1_700_000_000_000;

export interface SteadyLoad {
  messagesPerS: number;
  cpuUsPerMessage: number;
  latencyUs: number;
  latenessUs: number;
  sessions: number;
}

export const STEADY: SteadyLoad = {
  messagesPerS: 2000,
  cpuUsPerMessage: 50,
  latencyUs: 800,
  latenessUs: 100,
  sessions: 500,
};

/** The row of `second` seconds after START_MS. */
export function serverRow(second: number, load: SteadyLoad = STEADY): Row {
  const messages = load.messagesPerS * second;
  return row(second, {
    'wsar.server.messages.delivered': messages,
    'wsar.server.cpu_us': messages * load.cpuUsPerMessage,
    'wsar.server.sessions': load.sessions,
    'wsar.server.connections': load.sessions,
    'wsar.server.queue.length': 0,
    'wsar.server.loop.enters': messages * 2,
    'wsar.server.loop.sends': messages * 3,
  });
}

export function loadRow(second: number, load: SteadyLoad = STEADY): Row {
  const messages = load.messagesPerS * second;
  const histogram = (us: number): string => {
    const made = createHistogram();
    for (let index = 0; index < load.messagesPerS; index++) made.record(us);
    return made.encode();
  };
  return {
    ...row(second, {
      'wsar.load.connections.logged_in': load.sessions,
      'wsar.load.messages.planned': messages,
      'wsar.load.messages.sent': messages,
      'wsar.load.cpu_us': messages * 30,
      'wsar.load.latency_us.p50': load.latencyUs / 2,
      'wsar.load.latency_us.p99': load.latencyUs,
    }),
    histograms: {
      latency: histogram(load.latencyUs),
      service: histogram(load.latencyUs),
      lateness: histogram(load.latenessUs),
    },
  };
}

export function hostRow(
  second: number,
  stealRatio = 0,
  softnetDropsPerS = 0,
  busyRatio = 0.2,
): Row {
  return row(second, {
    'system.cpu.utilization': busyRatio,
    'system.cpu.utilization{cpu.mode=steal}': stealRatio,
    'network.linux.softnet.dropped': softnetDropsPerS,
  });
}

function row(second: number, values: Row['values']): Row {
  return {
    wallMs: START_MS + second * 1000,
    tick: second,
    missedTicks: 0,
    intervalUs: 1e6,
    values,
  };
}
