import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricDef, Row } from '#core/metric/row.ts';
import { SourceState } from '#tui/model/source-state.ts';
import { decaysPanel } from '#tui/view/panel/decays-panel.ts';
import type { Scene } from '#tui/view/scene.ts';
import { themeOf } from '#tui/view/theme.ts';

test('figures of several devices say which one they are of', () => {
  const names = ['packets{direction=receive,device=eth0}', 'packets{device=lo}', 'plain'];
  const metrics = names.map(
    (name): MetricDef => ({
      name,
      short: 'rxd',
      unit: '{packet}/s',
      kind: 'gauge',
      help: '',
      decays: true,
    }),
  );
  const host = new SourceState('h', 'host');
  host.takeSchema(metrics);
  const row: Row = {
    wallMs: 1000,
    tick: 0,
    missedTicks: 0,
    intervalUs: 1e6,
    values: Object.fromEntries(names.map((name) => [name, 1])),
    decays: Object.fromEntries(names.map((name) => [name, [1, 2, 3]])),
  };
  host.takeRow(row, 1);
  const moment = { nowUs: 1, wallMs: 1000, selfPercent: 0 };
  const scene = { host, servers: [], loads: [], tees: [], theme: themeOf('braille'), moment };
  const lines = decaysPanel(scene as unknown as Scene, 56, 5)
    .lines()
    .map((line) => line.slice(0, 10).trim());
  assert.deepEqual(lines, ['metric', 'rxd eth0', 'rxd lo', 'rxd', '']);
});
