// The heart of the loop: turns the knob, waits, measures, turns it again. Blocks stand on whole seconds,
// like the rows; a pair with an unfit block runs again at the end, a bounded number of times.
//
//   second   0        2                  6        8
//            | turn   | measure          | turn   | measure ...
//            | washout                   | washout

import type { Bus } from '#core/bus/bus.ts';
import type { PublishedSource } from '#core/bus/publish-source.ts';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { KnobState, KnobValue } from '#core/knob/knob.ts';
import { turnKnob } from '#core/knob/turn-knob.ts';
import type { BlockRecord } from '#dashboards/report/run-record.ts';
import type { Experiment } from '#lab/experiment/experiment.ts';
import type { LabRecorder } from '#lab/run/lab-recorder.ts';
import { measureBlock } from '#lab/run/measure-block.ts';
import { measureSpinUs, type SpinJudge } from '#lab/run/spin.ts';
import { untilCut, untilTrue, untilWall } from '#lab/run/until-cut.ts';
import { blockOrder, type PairOrder, type Variant } from '#lab/statistics/block-order.ts';

/** How long the owner of a knob may take to answer. */
const TURN_TIMEOUT_MS = 5000;
/** A turn that is confirmed later than this in its second has its washout counted from the next one. */
const TURN_LATE_MS = 500;
/** How long after its second a row may come. */
const ROW_WAIT_MS = 2500;
const ROW_LOOK_MS = 20;

export interface BlocksContext {
  bus: Bus;
  lab: string;
  clock: Clock;
  signal: AbortSignal;
  experiment: Experiment;
  connections: number;
  /** Logical processors of this host. */
  cpus: number;
  recorder: LabRecorder;
  spins: SpinJudge;
  /** The lab as a source of events. */
  published: PublishedSource;
  /** Wall time at which the blocks must be over. */
  deadlineWallMs: number;
  /** News for the person. */
  onBlock: (text: string) => void;
  /** Every finished block, also when the run is cut later. */
  blocks: BlockRecord[];
}

interface PlannedPair {
  pair: number;
  order: PairOrder;
  isRepeat: boolean;
}

/** Runs all pairs; resolves with true when the time was over before the plan. */
export async function runBlocks(context: BlocksContext): Promise<{ isTimeUp: boolean }> {
  const { experiment, clock, blocks, deadlineWallMs } = context;
  const { design, seed } = experiment;
  const pairMs = 2 * (design.washoutMs + design.measureMs);
  const waiting: PlannedPair[] = blockOrder(design.pairs, seed).map((order, pair) => ({
    pair,
    order,
    isRepeat: false,
  }));
  let extras = 0;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (clock.wallMs() + pairMs > deadlineWallMs) return { isTimeUp: true };
    let isFit = true;
    for (const variant of next.order) {
      const block = await runBlock(context, next, variant, waiting.length);
      blocks.push(block);
      if (block.flaws.length > 0) isFit = false;
    }
    if (!isFit && extras < design.pairsExtraMax) {
      extras++;
      waiting.push({ ...next, isRepeat: true });
    }
  }
  return { isTimeUp: false };
}

async function runBlock(
  context: BlocksContext,
  { pair, isRepeat }: PlannedPair,
  variant: Variant,
  pairsLeft: number,
): Promise<BlockRecord> {
  const { experiment, clock, recorder, signal, published, spins, blocks } = context;
  const { knob, design } = experiment;
  const knobValue = knob[variant];
  const foreignBefore = recorder.foreignTurns;
  const state = await turn(context, knob.owner, knob.name, knobValue);
  const spinBefore = spins.take(measureSpinUs(clock));
  const startWallMs = firstSecond(state.appliedWallMs, clock.wallMs()) + design.washoutMs;
  const endWallMs = startWallMs + design.measureMs;
  const again = isRepeat ? ', again' : '';
  const title = `block ${blocks.length + 1}: pair ${pair + 1}${again}, ${knob.name} = ${knobValue}`;
  context.onBlock(`${title}; ${pairsLeft} pairs to go`);
  await untilWall(clock, startWallMs, signal);
  const data = { pair, variant, block: blocks.length, value: knobValue };
  published.event({ wallMs: startWallMs, kind: 'block', text: `${title} begins`, data });
  await untilWall(clock, endWallMs, signal);
  await rowsOf(context, endWallMs);
  const spinAfter = spins.take(measureSpinUs(clock));
  const isHeld = recorder.knobs.get(`${knob.owner}/${knob.name}`)?.value === knobValue;
  const block = measureBlock(
    {
      index: blocks.length,
      pair,
      variant,
      knobValue,
      startWallMs,
      endWallMs,
      isRepeat,
      connections: context.connections,
      cpus: context.cpus,
      rows: {
        server: recorder.between('server', startWallMs, endWallMs),
        load: recorder.between('load', startWallMs, endWallMs),
        host: recorder.between('host', startWallMs, endWallMs),
      },
      foreignTurns: recorder.foreignTurns - foreignBefore + (isHeld ? 0 : 1),
      spinOffRatio:
        spinBefore === null || spinAfter === null ? null : Math.max(spinBefore, spinAfter),
    },
    experiment,
  );
  const fitness = block.flaws.length === 0 ? 'fit' : `unfit: ${block.flaws.join('; ')}`;
  published.event({ wallMs: endWallMs, kind: 'block', text: `${title} ended, ${fitness}`, data });
  return block;
}

/**
 * Turns a knob and makes sure that it holds.
 * @throws WsarError WSAR_ERR_UNREACHABLE when the owner refuses or does not answer.
 */
export async function turn(
  { bus, lab, signal }: Pick<BlocksContext, 'bus' | 'lab' | 'signal'>,
  owner: string,
  name: string,
  value: KnobValue,
): Promise<KnobState> {
  const asked = { lab, owner, name, value, by: 'lab', timeoutMs: TURN_TIMEOUT_MS };
  const state = await untilCut(turnKnob(bus, asked), signal);
  if (state.refused === undefined && state.value === value) return state;
  throw new WsarError(
    'WSAR_ERR_UNREACHABLE',
    `${owner} did not turn ${name} to ${value}: ${state.refused ?? `it reads back ${state.value}`}`,
    'give a value that it takes',
  );
}

/** The whole second from which the washout counts. */
function firstSecond(appliedWallMs: number, nowWallMs: number): number {
  const turnedMs = Math.max(appliedWallMs, nowWallMs);
  const secondMs = Math.floor(turnedMs / 1000) * 1000;
  return turnedMs - secondMs <= TURN_LATE_MS ? secondMs : secondMs + 1000;
}

/** Waits until server and generator have told their second, or it is late; a late one is a flaw. */
async function rowsOf({ recorder, clock, signal }: BlocksContext, wallMs: number): Promise<void> {
  const hasCome = (source: 'server' | 'load'): boolean =>
    (recorder.latest(source)?.wallMs ?? 0) >= wallMs;
  await untilTrue(() => hasCome('server') && hasCome('load'), {
    clock,
    everyMs: ROW_LOOK_MS,
    timeoutMs: ROW_WAIT_MS,
    signal,
  });
}
