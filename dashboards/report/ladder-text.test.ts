import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loginPace } from '#dashboards/report/ladder-figures.ts';
import { renderLadder } from '#dashboards/report/ladder-page.ts';
import {
  LADDER_SCHEMA,
  type LadderRecord,
  type LadderStep,
} from '#dashboards/report/ladder-record.ts';
import { ladderText, sparkline } from '#dashboards/report/ladder-text.ts';

const STEP: LadderStep = {
  phase: 'kernel',
  engine: 'ring',
  connections: 300_000,
  startedWallMs: 1_795_969_000_000,
  endedWallMs: 1_795_969_100_000,
  outcome: 'held',
  sentence: 'held',
  counts: { generator: 300_000, server: 300_000, sockets: 600_002 },
  loginsPerS: 25_000,
  loginSlices: [
    { users: 100_000, seconds: 4 },
    { users: 200_000, seconds: 5 },
    { users: 300_000, seconds: 4.5 },
  ],
  serverCpuUsPerLogin: 13.1,
  loadCpuUsPerLogin: 9.04,
  serverBytesPerUser: 141.2,
  loadBytesPerUser: 99,
  kernelBytesPerUser: 8300,
  away: { users: 645_000, serverBytesPerUser: 91.2 },
  slabs: [{ name: 'TCP', bytesPerUser: 5040 }],
  freeBytesPerUser: 8600,
  holdS: 60,
  sentPerS: 10_101,
  deliveredPerS: 10_100,
  serverCpuUsPerMessage: 61.23,
  loadCpuUsPerMessage: 50,
  packetsPerS: 90_000,
  latencyUs: { p50: 300, p99: 10_400, p999: 20_000, max: 31_000 },
  latenessUsP99: 900,
  queueLengthMax: 77,
  drain: { queued: 12, predictedS: 0.5, seenS: 0.9 },
  disturbance: null,
  missedTicks: 1,
  freeBytesMin: 2 ** 31,
  serverRssBytes: 3e8,
  loadRssBytes: 2e8,
  messages: { sent: 606_000, received: 606_000, lost: 0, errors: 0, duplicates: 0 },
  clientAddresses: 5,
  socketsBefore: 3,
  socketsAfter: 3,
};
const RECORD: LadderRecord = {
  schema: LADDER_SCHEMA,
  runId: 'run-1',
  name: 'ladder',
  question: 'How many?',
  startedWallMs: 1_795_969_000_000,
  endedWallMs: 1_795_969_200_000,
  command: 'wsar run ladder.yaml',
  host: { name: 'secret-name', cpus: 2, memoryBytes: 24 * 1024 ** 3, kernel: '6.18' },
  plan: {},
  engines: { server: 'ring' },
  steps: [
    STEP,
    {
      ...STEP,
      connections: 400_000,
      outcome: 'stopped',
      sentence: 'only 200 MiB were free',
      drain: null,
    },
  ],
  comparisons: [],
  phases: [{ name: 'kernel', reached: 300_000, sentence: 'the step to 400,000: only 200 MiB' }],
  restored: {
    settingsCompared: 1146,
    settingsChanged: ['net/core/somaxconn: 4096 before, 7 after'],
    sockets: [10, 11],
    freeBytes: [2 ** 34, 2 ** 34],
    devices: [3, 3],
    namespace: 'net:[1]',
    isNamespaceGone: true,
  },
  reached: 300_000,
  sentence: 'Held 300,000 users; ended because memory.',
  leftOut: [],
  series: {
    wallMs: [1_795_969_000_000, 1_795_969_001_000],
    serverCpuPercent: [10, 20],
    latencyP50Us: [null, 300],
    latencyP99Us: [null, 10_400],
    deliveredPerS: [0, 10_100],
    queueLength: [0, 77],
    connections: [0, 300_000],
  },
};

test('page and text of a ladder hold every figure, and not the name of the host', () => {
  const text = ladderText([RECORD], 'npm run two-million');
  for (const said of [
    '300,000 users logged in over MQTT and held for 60 s: 25,000 logins/s, 10,100 messages/s',
    'No 100,000 logins took more than 1.25 times those before.',
    '| 300,000 | kernel: ring | held | 25,000 | 40.0 | 13.1 | 9.0 | 20,000 | 1.25 x | 5 |',
    '| 400,000 | kernel: ring | only 200 MiB were free |',
    '| 300,000 | kernel: ring | 141 | 645,000 at 91 | 99 | 8,300 | 8,600 | 300 | 200 | 2.00 | 0 |',
    '| 300,000 | kernel: ring | 77 | 12 | 0.5 | 0.9 | 606,000 | 0 | 0 | 0 | 1 of 100 (1.0 %) |',
    '| **wsar, kernel** | **300,000** | 2 | 24 | 150,000 | 12,500 |',
    '| WhatsApp, peak, 2012 | 2,800,000 | 24 | 96 | 116,667 | 29,167 |',
    '| logical CPUs | 2 |',
    '| memory | 24 GiB |',
    'net/core/somaxconn: 4096 before, 7 after',
    'wsar run ladder.yaml',
  ]) {
    assert.ok(text.includes(said), `'${said}' is not in\n${text}`);
  }
  assert.ok(!text.includes('secret-name'));
  const html = renderLadder(RECORD);
  for (const said of ['Held 300,000 users', '1.25 x', 'only 200 MiB were free', 'somaxconn']) {
    assert.ok(html.includes(said), said);
  }
});

test('a fill beyond a million tells of its first million beside the whole', () => {
  const seconds = [2, 2.4, 2, 2, 2, 2, 2, 2, 2, 2, 3];
  const loginSlices = seconds.map((each, index) => ({ users: (index + 1) * 1e5, seconds: each }));
  const text = ladderText(
    [{ ...RECORD, steps: [{ ...STEP, loginSlices }] }],
    'npm run two-million',
  );
  const said =
    'took more than 1.50 times those before; up to 1,000,000 users 1.20 times, and none came at less than 41,667/s.';
  assert.ok(text.includes(said), text);
});

test('a sparkline keeps the peak of each piece of time', () => {
  const values = Array.from({ length: 960 }, (_, index) =>
    index === 500 ? 8 : index < 10 ? null : 1,
  );
  const { bars, most } = sparkline(values);
  assert.equal(most, 8);
  assert.equal(bars.length, 96);
  assert.equal(bars[0], ' ');
  assert.equal(bars[50], '█');
  assert.equal(bars[1], '▂');
});

test('the pace of logins counts a slice by its own users, also where the first could not be timed', () => {
  const loginSlices = [
    { users: 200_000, seconds: 4 },
    { users: 300_000, seconds: 5 },
  ];
  assert.deepEqual(loginPace({ loginSlices }), { slowestPerS: 20_000, slowedBy: 1.25 });
});
