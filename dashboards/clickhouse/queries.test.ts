// Every query that ships gives the right answer on both back ends.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStore } from '#core/store/store.ts';
import { type EventLine, ensureSchema, type RowLine } from '#core/store/tables.ts';
import { startClickHouseServer } from '#test/clickhouse-server.ts';
import { startWsar } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const NOW_MS = 1_790_000_000_000;

const ANSWERS: Record<string, unknown[]> = {
  'coverage.sql': [
    { source: 'host', host: 'h', seconds: 9, missing: 1, metrics: 1 },
    { source: 'load', host: 'h', seconds: 10, missing: 0, metrics: 2 },
  ],
  'figures.sql': [
    { source: 'host', metric: 'cpu', seconds: 9, least: 0, mean: 40 / 9, median: 4, most: 9 },
    { source: 'load', metric: 'errors', seconds: 10, least: 0, mean: 0, median: 0, most: 0 },
    { source: 'load', metric: 'rate', seconds: 10, least: 0, mean: 45, median: 50, most: 90 },
  ],
  'time-line.sql': [0, 1, 2, 3, 4, 6, 7, 8, 9].map((value) => ({
    time: new Date(NOW_MS + value * 1000).toISOString().slice(0, 19).replace('T', ' '),
    host: 'h',
    value,
  })),
  'events.sql': [
    { time: '2026-09-21 14:13:20', source: 'lab', kind: 'phase', text: 'steady' },
    { time: '2026-09-21 14:13:21', source: 'server', kind: 'knob', text: 'turned' },
  ],
};

async function startEmbedded(t: TestContext): Promise<{ url: string }> {
  const store = startWsar(t, ['store', '--port', '0']);
  const [, urlFile] = await store.line(/^url-file (.+)$/m);
  return { url: readFileSync(urlFile!, 'utf8').trim() };
}

for (const { name, start, skip } of [
  { name: 'the embedded store', start: startEmbedded, skip: false as const },
  {
    name: 'clickhouse-server',
    start: startClickHouseServer,
    skip: needPrograms('clickhouse-server'),
  },
]) {
  describe(`queries on ${name}`, { skip }, () => {
    test('answer what their first line says', async (t) => {
      const store = await openStore((await start(t)).url);
      t.after(() => store.close());
      await ensureSchema(store);
      const rows = [...tenSeconds('r'), ...tenSeconds('another run')];
      await store.insert('rows', rows);
      await store.insert('rows', rows.slice(5));
      await store.insert('events', EVENTS);
      const files = readdirSync(FOLDER).filter((file) => file.endsWith('.sql'));
      assert.deepEqual(files.sort(), Object.keys(ANSWERS).sort());
      for (const file of files) {
        const sql = readFileSync(`${FOLDER}/${file}`, 'utf8');
        const params = { run: 'r', ...(sql.includes('{metric:') ? { metric: 'cpu' } : {}) };
        assert.deepEqual(await store.query(sql, params), ANSWERS[file], file);
      }
    });
  });
}

/** Source `load` is whole, source `host` lacks second 5. */
function tenSeconds(run_id: string): RowLine[] {
  return Array.from({ length: 10 }, (_, second) => second).flatMap((second) => {
    const line = { run_id, host: 'h', wall_ms: NOW_MS + second * 1000 };
    return [
      { ...line, source: 'load', metric: 'rate', value: second * 10 },
      { ...line, source: 'load', metric: 'errors', value: 0 },
      ...(second === 5 ? [] : [{ ...line, source: 'host', metric: 'cpu', value: second }]),
    ];
  });
}

const EVENTS: EventLine[] = [
  {
    run_id: 'r',
    host: 'h',
    source: 'server',
    wall_ms: NOW_MS + 1000,
    kind: 'knob',
    text: 'turned',
    data: '{}',
  },
  {
    run_id: 'r',
    host: 'h',
    source: 'lab',
    wall_ms: NOW_MS,
    kind: 'phase',
    text: 'steady',
    data: '{}',
  },
  {
    run_id: 'other',
    host: 'h',
    source: 'lab',
    wall_ms: NOW_MS,
    kind: 'note',
    text: 'x',
    data: '{}',
  },
];
