// Where the connections of a load come from: places on a wheel of addresses and ports that are checked
// before anything starts, or the choice of the kernel for a target elsewhere.

import { randomBytes } from 'node:crypto';
import { WsarError } from '#core/errors.ts';
import { readHostPorts } from '#loadgen/host-ports.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { parseBlock, planSources, type SourcePlan } from '#loadgen/source-plan.ts';
import {
  planStack,
  requireHostTarget,
  STACK_SOURCES,
  type StackPlan,
} from '#loadgen/stack-plan.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';
import { shareOfUsers } from '#loadgen/worker-plan.ts';

/** All of it is local without any configuration, and nothing else uses it. */
const LOOPBACK_SOURCES = '127.1.0.0/16';

export interface LoadRoute {
  /** Undefined when the kernel chooses, and for engine stack. */
  sources: SourcePlan | undefined;
  /** Engine stack only: its clients have addresses of nobody else. */
  stack: StackPlan | undefined;
}

/** Throws WSAR_ERR_LIMIT when there are too few places, WSAR_ERR_USAGE for blocks of others. */
export function planRoute(options: LoadOptions, target: ResolvedTarget): LoadRoute {
  return options.engine === 'stack'
    ? { sources: undefined, stack: stackRoute(options, target) }
    : { sources: kernelRoute(options, target), stack: undefined };
}

function kernelRoute(options: LoadOptions, target: ResolvedTarget): SourcePlan | undefined {
  const { connections, sources } = options;
  const ports = readHostPorts('/proc');
  const block = sources ?? (target.isLoopback ? parseBlock(LOOPBACK_SOURCES) : undefined);
  if (block !== undefined) {
    return planSources(block, connections, target.port, ports, drawRun());
  }
  const chosenByKernel = ports.localMax - ports.localMin + 1;
  if (connections > chosenByKernel) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `from one address this host gives out ${chosenByKernel} source ports, fewer than ${connections}`,
      'name more addresses of this host with --sources',
    );
  }
  return undefined;
}

function stackRoute(options: LoadOptions, target: ResolvedTarget): StackPlan {
  requireHostTarget(target);
  const { connections, workers, seed, network: classes } = options;
  const network = classes === undefined ? undefined : { classes, seed };
  const block = options.sources ?? parseBlock(STACK_SOURCES);
  const shares = Array.from({ length: workers }, (_, index) =>
    shareOfUsers(connections, workers, index),
  );
  return planStack(block, shares, target.port, network, drawRun());
}

/** Where this run begins on the wheel of sources, in [0, 1). */
function drawRun(): number {
  return randomBytes(6).readUIntLE(0, 6) / 2 ** 48;
}
