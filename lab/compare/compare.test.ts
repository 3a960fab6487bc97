import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RunRecord } from '#dashboards/report/run-record.ts';
import { sampleRecord } from '#dashboards/report/test/sample-record.ts';
import { compareRuns } from '#lab/compare/compare-runs.ts';
import { type Gate, judgeGate } from '#lab/gate-command.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';

/** The sample run with every cost multiplied. */
function scaled(
  factor: number,
  changes: Partial<RunRecord> = {},
  metric = 'cpu.us_per_msg',
): RunRecord {
  const record = sampleRecord({ runId: `run-${factor}-${metric}`, ...changes });
  for (const block of record.blocks) block.values[metric] = block.values[metric]! * factor;
  return record;
}

async function runPair(
  t: TestContext,
  name: 'compare' | 'gate',
  base: unknown,
  head: unknown,
  ...options: string[]
): Promise<{ code: number; out: string; error: string }> {
  const folder = temporaryFolder(t);
  for (const [index, record] of [base, head].entries()) {
    mkdirSync(join(folder, String(index)));
    writeFileSync(join(folder, String(index), 'record.json'), JSON.stringify(record));
  }
  const command = startWsar(t, [name, join(folder, '0'), join(folder, '1'), ...options]);
  const code = await command.exit();
  return { code, out: command.stdout(), error: command.stderr() };
}

const gate = (base: RunRecord, head: RunRecord): Gate => judgeGate(compareRuns(base, head));

test('gate: the same figures pass, a dearer HEAD is a regression, a cheaper one passes', () => {
  assert.match(gate(scaled(1), scaled(1.001)).sentence, /^pass: equivalent/);
  assert.deepEqual(gate(scaled(1), scaled(1.1)), {
    exitCode: 11,
    sentence: 'regression: cpu.us_per_msg +10.0 %',
  });
  assert.match(gate(scaled(1), scaled(0.9)).sentence, /^pass: better/);
});

test('gate: a guardrail that became worse is a regression', () => {
  const { exitCode, sentence } = gate(scaled(1), scaled(1.3, {}, 'latency.p99'));
  assert.deepEqual([exitCode, sentence], [11, 'regression: latency.p99 +30 %']);
});

test('gate: figures that scatter across the margin are inconclusive', () => {
  const head = scaled(1);
  for (const { values, pair } of head.blocks) {
    values['cpu.us_per_msg'] = values['cpu.us_per_msg']! * (1 + ((pair % 3) - 1) * 0.15);
  }
  assert.equal(gate(scaled(1), head).exitCode, 12);
});

test('gate: what must be the same and is not makes it invalid', () => {
  const verdict = { verdict: 'invalid' as const, sentence: 'No verdict: noise.', interval: '' };
  const { workload, host, blocks } = sampleRecord();
  const busy = blocks.map((block) => ({ ...block, checks: { others: 40 } }));
  const voids: [Partial<RunRecord>, RegExp][] = [
    [
      { workload: { ...workload, connections: 10 } },
      /the workload differs: connections was 25000 and is 10/,
    ],
    [
      { cut: { cause: 'part-lost', sentence: 'The server died.' } },
      /HEAD was cut: The server died/,
    ],
    [{ verdict }, /HEAD is invalid: No verdict: noise/],
    [{ spinUs: 1102.2 }, /the machine ran at another speed: a fixed calculation took \+10/],
    [{ host: { ...host, cores: 4 } }, /the host differs: cores was 2 and is 4/],
    [{ blocks: busy }, /the host was not as busy: other programs took 0 % of the CPU, then 40 %/],
    [{ metrics: [] }, /the primary metric has no values/],
  ];
  for (const [changes, reason] of voids) {
    const { exitCode, sentence } = gate(scaled(1), scaled(1, changes));
    assert.equal(exitCode, 13);
    assert.match(sentence, reason);
  }
});

test('gate: the command line, exit code and one object', async (t) => {
  const { code, out } = await runPair(t, 'gate', scaled(1), scaled(1.1), '--json');
  assert.equal(code, 11);
  const { kind, exit_code: exitCode } = JSON.parse(out) as { kind: string; exit_code: number };
  assert.deepEqual([kind, exitCode], ['gate', 11]);
});

test('compare: a table, and one object with --json', async (t) => {
  const { code, out } = await runPair(t, 'compare', scaled(1), scaled(1.1));
  assert.equal(code, 0);
  assert.match(out, /^BASE run-1-.*\nHEAD run-1\.1-/);
  assert.match(out, /^metric +BASE +HEAD +change +interval +judgement$/m);
  assert.match(out, /^cpu\.us_per_msg +\d[\d.]* us +\d[\d.]* us +\+10\.0 % .* worse$/m);
  // Eight pairs, one unfit: seven pairs of A and seven of B.
  assert.equal(compareRuns(scaled(1), scaled(1.1)).metrics[0]!.estimate!.pairs, 14);
});

test('compare: what is no run is a sentence, exit 2', async (t) => {
  const wrong = await runPair(t, 'compare', scaled(1), { schema: 'other' });
  assert.equal(wrong.code, 2);
  assert.match(wrong.error, /is no record of a run: its schema is "other", not 'wsar\.run\/1'/);
  assert.match(
    (await runPair(t, 'compare', scaled(1), { schema: 'wsar.run/1' })).error,
    /it lacks workload/,
  );
  const env = { WSAR_STATE_DIR: temporaryFolder(t) };
  const none = startWsar(t, ['compare', 'nothing', 'here'], { env });
  assert.equal(await none.exit(), 2);
  assert.match(none.stderr(), /there is no run 'nothing'; make one with `wsar run`/);
});
