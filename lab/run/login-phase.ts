// The phases in which the population grows and settles: login until three counts agree, then warm-up.

import { WsarError } from '#core/errors.ts';
import { numberText, spanText } from '#dashboards/report/number-text.ts';
import { partsContext } from '#lab/run/bring-up.ts';
import { loadPart } from '#lab/run/lab-parts.ts';
import { countInKernelTable, judgeCounts, readSocketsInUse } from '#lab/run/login-counts.ts';
import type { RunState } from '#lab/run/run-state.ts';
import { measureSpinUs } from '#lab/run/spin.ts';
import { untilTrue, untilWall } from '#lab/run/until-cut.ts';
import { readHostRoom } from '#loadgen/host-room.ts';

const LOOK_MS = 100;
/** A login may take this much longer than its rate says, and then this. */
const RAMP_FACTOR = 4;
const RAMP_SPARE_MS = 60_000;
/** With less memory than this a run would have the kernel choose whom to kill. */
const FREE_BYTES_MIN = 256 * 1024 * 1024;
/** Spins before the first block, so that there is something usual to compare with. */
const WARM_UP_SPINS = 6;

/** Starts the generator and waits until everybody is in, by three counts. */
export async function logIn(state: RunState): Promise<void> {
  const { progress, supervisor, recorder, clock, signal, preflight } = state;
  const { connections, rampPerS } = preflight.sizing.workload;
  progress.start('login', `0 of ${numberText(connections)}`);
  const socketsBefore = readSocketsInUse();
  await supervisor.start(loadPart(partsContext(state), state.targetUrl));
  const generator = (): number | null =>
    recorder!.latest('load')?.values['wsar.load.connections.logged_in'] ?? null;
  const server = (): number | null =>
    recorder!.latest('server')?.values['wsar.server.sessions'] ?? null;
  let told: number | null = null;
  const isAllIn = (): boolean => {
    requireMemory();
    const now = generator();
    if (now !== told) progress.update(`${numberText(now)} of ${numberText(connections)}`);
    told = now;
    return now === connections && server() === connections;
  };
  const timeoutMs = (connections / rampPerS) * RAMP_FACTOR * 1000 + RAMP_SPARE_MS;
  const isIn = await untilTrue(isAllIn, { clock, everyMs: LOOK_MS, timeoutMs, signal });
  state.counts = judgeCounts({
    wanted: connections,
    generator: generator(),
    server: server(),
    socketsBefore,
    socketsAfter: readSocketsInUse(),
    countInTable: () => countInKernelTable(Number(new URL(state.targetUrl).port), 2 * connections),
  });
  const { sentence } = state.counts;
  if (!isIn) {
    throw new WsarError(
      'WSAR_ERR_INVALID_RUN',
      `not all of ${numberText(connections)} users were logged in within ${spanText(timeoutMs)}: ${sentence}`,
      'fewer connections or a slower load.ramp may do',
    );
  }
  progress.end('done', `${numberText(connections)} users: ${sentence}`);
}

/** Lets the load settle; the spins of this phase are what the later ones are compared with. */
export async function warmUp(state: RunState): Promise<void> {
  const { progress, clock, signal, source, spins, recorder } = state;
  const { warmUpMs } = source.experiment;
  progress.start('warm-up', `${warmUpMs / 1000} s`);
  // To a whole second: the first block is turned at once when this phase ends.
  const endWallMs = Math.ceil((clock.wallMs() + warmUpMs) / 1000) * 1000;
  const startWallMs = clock.wallMs();
  for (let spin = 1; spin <= WARM_UP_SPINS; spin++) {
    const atWallMs = startWallMs + ((endWallMs - startWallMs) * spin) / WARM_UP_SPINS;
    await untilWall(clock, atWallMs, signal);
    spins.take(measureSpinUs(clock));
    progress.update(`${warmUpMs / 1000} s`);
    requireMemory();
  }
  const values = recorder!.latest('load')?.values ?? {};
  const p99 = values['wsar.load.latency_us.p99'] ?? null;
  progress.end(
    'done',
    p99 === null ? 'no message yet' : `latency p99 ${numberText(p99 / 1000)} ms`,
  );
}

function requireMemory(): void {
  const { freeBytes } = readHostRoom('/proc', '/sys/fs/cgroup');
  if (freeBytes === undefined || freeBytes >= FREE_BYTES_MIN) return;
  throw new WsarError(
    'WSAR_ERR_STOP_RULE',
    `only ${numberText(freeBytes / 1024 / 1024)} MiB of memory are free on this host`,
    'give fewer connections, or free memory',
  );
}
