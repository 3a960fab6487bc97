// What makes users write (Schroeder, Wierman, Harchol-Balter: "Open Versus Closed", NSDI 2006):
//
//   open         messages arrive by a plan that waits for nobody
//   closed       a fixed number of users: each thinks, writes, and thinks again when his message has arrived
//   partly-open  sessions arrive by a plan; each logs in, writes some messages like a closed user, and leaves
//
// Only an open model shows what people would see of a server that is slow: in a closed one they wait with it.

import { WsarError } from '#core/errors.ts';
import { draw, drawExponential, LANE } from '#loadgen/seeded-draw.ts';

export interface UserModel {
  kind: 'open' | 'closed' | 'partly-open';
  /** Mean time between the arrival of a message and the next of its sender, ms; exponential. */
  thinkMs: number;
  /** Mean number of messages of a session; geometric. */
  sessionMessages: number;
}

/** Ten seconds between two messages of a person, seven messages in a conversation (arrivals.ts). */
const THINK_MS = 10_000;
const SESSION_MESSAGES = 7;
const SESSION_MESSAGES_MAX = 60_000;
/** Messages of one user that have draws of their own. */
const MESSAGES_MAX = 65_536;
const TWO_32 = 2 ** 32;

/** Options that plan what a closed model does not. */
const PLANS = ['rate', 'arrivals', 'stages', 'day', 'spike', 'findMax'];
const BESIDE_OPEN = ['calibrate', 'findMax', 'storm'];

/** Throws WSAR_ERR_USAGE for options that do not fit the model. */
export function readModel(given: Record<string, unknown>): UserModel {
  const kind = (given['model'] as UserModel['kind'] | undefined) ?? 'open';
  const thinkMs = given['think'] as number | undefined;
  const messages = given['sessionMessages'] as number | undefined;
  const refuse = (option: string, hint: string): never => {
    const flag = option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new WsarError('WSAR_ERR_USAGE', `--${flag} does not fit --model ${kind}`, hint);
  };
  const wrong = kind === 'open' ? [] : kind === 'closed' ? [...PLANS, ...BESIDE_OPEN] : BESIDE_OPEN;
  const first = wrong.find((name) => given[name] !== undefined);
  if (first !== undefined) refuse(first, 'leave it out, or take --model open');
  if (kind === 'open' && thinkMs !== undefined) refuse('think', 'add --model closed');
  if (kind !== 'partly-open' && messages !== undefined) {
    refuse('sessionMessages', 'add --model partly-open');
  }
  if (kind === 'partly-open' && given['rate'] === undefined && given['stages'] === undefined) {
    refuse('model', 'add --rate: messages a second, from which follows how many sessions arrive');
  }
  return {
    kind,
    thinkMs: thinkMs ?? THINK_MS,
    sessionMessages: messages ?? SESSION_MESSAGES,
  };
}

/** Number of the thought before message `message` of a user: a draw of its own for each. */
export function thought(user: number, message: number): number {
  return user * MESSAGES_MAX + (message % MESSAGES_MAX);
}

/** How long a user thinks (thought number `index`) before he writes, ms, at least 1. */
export function thinkMsOf({ thinkMs }: UserModel, seed: number, index: number): number {
  return Math.max(1, thinkMs * drawExponential(seed, index, LANE.think));
}

/** Messages of session `index`: geometric with the mean of the model, one at least. */
export function sessionLength({ sessionMessages }: UserModel, seed: number, index: number): number {
  if (sessionMessages <= 1) return 1;
  const uniform = (draw(seed, index, LANE.session) + 0.5) / TWO_32;
  const length = 1 + Math.floor(Math.log(uniform) / Math.log(1 - 1 / sessionMessages));
  return Math.min(SESSION_MESSAGES_MAX, length);
}
