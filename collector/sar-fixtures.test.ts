// What happens to counters in bad moments, beside sar: where sar's answer is defined, ours is the same; where
// sar prints something that was not (0 after a reset, the whole count of a new device), ours is not known.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type CpuTicks,
  DEVICE_HEADER,
  deviceText,
  type ProcTree,
  pairText,
  softnetLine,
  statText,
} from '#collector/test/proc-tree.ts';
import { differences, type Pair, replay, replayObstacle } from '#collector/test/replay-sar.ts';

interface Case {
  what: string;
  activities: string;
  cpus: number;
  write: (tree: ProcTree, s: number) => void;
  same: Pair[];
  /** Metrics that are not known in that interval. */
  unknown: string[];
}

const MODES = [
  ['%usr', 'user'],
  ['%nice', 'nice'],
  ['%sys', 'system'],
  ['%iowait', 'iowait'],
  ['%steal', 'steal'],
  ['%irq', 'interrupt'],
  ['%soft', 'softirq'],
  ['%idle', 'idle'],
] as const;

/** Every share of one CPU, or of all. */
const cpuPairs = (cpu: number | 'all'): Pair[] =>
  MODES.map(([column, mode]) => [
    `${cpu} ${column}`,
    `system.cpu.utilization{cpu.mode=${mode}${cpu === 'all' ? '' : `,cpu=${cpu}`}}`,
    100,
  ]);

/** What CPU `n` has done after `s` seconds: each something else, 100 ticks a second. */
function ticksOf(n: number, s: number): CpuTicks {
  const passed = [
    10 + (n % 40),
    n % 3,
    12,
    60 - (n % 40) - (n % 3) - (n % 5),
    n % 5,
    2,
    7,
    9,
    0,
    0,
  ];
  return passed.map((ticks, i) => 1000 + 17 * i + n + ticks * s);
}

function cpuText(count: number, s: number, ctxt: string, off: readonly number[] = []): string {
  const numbers = Array.from({ length: count }, (_, n) => n);
  const all = numbers.map((n) => ticksOf(n, off.includes(n) ? 0 : s));
  const online = numbers.filter((n) => s === 0 || !off.includes(n));
  const text = statText({ cpus: Object.fromEntries(online.map((n) => [n, all[n]!])), ctxt });
  // The first line counts every CPU there ever was, as the kernel does.
  const total = all[0]!.map((_, i) => all.reduce((sum, ticks) => sum + ticks[i]!, 0));
  return text.replace(/^cpu {2}.*/, `cpu  ${total.join(' ')}`);
}

const tcpText = (outSegs: number, inSegs: number): string =>
  pairText('Tcp', {
    RtoAlgorithm: 1,
    RtoMin: 200,
    RtoMax: 120_000,
    MaxConn: -1,
    ActiveOpens: 5,
    PassiveOpens: 5,
    AttemptFails: 0,
    EstabResets: 0,
    CurrEstab: 7,
    InSegs: inSegs,
    OutSegs: outSegs,
    RetransSegs: 0,
    InErrs: 0,
    OutRsts: 0,
    InCsumErrors: 0,
  });

const segments = (direction: string): string =>
  `network.linux.tcp.segments{direction=${direction}}`;
const packets = (device: string): string =>
  `system.network.packet.count{device=${device},direction=receive}`;
const softnet = (what: string): string => `network.linux.softnet.${what}`;
const CSWCH: Pair = ['cswch/s', 'system.linux.context_switches', 1];

