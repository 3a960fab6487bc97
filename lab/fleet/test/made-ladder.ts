// A record of a ladder with round figures, for tests of what is computed from it.

import {
  LADDER_SCHEMA,
  type LadderRecord,
  type LadderStep,
} from '#dashboards/report/ladder-record.ts';
import { EMPTY_SERIES } from '#dashboards/report/run-record.ts';

export function madeStep(changes: Partial<LadderStep> = {}): LadderStep {
  return {
    phase: '',
    engine: 'stack',
    connections: 1_000_000,
    startedWallMs: 0,
    endedWallMs: 100_000,
    outcome: 'held',
    sentence: 'held',
    counts: { generator: 1_000_000, server: 1_000_000, sockets: 1_000_000 },
    loginsPerS: 50_000,
    loginSlices: [],
    serverCpuUsPerLogin: 20,
    loadCpuUsPerLogin: 15,
    serverBytesPerUser: 200,
    loadBytesPerUser: 180,
    kernelBytesPerUser: 4000,
    away: null,
    slabs: [],
    freeBytesPerUser: 4500,
    holdS: 60,
    sentPerS: 10_000,
    deliveredPerS: 10_000,
    serverCpuUsPerMessage: 50,
    loadCpuUsPerMessage: 40,
    packetsPerS: 80_000,
    latencyUs: { p50: 1000, p99: 5000, p999: 9000, max: 20_000 },
    latenessUsP99: 100,
    queueLengthMax: 0,
    drain: null,
    disturbance: null,
    missedTicks: 0,
    freeBytesMin: 10e9,
    serverRssBytes: 400e6,
    loadRssBytes: 300e6,
    messages: { sent: 600_000, received: 600_000, lost: 0, errors: 0, duplicates: 0 },
    clientAddresses: 50,
    socketsBefore: 0,
    socketsAfter: 0,
    ...changes,
  };
}

export function madeLadder(changes: Partial<LadderRecord> = {}): LadderRecord {
  return {
    schema: LADDER_SCHEMA,
    runId: 'made',
    name: 'made',
    question: '?',
    startedWallMs: 0,
    endedWallMs: 100_000,
    command: 'wsar run made.yaml',
    host: { name: 'made', cpus: 2, memoryBytes: 24e9 },
    plan: {},
    engines: { server: 'ring' },
    steps: [madeStep()],
    comparisons: [],
    phases: [],
    restored: null,
    reached: 1_000_000,
    sentence: 'Held 1,000,000 users.',
    leftOut: [],
    series: EMPTY_SERIES,
    ...changes,
  };
}
