import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlockRecord } from '#dashboards/report/run-record.ts';
import { parseExperiment } from '#lab/experiment/read-experiment.ts';
import { conclude, fitPairs } from '#lab/statistics/conclude.ts';

const { experiment } = parseExperiment(
  `version: 1
name: x
question: q
load: { connections: 500, rate: 2000/s }
knob: { owner: server, name: write.flush, a: turn, b: immediate }
design: { pairs: 8 }
metrics:
  primary: cpu.us_per_msg
  guardrail: [latency.p99]
  margin: { cpu.us_per_msg: 3 %, latency.p99: 10 % }
`,
  'x.yaml',
);

/** Eight pairs with small steady differences; `cpu` and `p99` are the ratios of B to A. */
function blocks(cpu: number, p99: number, pairs = 8): BlockRecord[] {
  return Array.from({ length: pairs * 2 }, (_, index) => {
    const isB = index % 2 === 1;
    const wobble = 1 + 0.002 * Math.sin(index * 7);
    return {
      index,
      pair: index >> 1,
      variant: isB ? 'b' : 'a',
      knobValue: isB ? 'immediate' : 'turn',
      startWallMs: index * 6000,
      endWallMs: index * 6000 + 4000,
      isRepeat: false,
      values: {
        'cpu.us_per_msg': 50 * wobble * (isB ? cpu : 1),
        'latency.p99': 900 * wobble * (isB ? p99 : 1),
      },
      notEstimable: {},
      flaws: [],
      checks: { lateness: 2, rows: 0 },
      delivered: 8000,
      sent: 8000,
      histograms: {},
    };
  });
}

const verdictOf = (list: BlockRecord[], objections: string[] = []) =>
  conclude({ experiment, blocks: list, objections }).verdict;

test('the primary metric decides', () => {
  assert.equal(verdictOf(blocks(0.9, 1)).verdict, 'better');
  assert.equal(verdictOf(blocks(1.1, 1)).verdict, 'worse');
  assert.equal(verdictOf(blocks(1, 1)).verdict, 'equivalent');
  const { sentence, interval } = verdictOf(blocks(0.9, 1));
  assert.match(
    sentence,
    /^write\.flush = immediate is better than turn: cpu\.us_per_msg -10(\.\d)? % \(.* to .*\); 8 pairs\.$/,
  );
  assert.match(
    interval,
    /^cpu\.us_per_msg: ratio B\/A 0\.\d{4}, 98\.4 % interval 0\.\d{4} \.\. 0\.\d{4}$/,
  );
});

test('a guardrail that became worse outweighs a better primary metric', () => {
  const { verdict, sentence } = verdictOf(blocks(0.9, 1.4));
  assert.equal(verdict, 'worse');
  assert.match(
    sentence,
    /is worse than turn: latency\.p99 \+40 % .*, although cpu\.us_per_msg -10/,
  );
});

test('a guardrail that became better or cannot be told changes nothing', () => {
  assert.equal(verdictOf(blocks(1, 0.5)).verdict, 'equivalent');
  const without = blocks(0.9, 1);
  for (const block of without) {
    block.values['latency.p99'] = null;
    block.notEstimable['latency.p99'] = '400 messages in the block, p99 needs 5000';
  }
  const { verdict, metrics } = conclude({ experiment, blocks: without, objections: [] });
  assert.equal(verdict.verdict, 'better');
  assert.equal(metrics[1]!.estimate, null);
  assert.equal(metrics[1]!.reason, '400 messages in the block, p99 needs 5000');
});

test('objections, too few fit pairs and a missing primary metric make a run invalid', () => {
  assert.deepEqual(
    verdictOf(blocks(0.9, 1), ['the server was lost']).sentence,
    'No verdict: the server was lost.',
  );
  assert.match(verdictOf([]).sentence, /no pair of blocks was measured/);
  const unfit = blocks(0.9, 1);
  for (const block of unfit.slice(0, 4)) {
    block.flaws = ['late'];
    block.checks['lateness'] = 31;
  }
  assert.equal(
    verdictOf(unfit).sentence,
    'No verdict: only 6 of 8 pairs are fit to be judged (generator late, p99 in 4 blocks).',
  );
  const blind = blocks(0.9, 1);
  for (const block of blind) block.values['cpu.us_per_msg'] = null;
  assert.equal(verdictOf(blind).verdict, 'invalid');
});

test('an unfit pair that ran again counts once, with its later blocks', () => {
  const list = blocks(0.9, 1);
  list[4]!.flaws = ['late'];
  const again = list
    .slice(4, 6)
    .map((block) => ({ ...block, flaws: [], isRepeat: true, index: block.index + 12 }));
  const fit = fitPairs([...list, ...again]);
  assert.equal(fit.length, 8);
  assert.ok(fit[2]!.a.isRepeat && fit[2]!.b.isRepeat);
  const { validity, verdict } = conclude({
    experiment,
    blocks: [...list, ...again],
    objections: [],
  });
  assert.equal(verdict.verdict, 'better');
  assert.ok(validity.every(({ isOk }) => isOk));
});

test('worst values are those of the blocks that were judged; unknown checks say so', () => {
  const list = blocks(1, 1);
  list[0]!.checks['lateness'] = 50;
  list[0]!.flaws = ['late'];
  const { validity } = conclude({ experiment, blocks: list, objections: [] });
  const lateness = validity.find(({ name }) => name === 'lateness')!;
  assert.deepEqual([lateness.worst, lateness.failedBlocks, lateness.note], [2, 1, '(run again)']);
  assert.equal(validity.find(({ name }) => name === 'steal')!.note, '(this host does not tell)');
});
