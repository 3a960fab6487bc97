// The six rows that wsar's author showed of a server with 2.8 million connections (Rick Reed, "Scaling to Millions of
// Simultaneous Connections", 2012, slide 16; read by eye): our whole line prints the same digits in the same
// order, and the identities that hold between wsar's columns hold between ours.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConsoleReport } from '#collector/report/console-report.ts';
import { layoutOf } from '#collector/report/layout.ts';
import type { TickView } from '#collector/tick-view.ts';
import { ROOT } from '#test/command.ts';

/** time | cpu | intr/s | tcp | listen, pcb, conn/s | packets of two devices | vm | files */
const GOLDEN = readFileSync(join(ROOT, 'collector/fixtures/wsar-2012.txt'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(' '));

const mode = (name: string): string => `system.cpu.utilization{cpu.mode=${name}}`;
const segments = (direction: string): string =>
  `network.linux.tcp.segments{direction=${direction}}`;
const bytes = (direction: string): string => `network.linux.ip.bytes{direction=${direction}}`;
const packets = (device: string, direction: string): string =>
  `system.network.packet.count{device=${device},direction=${direction}}`;
const LIMIT = 'system.memory.limit';
const KIB = 1024;

/** wsar's columns in wsar's order: metric, and the factor from what was printed to the metric. */
const COLUMNS: [metric: string, factor: number][] = [
  ['system.cpu.utilization', 0.01],
  [mode('user'), 0.01],
  [mode('nice'), 0.01],
  [mode('system'), 0.01],
  ['system.cpu.linux.interrupts', 0.01],
  [mode('idle'), 0.01],
  ['system.linux.softirqs', 1],
  ['system.linux.interrupts', 1],
  ['system.linux.syscalls', 1],
  ['system.paging.faults', 1],
  ['system.linux.context_switches', 1],
  [segments('out'), 1],
  [bytes('out'), KIB],
  ['network.linux.tcp.retransmit_ratio', 0.01],
  [segments('in'), 1],
  [bytes('in'), KIB],
  ['tcp.listen.overflows', 1],
  ['network.linux.tcp.control_blocks', 1],
  ['tcp.connections.opened', 1],
  [packets('igb0', 'receive'), 1],
  [packets('igb0', 'transmit'), 1],
  [packets('igb1', 'receive'), 1],
  [packets('igb1', 'transmit'), 1],
  ['system.memory.utilization', 0.01],
  ['memory.linux.active', 0.01],
  ['memory.linux.inactive', 0.01],
  ['memory.linux.cached', 0.01],
  ['memory.linux.wired', 0.01],
  ['memory.linux.free', 0.01],
  ['linux.file_descriptors{state=used}', 1],
];
/** Columns of ours that wsar did not have: they print a dash here. */
const OURS = 4;

function printed(golden: readonly string[]): { heads: string[]; cells: string[] } {
  const values = new Map(
    COLUMNS.map(([metric, factor], i) => [metric, Number(golden[i + 1]) * factor]),
  );
  values.set(LIMIT, 1);
  let text = '';
  const report = new ConsoleReport({
    out: (part) => (text += part),
    layout: () => layoutOf(['os'], true, { devices: ['igb0', 'igb1'], disks: [] }),
    terminalLines: () => undefined,
  });
  const frame = { wallMs: 0, tick: 0, missedTicks: 0, intervalUs: 1e6 };
  const view = { frame, value: (metric: string) => values.get(metric) ?? Number.NaN };
  report.row(view as TickView, []);
  const [, heads, row] = text.split('\n').map((line) => line.trim().split(/\s+/));
  return { heads: heads!, cells: row!.slice(1) };
}

for (const golden of GOLDEN) {
  test(`wsar's row of ${golden[0]}: the same digits in the same order`, () => {
    const { heads, cells } = printed(golden);
    const known = cells.filter((cell) => cell !== '-');
    assert.equal(cells.length - known.length, OURS, heads.join(' '));
    assert.deepEqual(known, golden.slice(1));
  });

  test(`wsar's row of ${golden[0]}: util is what is not idle, and what is active or wired`, () => {
    const { heads, cells } = printed(golden);
    const of = (head: string): number => Number(cells[heads.indexOf(head)]);
    const last = (head: string): number => Number(cells[heads.lastIndexOf(head)]);
    const sum = of('%user') + of('%nice') + of('%sys') + of('%intr');
    assert.ok(Math.abs(of('%util') - sum) < 0.15, `${of('%util')} and ${sum}`);
    assert.ok(Math.abs(of('%util') + of('%idle') - 100) < 0.15);
    assert.ok(Math.abs(last('%util') - of('%act') - of('%wire')) < 0.15);
  });
}
