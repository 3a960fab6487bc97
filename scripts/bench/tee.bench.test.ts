import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchTable, benchTee, MODES } from '#scripts/bench/tee.bench.ts';
import { ENGINES } from '#tee-proxy/test/running-tee.ts';

test('the bench of the tee measures every mode (small form)', { timeout: 60_000 }, async () => {
  const size = { engine: ENGINES[0]!, connections: 20, rounds: 1, seconds: 0.2, thinkMs: 0 };
  const rows = await benchTee(size);
  assert.deepEqual(
    rows.map(({ mode }) => mode),
    [...MODES],
  );
  for (const row of rows) {
    assert.ok(row.requestsPerS > 0 && row.latencyUsP50 <= row.latencyUsP99, JSON.stringify(row));
    assert.equal(row.cpuUs > 0, row.mode !== 'direct');
    assert.equal(row.shadowCpuUs > 0, !['direct', 'no shadow'].includes(row.mode), row.mode);
  }
  assert.match(benchTable(rows), /^mode.*\ndirect/);
});
