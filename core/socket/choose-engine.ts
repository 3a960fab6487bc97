// Which engine a reactor gets, and why: said by every command that opens sockets, and by `wsar doctor`.

import { WsarError } from '#core/errors.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import { whyNoRing } from '#core/socket/ring/probe.ts';

export interface EngineChoice {
  engine: EngineName;
  /** One sentence for people: why this engine. */
  reason: string;
}

/** What the probe found; it cannot change while the process lives. */
let probed: { whyNoRing: string | undefined } | undefined;

/**
 * 'auto': ring where it works, else net. Throws WsarError WSAR_ERR_ENGINE when ring is wanted and cannot
 * run here. Cheap after the first call.
 */
export function chooseEngine(wanted: EngineName | 'auto'): EngineChoice {
  if (wanted === 'net') return { engine: 'net', reason: 'net was asked for' };
  probed ??= { whyNoRing: whyNoRing() };
  const obstacle = probed.whyNoRing;
  if (obstacle === undefined) {
    return { engine: 'ring', reason: 'io_uring works here with all that engine ring needs' };
  }
  if (wanted === 'auto') return { engine: 'net', reason: `engine ring cannot run: ${obstacle}` };
  throw new WsarError(
    'WSAR_ERR_ENGINE',
    `engine ring cannot run on this host: ${obstacle}`,
    'Use --engine net, or allow io_uring: sysctl kernel.io_uring_disabled=0, and no seccomp profile against it.',
  );
}
