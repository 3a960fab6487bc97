// A run record with everything in it, made up but consistent: B is cheaper by a tenth, one block was unfit.

import {
  type BlockRecord,
  type Estimate,
  RECORD_SCHEMA,
  type RunRecord,
} from '#dashboards/report/run-record.ts';

const START = Date.UTC(2026, 10, 23, 9, 15, 2);
const PAIRS = 8;
const BLOCK_MS = 6000;

export function sampleRecord(changes: Partial<RunRecord> = {}): RunRecord {
  const blocks = Array.from({ length: PAIRS * 2 }, (_, index) => block(index));
  const seconds = 20 + (PAIRS * 2 * BLOCK_MS) / 1000 + 5;
  return {
    schema: RECORD_SCHEMA,
    runId: '20261123-091502-first-loop-3f9a',
    name: 'first-loop',
    question: 'Does the server do better when it writes once per turn of its loop, or at once?',
    startedWallMs: START,
    endedWallMs: START + seconds * 1000,
    command: 'wsar run lab/experiments/first-loop.yaml',
    experiment: { version: 1, name: 'first-loop', seed: 20120206 },
    workload: {
      connections: 25_000,
      ratePerS: 2000,
      rampPerS: 5000,
      payloadBytes: 64,
      workers: 2,
      engine: 'ring',
    },
    turned: { owner: 'server', name: 'write.flush', a: 'turn', b: 'immediate' },
    design: { type: 'abba', pairs: PAIRS, washoutMs: 2000, measureMs: 4000, alpha: 0.01 },
    sizing: ['25,000 connections: 12,500 a core on 2 cores'],
    leftOut: ['perf counters: this kernel shows none'],
    host: {
      cpu: 'Example CPU',
      cores: 2,
      memoryBytes: 24_000_000_000,
      virtual: true,
      serial: null,
    },
    knobs: { 'server/write.flush': KNOB },
    spinUs: 1002,
    counts: {
      wanted: 25_000,
      generator: 25_000,
      server: 25_000,
      sockets: 50_004,
      agree: true,
      sentence:
        'generator 25,000, server 25,000, sockets 50,004 for both ends (4 of other programs)',
    },
    blocks,
    metrics: METRICS,
    validity: [
      {
        name: 'lateness',
        what: 'generator late, p99',
        unit: 'ms',
        limit: 20,
        worst: 3.2,
        failedBlocks: 1,
        isOk: true,
        note: '',
      },
    ],
    coverage: {
      from: 'store',
      sources: [{ source: 'server', expectedSeconds: 121, presentSeconds: 121, missedTicks: 0 }],
      missingRatio: 0,
      isOk: true,
      sentence: '363 of 363 rows of 3 sources in the store',
    },
    verdict: {
      verdict: 'better',
      sentence:
        'write.flush = immediate is better than turn: cpu.us_per_msg -10 % (-12 % to -7.5 %), 8 pairs.',
      interval: 'B/A 0.900, 98.4 % interval 0.880 .. 0.925',
    },
    cut: null,
    series: series(seconds),
    events: blocks.map(({ startWallMs, variant }) => ({
      wallMs: startWallMs - 2000,
      kind: 'knob',
      text: `write.flush turned to ${variant}`,
    })),
    ...changes,
  };
}

const KNOB: RunRecord['knobs'][string] = {
  def: {
    name: 'write.flush',
    type: { kind: 'enum', values: ['turn', 'immediate'] },
    unit: '',
    default: 'turn',
    help: '',
  },
  value: 'turn',
  appliedWallMs: START,
  by: 'start',
  id: '',
};

const METRICS: RunRecord['metrics'] = [
  {
    name: 'cpu.us_per_msg',
    what: 'CPU time of the server for a delivered message',
    unit: 'us',
    role: 'primary',
    better: 'lower',
    margin: 0.03,
    medianA: 62.1,
    medianB: 55.9,
    estimate: estimate('better', 0.9, 0.88, 0.925),
    reason: 'lower by more than the margin of 3 %',
  },
  {
    name: 'latency.p99',
    what: '99 % of messages arrive within this time of their intended sending',
    unit: 'us',
    role: 'guardrail',
    better: 'lower',
    margin: 0.1,
    medianA: 1830,
    medianB: 1880,
    estimate: estimate('inconclusive', 1.03, 0.95, 1.14),
    reason: 'the interval reaches across the margin of 10 %',
  },
];

function estimate(
  judgement: 'better' | 'inconclusive',
  ratio: number,
  low: number,
  high: number,
): Estimate {
  return {
    judgement,
    ratio,
    low,
    high,
    coverage: 0.984,
    pAbove: 0.99,
    pBelow: 0.0039,
    pairs: PAIRS,
  };
}

function isB(index: number): boolean {
  return [1, 2].includes(index % 4);
}

/** Looks like noise and is the same every time. */
function wobble(index: number): number {
  return Math.sin(index * 12.9898) * 0.03;
}

function block(index: number): BlockRecord {
  const startWallMs = START + 20_000 + index * BLOCK_MS + 2000;
  const cost = (isB(index) ? 55.9 : 62.1) * (1 + wobble(index));
  return {
    index,
    pair: index >> 1,
    variant: isB(index) ? 'b' : 'a',
    knobValue: isB(index) ? 'immediate' : 'turn',
    startWallMs,
    endWallMs: startWallMs + 4000,
    isRepeat: false,
    values: { 'cpu.us_per_msg': cost, 'latency.p99': 1850 * (1 + 3 * wobble(index + 7)) },
    notEstimable: {},
    flaws: index === 5 ? ['generator late, p99: 31 ms, at most 20 ms'] : [],
    checks: { lateness: index === 5 ? 31 : 1.2 },
    delivered: 8000,
    sent: 8000,
    histograms: {},
  };
}

function series(seconds: number): RunRecord['series'] {
  const at = Array.from({ length: seconds }, (_, index) => index);
  const steady = (index: number, value: number): number | null =>
    index < 8 ? null : value * (1 + 2 * wobble(index));
  return {
    wallMs: at.map((index) => START + index * 1000),
    serverCpuPercent: at.map((index) => steady(index, isB(Math.floor((index - 20) / 6)) ? 11 : 13)),
    latencyP50Us: at.map((index) => steady(index, 420)),
    latencyP99Us: at.map((index) => steady(index, 1850)),
    deliveredPerS: at.map((index) => steady(index, 2000)),
    queueLength: at.map(() => 0),
    connections: at.map((index) => Math.min(25_000, index * 5000)),
  };
}