const CASES: Case[] = [
  {
    what: '64 CPUs, each with another load',
    activities: '-u ALL -P ALL',
    cpus: 64,
    write: (tree, s) => tree.write('stat', cpuText(64, s, `${1000 + 5 * s}`)),
    same: [CSWCH, ...cpuPairs('all'), ...cpuPairs(0), ...cpuPairs(37), ...cpuPairs(63)],
    unknown: [],
  },
  {
    what: 'a CPU that is switched off',
    activities: '-u ALL -P ALL',
    cpus: 4,
    write: (tree, s) => tree.write('stat', cpuText(4, s, `${1000 + 5 * s}`, [2])),
    same: [CSWCH, ...cpuPairs('all'), ...cpuPairs(0), ...cpuPairs(3)],
    unknown: ['system.cpu.utilization{cpu.mode=user,cpu=2}', 'system.cpu.utilization{cpu=2}'],
  },
  {
    what: 'counters of 32 bits that wrap, and of 64 bits beyond what a double can count',
    activities: '-P ALL -n SOFT',
    cpus: 2,
    write: (tree, s) => {
      tree.write('stat', cpuText(2, s, `${9_007_199_254_740_993n + 12_345n * BigInt(s)}`));
      const wrapped = (0xffff_ff00 + 1000 * s) % 2 ** 32;
      tree.write(
        'net/softnet_stat',
        softnetLine(0, wrapped, 3 * s, 5 * s) + softnetLine(1, 7, 0, 0),
      );
    },
    same: [
      CSWCH,
      ['0 total/s', `${softnet('processed')}{cpu=0}`, 1],
      ['0 dropd/s', `${softnet('dropped')}{cpu=0}`, 1],
      ['0 squeezd/s', `${softnet('squeezed')}{cpu=0}`, 1],
    ],
    unknown: [],
  },
  {
    what: 'a counter that starts over',
    activities: '-n TCP',
    cpus: 2,
    write: (tree, s) => {
      tree.write('stat', cpuText(2, s, `${1000 + 5 * s}`));
      tree.write('net/snmp', tcpText(s === 0 ? 9_000_000 : 12, 500 + 250 * s));
    },
    same: [CSWCH, ['iseg/s', segments('in'), 1]],
    unknown: [segments('out')],
  },
  {
    what: 'a device that vanishes and one that appears',
    activities: '-n DEV',
    cpus: 2,
    write: (tree, s) => {
      tree.write('stat', cpuText(2, s, `${1000 + 5 * s}`));
      const counts = [0, 70 + 40 * s];
      const moved = s === 0 ? 'eth1' : 'eth2';
      tree.write(
        'net/dev',
        DEVICE_HEADER +
          ['lo', 'eth0', moved].map((name) => deviceText(name, counts, counts)).join(''),
      );
    },
    same: [CSWCH, ['lo rxpck/s', packets('lo'), 1], ['eth0 rxpck/s', packets('eth0'), 1]],
    unknown: [packets('eth1'), packets('eth2')],
  },
  {
    what: 'files cut off in the middle of a line',
    activities: '-B -n TCP',
    cpus: 2,
    write: (tree, s) => {
      tree.write('stat', cpuText(2, s, `${1000 + 5 * s}`));
      tree.write('net/snmp', tcpText(100 + 30 * s, 500).slice(0, s === 0 ? undefined : 150));
      const vmstat = `pgpgin ${1024 * s}\npgpgout ${2048 * s}\npgfault ${500 + 7 * s}\npgmajfault 9\n`;
      tree.write('vmstat', s === 0 ? vmstat : vmstat.slice(0, vmstat.indexOf('pgfault') + 4));
    },
    same: [
      CSWCH,
      ['pgpgin/s', 'system.paging.io{direction=in}', 1 / 1024],
      ['pgpgout/s', 'system.paging.io{direction=out}', 1 / 1024],
    ],
    unknown: [segments('out'), 'system.paging.faults', 'system.paging.faults{type=major}'],
  },
  {
    what: 'files that are missing',
    activities: '-u ALL',
    cpus: 2,
    write: (tree, s) => {
      tree.write('stat', cpuText(2, s, `${1000 + 5 * s}`));
      if (s > 0) return;
      for (const file of [
        'net/snmp',
        'net/netstat',
        'net/softnet_stat',
        'vmstat',
        'net/sockstat',
      ]) {
        tree.remove(file);
      }
    },
    same: [CSWCH, ...cpuPairs('all')],
    unknown: [segments('out'), 'system.paging.faults', softnet('processed')],
  },
];

async function check(t: TestContext, { activities, cpus, write, same, unknown }: Case) {
  const replayed = await replay(t, activities, cpus, write);
  assert.deepEqual(differences(replayed, same), []);
  const known = unknown.filter((metric) => !Number.isNaN(replayed.ours.value(metric)));
  assert.deepEqual(known, [], 'what cannot be known is not shown');
}

test('sar and we in bad moments', { skip: replayObstacle(), concurrency: true }, async (t) => {
  await Promise.all(CASES.map((each) => t.test(each.what, (u) => check(u, each))));
});
