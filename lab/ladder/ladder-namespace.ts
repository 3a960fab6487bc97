// The network namespace of a ladder: its table of connections has room for millions (the host's usually has 262,144
// buckets, set when it booted), its backlog may be as long as the server wants, its counters are those of the
// ladder alone, and what is set there is gone with it. The bus listens outside as well, for `wsar top`.

import { WsarError } from '#core/errors.ts';
import {
  enterNetworkNamespace,
  type NetworkNamespace,
} from '#core/socket/stack/network-namespace.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import type { Ladder } from '#lab/ladder/ladder.ts';
import type { LabState } from '#lab/run/run-state.ts';

/** Above what any listener asks for: the server's own backlog decides. */
const BACKLOG_MAX = 65_535;

/** Undefined when the ladder runs in the host's own network; `leftOut` then says why, unless it was asked for. */
export async function enterLadderNamespace(
  state: LabState,
  { namespace, connectionBuckets }: Ladder,
): Promise<NetworkNamespace | undefined> {
  if (namespace === 'off') return undefined;
  const { progress, embeddedBus, environment } = state;
  progress.start('namespace', 'making');
  const outside = [
    ...(embeddedBus === undefined ? ['WSAR_BUS_URL'] : []),
    ...(environment.storeUrl === undefined ? [] : ['WSAR_CLICKHOUSE_URL']),
  ];
  try {
    if (outside.length > 0) {
      throw new WsarError(
        'WSAR_ERR_LIMIT',
        `what ${outside.join(' and ')} names is not reached from a network namespace`,
        "say 'namespace: off', or do without that address",
      );
    }
    const made = enterNetworkNamespace({
      connectionBuckets,
      settings: { 'core/somaxconn': BACKLOG_MAX },
    });
    state.environment = { ...environment, busUrl: await embeddedBus!.listenHereToo() };
    progress.end('done', `${numberText(connectionBuckets)} buckets for connections, ${made.name}`);
    return made;
  } catch (error) {
    if (namespace === 'on' || !(error instanceof WsarError)) throw error;
    state.leftOut.push(`a network namespace of its own: ${error.message}`);
    progress.end('left-out', error.message);
    return undefined;
  }
}
