// Steps as a person writes them: '2000000', '2000000 for 5m'; on the command line with their phase, as
// 'stack:2000000 for 5m', or a phase alone for all of its steps. Pure.

import { parseCount, parseDurationMs } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import type { PlannedStep, SizedStep } from '#lab/ladder/ladder.ts';

export const STEPS_MAX = 64;
export const STEP_FORM = '2000000 or 2000000 for 5m';
export const USERS_MAX = 16_000_000;
const HOLD_MS_MAX = 3_600_000;

export interface WrittenStep {
  users: number;
  /** Undefined = as the file says for all. */
  holdMs: number | undefined;
}

/** @throws WsarError WSAR_ERR_USAGE or WSAR_ERR_QUANTITY. */
export function parseStep(text: string): WrittenStep {
  const match = /^(\S+)(?:\s+for\s+(\S+))?$/.exec(text.trim());
  if (match === null) {
    throw new WsarError('WSAR_ERR_USAGE', `'${text}' is no step`, `write it like ${STEP_FORM}`);
  }
  const users = parseCount(2, USERS_MAX)(match[1]!);
  if (match[2] === undefined) return { users, holdMs: undefined };
  const holdMs = parseDurationMs(match[2]);
  if (holdMs >= 2000 && holdMs <= HOLD_MS_MAX && holdMs % 1000 === 0) return { users, holdMs };
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `a step cannot be held for ${match[2]}`,
    'give whole seconds, 2s to 1h',
  );
}

/**
 * The steps that `--steps` asks for, in its order, with what the file says of their phases.
 * @throws WsarError WSAR_ERR_USAGE
 */
export function chooseSteps(text: string, planned: readonly PlannedStep[]): PlannedStep[] {
  const phases = [...new Set(planned.map(({ phase }) => phase))];
  return text.split(',').flatMap((item) => {
    const [before, after] = splitPhase(item.trim());
    if (phases.includes(before) && after === undefined) {
      // What is compared with it is not of the phase, and what it is compared with is.
      return planned.filter(({ phase, comparedIn }) => (comparedIn || phase) === before);
    }
    if (after === undefined && !/^\d/.test(before)) throw noPhase(before, phases);
    const { users, holdMs } = parseStep(after ?? before);
    const phase = after === undefined ? onlyPhase(phases, item) : before;
    const same = planned.filter((step) => step.phase === phase);
    const like = same.find((step) => step.users === users) ?? same[0];
    if (like === undefined) throw noPhase(before, phases);
    return { ...like, users, comparedIn: '', holdMs: holdMs ?? like.holdMs };
  });
}

/** Each phase once, in the order of the file, with `users` and messages in proportion to its last step. */
export function withUsers(steps: readonly PlannedStep[], users: number): PlannedStep[] {
  const lastOf = (phase: string): SizedStep | undefined =>
    steps.findLast((step): step is SizedStep => step.phase === phase && step.users !== 'knee');
  // The knee is somewhere below the top of the first phase.
  const top = steps.length === 0 ? undefined : lastOf(steps[0]!.phase);
  return [...new Set(steps.map(({ phase }) => phase))].map((phase) => {
    const step = lastOf(phase) ?? steps.find((one) => one.phase === phase)!;
    const usual = lastOf(phase)?.users ?? top?.users ?? users;
    const ratePerS = Math.max(1, Math.round((step.clients.ratePerS * users) / usual));
    return { ...step, users, comparedIn: '', clients: { ...step.clients, ratePerS } };
  });
}

/** The step with so many users, and with their messages where each thousand has its own. */
export function sized(step: PlannedStep, users: number): SizedStep {
  const { clients } = step;
  const each = clients.ratePerThousandPerS / 1000;
  const ratePerS = each === 0 ? clients.ratePerS : Math.max(1, Math.round(users * each));
  return { ...step, users, clients: { ...clients, ratePerS } };
}

/**
 * Between a step that was held and one that was not: their geometric mean, in round numbers; undefined when they
 * are within `ratio` of each other.
 */
export function between(held: number, broken: number, ratio: number): number | undefined {
  if (ratio === 0 || held === 0 || !Number.isFinite(broken) || broken <= held * (1 + ratio))
    return undefined;
  const middle = Math.sqrt(held * broken);
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(middle)) - 2);
  const users = Math.round(middle / unit) * unit;
  return users > held && users < broken ? users : undefined;
}

function splitPhase(item: string): [string, string | undefined] {
  const colon = item.indexOf(':');
  return colon === -1
    ? [item, undefined]
    : [item.slice(0, colon).trim(), item.slice(colon + 1).trim()];
}

function onlyPhase(phases: readonly string[], item: string): string {
  if (phases.length === 1) return phases[0]!;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `the step '${item.trim()}' does not say of which phase it is`,
    `write it like ${phases[0]}:${item.trim()}; phases: ${phases.join(', ')}`,
  );
}

function noPhase(phase: string, phases: readonly string[]): WsarError {
  const known = phases.filter((name) => name !== '').join(', ');
  return new WsarError(
    'WSAR_ERR_USAGE',
    `this ladder has no phase '${phase}'`,
    known === '' ? 'it has no phases: give the step alone' : `phases: ${known}`,
  );
}
