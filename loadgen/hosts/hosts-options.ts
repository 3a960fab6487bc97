// What several hosts cannot do of what one can, and why: the rest of the options of `wsar load` goes to the agents
// or is the controller's own. docs/tools/agent.md lists both; a test keeps this complete.

import { WsarError } from '#core/errors.ts';
import type { LossPolicy } from '#loadgen/hosts/hosts-run.ts';
import type { Arrivals } from '#loadgen/load-option-list.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';

/** Options that are refused beside --hosts and --virtual-hosts: in what words, and what to do instead. */
const REFUSED: Record<string, [message: string, hint: string]> = {
  calibrate: [
    '--calibrate measures the generator of one host',
    'leave it out, or calibrate each host by itself with one load',
  ],
  ...Object.fromEntries(
    ['rtt', 'jitter', 'loss', 'network', 'tcp'].map((name) => [
      name,
      [`--${name} is of engine stack, which is for one host`, 'leave it out, or take one host'],
    ]),
  ),
};

/** Throws WSAR_ERR_USAGE for what several hosts cannot do; undefined = one host. */
export function readHosts(
  given: Record<string, unknown>,
  connections: number,
): LoadOptions['hosts'] {
  const virtual = given['virtualHosts'] as number | undefined;
  const count = virtual ?? (given['hosts'] as number | undefined);
  const policy = (given['onLoss'] as LossPolicy | undefined) ?? 'abort';
  if (count === undefined) {
    if (given['onLoss'] !== undefined) refuse('--on-loss is for several hosts', 'add --hosts N');
    return undefined;
  }
  if (virtual !== undefined && given['hosts'] !== undefined) {
    refuse('--hosts and --virtual-hosts are two ways to say one thing', 'take one of them');
  }
  if (connections < count) {
    refuse(`${connections} users are fewer than ${count} hosts`, 'take more');
  }
  const wrong = Object.keys(REFUSED).find((name) => given[name] !== undefined);
  if (wrong !== undefined) refuse(...REFUSED[wrong]!);
  if (virtual !== undefined && given['sources'] !== undefined) {
    refuse('virtual hosts have addresses of their own', 'leave --sources out');
  }
  if ((given['arrivals'] as Arrivals | undefined)?.trace !== undefined) {
    refuse('a trace cannot be sent to agents', 'take another process, or one host');
  }
  if (given['engine'] === 'stack') refuse('engine stack is for one host', 'take another engine');
  return { count, isVirtual: virtual !== undefined, policy };
}

function refuse(message: string, hint: string): never {
  throw new WsarError('WSAR_ERR_USAGE', message, hint);
}
