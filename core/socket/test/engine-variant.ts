// The engines that the contract tests run on: every case is the same for all of them.

import { suite } from 'node:test';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { EpollReactor } from '#core/socket/epoll/epoll-reactor.ts';
import { NetReactor } from '#core/socket/net/net-reactor.ts';
import type { Reactor, ReactorOptions } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import type { RingTuning } from '#core/socket/ring/lane-plan.ts';
import { RingReactor } from '#core/socket/ring/ring-reactor.ts';
import { clientOrServer } from '#core/socket/stack/test/client-or-server.ts';
import { skipUnless } from '#test/foreign-part.ts';

export interface EngineVariant {
  name: string;
  isRing: boolean;
  create(options: ReactorOptions, tuning?: RingTuning): Reactor;
}

const ring = (arming: 'poll' | 'recv'): EngineVariant => ({
  name: `ring, armed by ${arming}`,
  isRing: true,
  create: (options, tuning) => new RingReactor(settleOptions({ arming, ...options }), tuning),
});

const VARIANTS: EngineVariant[] = [
  ring('poll'),
  ring('recv'),
  {
    name: 'epoll',
    isRing: false,
    create: (options) => new EpollReactor(settleOptions(options)),
  },
  {
    name: 'net',
    isRing: false,
    create: (options) => new NetReactor(settleOptions(options)),
  },
];

/** Why tests of engine ring are left out here; false when they run. Fails in CI. */
export function ringObstacle(): false | string {
  const { engine, reason } = chooseEngine('auto');
  return skipUnless(engine === 'ring' ? [] : [`io_uring (${reason})`], 'see wsar doctor');
}

/** Registers the cases once for each engine; for engine stack alone where stack-contract.test.ts asks for it. */
export function onEveryEngine(cases: (variant: EngineVariant) => void): void {
  if (process.env['WSAR_TEST_ENGINE'] === 'stack') {
    const variant = clientOrServer();
    suite(variant.name, () => cases(variant));
    return;
  }
  for (const variant of VARIANTS) {
    suite(variant.name, { skip: variant.isRing && ringObstacle() }, () => cases(variant));
  }
}

/** Registers cases that only make sense with rings. */
export function onRing(cases: (variant: EngineVariant) => void): void {
  if (process.env['WSAR_TEST_ENGINE'] === 'stack') return;
  for (const variant of VARIANTS.filter(({ isRing }) => isRing)) {
    suite(variant.name, { skip: ringObstacle() }, () => cases(variant));
  }
}
