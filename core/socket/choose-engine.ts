// Which engine a reactor gets, and why: said by every command that opens sockets, and by `wsar doctor`.

import { WsarError } from '#core/errors.ts';
import { whyNoEpoll } from '#core/socket/epoll/why-no-epoll.ts';
import type { EngineName, KernelEngineName } from '#core/socket/reactor.ts';
import { whyNoRing } from '#core/socket/ring/probe.ts';
import { whyNoStack } from '#core/socket/stack/why-no-stack.ts';

export interface EngineChoice<Name extends EngineName = KernelEngineName> {
  engine: Name;
  /** One sentence for people: why this engine. */
  reason: string;
}

/** What the probe found; it cannot change while the process lives. */
let probed: { whyNoRing: string | undefined } | undefined;

/**
 * 'auto': ring where it works, else epoll, else net; never stack, which changes the network of the host. Throws
 * WsarError WSAR_ERR_ENGINE when the wanted one cannot run here. Cheap after the first call.
 */
export function chooseEngine(wanted: KernelEngineName | 'auto'): EngineChoice;
export function chooseEngine(wanted: EngineName | 'auto'): EngineChoice<EngineName>;
export function chooseEngine(wanted: EngineName | 'auto'): EngineChoice<EngineName> {
  if (wanted === 'net') return { engine: 'net', reason: 'net was asked for' };
  if (wanted === 'stack') return chooseStack();
  if (wanted === 'epoll') return chooseEpoll();
  probed ??= { whyNoRing: whyNoRing() };
  const obstacle = probed.whyNoRing;
  if (obstacle === undefined) {
    return { engine: 'ring', reason: 'io_uring works here with all that engine ring needs' };
  }
  if (wanted === 'auto') {
    const engine = whyNoEpoll() === undefined ? 'epoll' : 'net';
    return { engine, reason: `engine ring cannot run: ${obstacle}` };
  }
  throw new WsarError(
    'WSAR_ERR_ENGINE',
    `engine ring cannot run on this host: ${obstacle}`,
    'Use --engine epoll or net, or allow io_uring: sysctl kernel.io_uring_disabled=0, no seccomp profile.',
  );
}

function chooseEpoll(): EngineChoice {
  const obstacle = whyNoEpoll();
  if (obstacle === undefined) return { engine: 'epoll', reason: 'epoll was asked for' };
  throw new WsarError(
    'WSAR_ERR_ENGINE',
    `engine epoll cannot run on this host: ${obstacle}`,
    'Use --engine net.',
  );
}

function chooseStack(): EngineChoice<EngineName> {
  const obstacle = whyNoStack();
  if (obstacle === undefined) return { engine: 'stack', reason: 'stack was asked for' };
  throw new WsarError(
    'WSAR_ERR_ENGINE',
    `engine stack cannot run on this host: ${obstacle}`,
    'run as root, in a network namespace of your own (unshare -rn), or take --engine ring, epoll or net',
  );
}
