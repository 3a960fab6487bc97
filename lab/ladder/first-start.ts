// A server that starts for the first time after its sources have changed removes the types from each of them, in every
// thread, with a compiler that stays: 55 MB of 190. From the second start on it finds that done (bin/wsar). So a ladder
// starts one for nothing, and no step's memory is that of a first start.

import { part, serverUrl } from '#lab/run/lab-parts.ts';
import type { LabState } from '#lab/run/run-state.ts';
import { untilCut } from '#lab/run/until-cut.ts';

const GRACE_MS = 15_000;

/** Starts and stops a server with a worker of its own. */
export async function startServerOnce(state: LabState): Promise<void> {
  const { supervisor, progress, signal } = state;
  progress.start('first start', 'a server, so that its code is compiled');
  const options = part(state, 'server', ['serve', '--port', '0', '--lab', '--workers', '1']);
  const server = await supervisor.start(options, { mayFail: true });
  await untilCut(serverUrl(server), signal);
  await supervisor.stop('server', GRACE_MS);
  progress.end('done', 'its code is compiled and kept');
}
