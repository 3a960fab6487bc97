// What --calibrate can measure: the server that does nothing speaks MQTT 3.1.1 on TCP, and sends back what it gets. A
// ceiling of anything else would lie above that of the run, and a run that is held up by its generator would seem to
// be the target's doing.

import { WsarError } from '#core/errors.ts';
import { PROTOCOL_LEVEL_3_1_1 } from '#core/wire/mqtt/packet.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';

type Spoken = Pick<LoadOptions, 'wire' | 'engine'>;

/** What of a load it is that cannot be measured; undefined = nothing. */
export function whyNoCeiling({ wire, engine }: Spoken): string | undefined {
  const { tls, webSocket, echo, level } = wire;
  if (tls !== undefined) return 'TLS';
  if (webSocket !== undefined) return 'WebSocket';
  if (echo === undefined && level !== PROTOCOL_LEVEL_3_1_1) return 'MQTT 5';
  return engine === 'stack' ? 'engine stack' : undefined;
}

/** Throws WSAR_ERR_USAGE for a load whose ceiling cannot be measured. */
export function requireCeiling(spoken: Spoken): void {
  const reason = whyNoCeiling(spoken);
  if (reason === undefined) return;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--calibrate cannot measure a ceiling with ${reason}: it would be that of plain connections, and too high`,
    'leave it out; lateness tells whether the generator keeps up',
  );
}
