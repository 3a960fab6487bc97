// Whether the host has room for a step, foreseen from the largest one before it with the same clients. Pure.

import type { EngineName } from '#core/socket/reactor.ts';
import type { LadderStep } from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import type { HostMemory } from '#lab/ladder/host-memory.ts';
import type { LadderStop } from '#lab/ladder/ladder.ts';

/**
 * Before a step was measured: bytes of one user, kernel and ours, as measured on Linux 6.18 with clients in user
 * space and in the kernel (docs/internals/run.md).
 */
const USER_BYTES = { stack: 4400, kernel: 8550 };
/** Server and generator without users. */
const BASE_BYTES = 300 * 1024 ** 2;
/** A small step tells mostly of what every process costs. */
const MEASURED_USERS_MIN = 200_000;
/** A step that lacks no more than this part of what it needs is tried: the guard knows better. */
const TRY_RATIO = 0.03;
/** Sized down to so much of what would fit, and to no fewer users than this. */
const FIT_RATIO = 0.99;
const USERS_MIN = 1000;
/** A step that is hardly larger than the one before tells nothing new. */
const GROWTH_MIN = 1.05;

export interface Foresight {
  /** Memory that is missing; at most 0 when the step fits. */
  lackBytes: number;
  /** It may fit: what is foreseen is not that exact. */
  isWorthTrying: boolean;
  /** Users that fit. */
  usersMax: number;
  /** What the step needs, in a sentence. */
  sentence: string;
}

export function foresee(
  users: number,
  engine: EngineName,
  steps: readonly LadderStep[],
  { freeBytesMin }: Pick<LadderStop, 'freeBytesMin'>,
  { freeBytes }: Pick<HostMemory, 'freeBytes'>,
): Foresight {
  const guess = engine === 'stack' ? USER_BYTES.stack : USER_BYTES.kernel;
  const alike = steps.findLast(
    (step) =>
      step.engine === engine &&
      step.connections >= MEASURED_USERS_MIN &&
      step.freeBytesPerUser !== null,
  );
  const each =
    alike === undefined ? guess : alike.freeBytesPerUser! - BASE_BYTES / alike.connections;
  const base = freeBytesMin + BASE_BYTES;
  const needed = users * each + base;
  const free = freeBytes ?? Number.POSITIVE_INFINITY;
  return {
    lackBytes: needed - free,
    isWorthTrying: needed - free <= needed * TRY_RATIO,
    usersMax: Math.max(0, Math.floor((free - base) / each)),
    sentence:
      `the next step, ${numberText(users)} users, needs about ${gib(needed)} of free memory ` +
      `(${numberText(Math.round(each))} bytes a user and ${gib(freeBytesMin)} kept free); ${gib(free)} are`,
  };
}

/** Users to take instead, a round number; undefined when that is no step up from `before`. */
export function sizeDown(usersMax: number, before: number): number | undefined {
  const fit = usersMax * FIT_RATIO;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, fit))) - 2);
  const users = Math.floor(fit / unit) * unit;
  return users < USERS_MIN || users < before * GROWTH_MIN ? undefined : users;
}

function gib(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
