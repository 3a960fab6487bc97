// The plainest load: everybody is there, and messages go from anybody to anybody. Experiments that compare one
// message with another want nothing beside it. It is no model of anybody, and so has nothing to assume.

import type { Scenario } from '#loadgen/scenario/scenario.ts';

export const scenario: Scenario = {
  name: 'one-to-one',
  messagesPerUserPerS: 0,
  arrivals: 'poisson',
  payloadBytes: 64,
  keepAliveMs: 60_000,
  sources: [],
  assumptions: [],
  leftOut: [],
};
