// The loop with a real bus and a real knob; server and generator are rows made up on it. Time is real: a
// block lasts a second.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { connectBus } from '#core/bus/bus.ts';
import { publishSource } from '#core/bus/publish-source.ts';
import { systemClock } from '#core/clock/clock.ts';
import { startTicker } from '#core/clock/ticker.ts';
import type { KnobValue } from '#core/knob/knob.ts';
import { turnKnob } from '#core/knob/turn-knob.ts';
import { parseExperiment } from '#lab/experiment/read-experiment.ts';
import { startLabRecorder } from '#lab/run/lab-recorder.ts';
import { type BlocksContext, runBlocks } from '#lab/run/run-blocks.ts';
import { SpinJudge } from '#lab/run/spin.ts';
import { RunCut } from '#lab/run/until-cut.ts';
import { loadRow, STEADY, serverRow } from '#lab/test/made-rows.ts';
import { offerServerKnob } from '#lab/test/offered-knob.ts';

const { experiment } = parseExperiment(
  `version: 1
name: x
question: q
load: { connections: 500, rate: 2000/s }
knob: { owner: server, name: write.flush, a: turn, b: immediate }
design: { pairs: 2, block: { washout: 1s, measure: 1s } }
validity: { spinOffMax: 100 % }
metrics: { primary: cpu.us_per_msg }
`,
  'x.yaml',
);

/** A bus with a server whose messages cost 50 us, or 60 us when the knob stands on 'immediate'. */
async function lab(
  t: TestContext,
): Promise<{ context: BlocksContext; turns: KnobValue[]; stop: AbortController }> {
  const turns: KnobValue[] = [];
  let value: KnobValue = 'turn';
  const { url, bus, close } = await offerServerKnob(t, 'write.flush', {
    read: () => value,
    apply(wanted) {
      value = wanted;
      turns.push(wanted);
    },
  });
  const labBus = await connectBus(url, { clientId: 'lab' });
  const recorder = await startLabRecorder(labBus, 'l');
  const source = (name: string) =>
    publishSource(bus, { lab: 'l', host: 'h', source: name, metrics: [] });
  const [server, load] = [source('server'), source('load')];
  let cpuUs = 0;
  const stopTicker = startTicker(systemClock, 1000, ({ index, wallMs }) => {
    cpuUs += STEADY.messagesPerS * (value === 'immediate' ? 60 : 50);
    const row = serverRow(index);
    server.row({ ...row, wallMs, values: { ...row.values, 'wsar.server.cpu_us': cpuUs } });
    load.row({ ...loadRow(index), wallMs });
  });
  t.after(async () => {
    stopTicker();
    await labBus.close();
    await close();
  });
  const stop = new AbortController();
  const context: BlocksContext = {
    bus: labBus,
    lab: 'l',
    clock: systemClock,
    signal: stop.signal,
    experiment,
    connections: STEADY.sessions,
    cpus: 2,
    recorder,
    spins: new SpinJudge(),
    published: publishSource(labBus, { lab: 'l', host: 'h', source: 'lab', metrics: [] }),
    deadlineWallMs: systemClock.wallMs() + 600_000,
    onBlock: () => {},
    blocks: [],
  };
  return { context, turns, stop };
}

// Blocks last real seconds, so the cases run beside each other, each on a bus of its own.
describe('blocks', { concurrency: true }, () => {
  test('knobs are turned A B B A or B A A B, and the blocks see the difference', async (t) => {
    const { context, turns } = await lab(t);
    assert.deepEqual(await runBlocks(context), { isTimeUp: false });
    const { blocks } = context;
    assert.match(blocks.map(({ variant }) => variant).join(''), /^(abba|baab)$/);
    assert.deepEqual(
      turns,
      blocks.map(({ knobValue }) => knobValue),
    );
    for (const { variant, values, flaws, startWallMs, endWallMs } of blocks) {
      assert.deepEqual(flaws, []);
      assert.equal(values['cpu.us_per_msg'], variant === 'b' ? 60 : 50);
      assert.deepEqual([startWallMs % 1000, endWallMs - startWallMs], [0, 1000]);
    }
  });

  test('a turn by somebody else makes the block unfit, and its pair runs again', async (t) => {
    const { context } = await lab(t);
    const { bus } = context;
    let isMeddled = false;
    const meddle = {
      lab: 'l',
      owner: 'server',
      name: 'write.flush',
      value: 'turn',
      by: 'top',
      timeoutMs: 5000,
    };
    const running = runBlocks({
      ...context,
      onBlock: () => {
        if (!isMeddled) void turnKnob(bus, meddle);
        isMeddled = true;
      },
    });
    assert.deepEqual(await running, { isTimeUp: false });
    const { blocks } = context;
    assert.match(blocks[0]!.flaws.join(), /knob turned by somebody else/);
    assert.deepEqual(
      blocks.map(({ pair, isRepeat }) => `${pair}${isRepeat}`),
      ['0false', '0false', '1false', '1false', '0true', '0true'],
    );
  });

  test('the time is over before the next pair: what was measured stays', async (t) => {
    const { context } = await lab(t);
    const result = await runBlocks({ ...context, deadlineWallMs: systemClock.wallMs() + 1000 });
    assert.deepEqual(result, { isTimeUp: true });
    assert.equal(context.blocks.length, 0);
  });

  test('a cut ends the blocks at once', async (t) => {
    const { context, stop } = await lab(t);
    const running = runBlocks({ ...context, onBlock: () => stop.abort() });
    await assert.rejects(running, RunCut);
  });

  test('an owner that refuses the value is a sentence', async (t) => {
    const { context } = await lab(t);
    const wrong = { ...experiment, knob: { ...experiment.knob, a: 'never', b: 'never' } };
    await assert.rejects(
      runBlocks({ ...context, experiment: wrong }),
      /server did not turn write\.flush to never: "never" is none of turn, immediate/,
    );
  });
});
