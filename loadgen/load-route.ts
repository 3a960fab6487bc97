// Where the connections of a load come from: what port-plan.ts chooses for this host, checked before anything
// starts.

import { randomBytes } from 'node:crypto';
import { WsarError } from '#core/errors.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { whyNoPortWindow } from '#core/socket/ring/port-window.ts';
import { parseBlock } from '#loadgen/address-block.ts';
import { readHostPorts } from '#loadgen/host-ports.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { choosePorts } from '#loadgen/port-plan.ts';
import type { SourcePlan } from '#loadgen/source-plan.ts';
import { planStack, STACK_SOURCES, type StackPlan } from '#loadgen/stack-plan.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';
import { shareOfUsers } from '#loadgen/worker-plan.ts';

/** All of it is local without any configuration, and nothing else uses it. */
const LOOPBACK_SOURCES = '127.1.0.0/16';

export interface LoadRoute {
  /** Undefined for engine stack, and where there is no population. */
  sources: SourcePlan | undefined;
  /** Engine stack only: its clients have addresses of nobody else. */
  stack: StackPlan | undefined;
}

/** Throws WSAR_ERR_LIMIT when there are too few places, WSAR_ERR_USAGE for what cannot be had here. */
export function planRoute(options: LoadOptions, target: ResolvedTarget): LoadRoute {
  return options.engine === 'stack'
    ? { sources: undefined, stack: stackRoute(options, target) }
    : { sources: kernelRoute(options, target), stack: undefined };
}

function kernelRoute(options: LoadOptions, target: ResolvedTarget): SourcePlan {
  const { connections, sources, ports } = options;
  const usual = target.isLoopback ? [parseBlock(LOOPBACK_SOURCES)] : [];
  const { engine } = chooseEngine(options.engine);
  return choosePorts({
    ask: ports,
    blocks: sources ?? usual,
    users: connections,
    targetPorts: target.ports,
    host: readHostPorts('/proc'),
    whyNoWindow: engine === 'net' ? 'engine net cannot ask for one' : whyNoPortWindow(),
    runDraw: drawRun(),
  });
}

function stackRoute(options: LoadOptions, target: ResolvedTarget): StackPlan {
  const { connections, workers, seed, network: classes, tcp } = options;
  const network = classes === undefined ? undefined : { classes, seed };
  const [block, ...more] = options.sources ?? [parseBlock(STACK_SOURCES)];
  if (more.length > 0) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'engine stack has clients of one block of addresses',
      `take for example --sources ${STACK_SOURCES}`,
    );
  }
  const shares = Array.from({ length: workers }, (_, index) =>
    shareOfUsers(connections, workers, index),
  );
  return planStack(block!, shares, target, { network, tcp }, drawRun());
}

/** Where this run begins on the wheel of sources, in [0, 1). */
function drawRun(): number {
  return randomBytes(6).readUIntLE(0, 6) / 2 ** 48;
}
