// The phases after the blocks, also after a cut: parts end in the order in which data flows, the store is
// asked for coverage and takes the record, and nothing is left behind.

import { WsarError } from '#core/errors.ts';
import { removeCurrentLab } from '#core/host/current-lab.ts';
import { openStore } from '#core/store/store.ts';
import type { RunLine } from '#core/store/tables.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';
import { type CoverageSpan, countFromStore, judgeCoverage } from '#lab/run/coverage.ts';
import type { SourceName } from '#lab/run/lab-recorder.ts';
import type { LabState, RunState } from '#lab/run/run-state.ts';

/** Time for an orderly end of one part before it is killed; short when the run is cut. */
const GRACE_MS = 15_000;
const GRACE_AFTER_CUT_MS = 5000;

/** Ends load, server and collector; what the collector still holds goes to the store meanwhile. */
export async function stopLoadAndServer(state: RunState): Promise<void> {
  const { supervisor, clock } = state;
  const graceMs = state.cut === null ? GRACE_MS : GRACE_AFTER_CUT_MS;
  const spans = coverageSpans(state, clock.wallMs());
  await supervisor.stop('load', graceMs);
  await supervisor.stop('server', graceMs);
  await supervisor.stop('collector', graceMs);
  await measureCoverage(state, spans);
}

/** Ends store and bus. After this nothing of the run is left but its folder. */
export async function stopRest(state: LabState): Promise<void> {
  await state.supervisor.stopAll(state.cut === null ? GRACE_MS : GRACE_AFTER_CUT_MS);
  await state.bus?.close();
  await state.embeddedBus?.close();
  removeCurrentLab(process.pid);
}

/** Puts the record into the store; a store that cannot take it is told, the record is in the folder. */
export async function keepRecord(
  state: LabState,
  record: Pick<RunRecord, 'runId' | 'endedWallMs'>,
): Promise<void> {
  const { storeUrl } = state.environment;
  if (storeUrl === undefined || state.supervisor.part('store')?.exit !== undefined) return;
  try {
    const store = await openStore(storeUrl);
    try {
      const { runId, endedWallMs } = record;
      const line = { run_id: runId, wall_ms: endedWallMs, record: JSON.stringify(record) };
      await store.insert('runs', [line satisfies RunLine]);
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof WsarError)) throw error;
    state.leftOut.push(`the record in the store: ${error.message}`);
  }
}

/** Every source that was there, from its first row to the last whole second before the end. */
function coverageSpans({ recorder }: RunState, nowWallMs: number): CoverageSpan[] {
  const lastWallMs = Math.floor(nowWallMs / 1000) * 1000 - 1000;
  return (['server', 'load', 'host'] as const).flatMap((source: SourceName) => {
    const firstWallMs = recorder?.firstWallMs(source);
    if (firstWallMs === undefined || firstWallMs > lastWallMs) return [];
    const missedTicks = recorder!.missedTicks(source);
    return [{ source, firstWallMs, lastWallMs, missedTicks }];
  });
}

async function measureCoverage(state: RunState, spans: CoverageSpan[]): Promise<void> {
  const { recorder, runId } = state;
  const { storeUrl } = state.environment;
  if (recorder === undefined || spans.length === 0) return;
  if (storeUrl !== undefined && state.supervisor.part('store')?.exit === undefined) {
    try {
      const store = await openStore(storeUrl);
      try {
        state.coverage = await countFromStore(store, runId, spans);
        return;
      } finally {
        await store.close();
      }
    } catch (error) {
      if (!(error instanceof WsarError)) throw error;
      state.leftOut.push(`coverage from the store: ${error.message}`);
    }
  }
  const present = new Map(
    spans.map(({ source, firstWallMs, lastWallMs }) => [
      source,
      recorder.secondsBetween(source as SourceName, firstWallMs, lastWallMs),
    ]),
  );
  state.coverage = judgeCoverage('bus', spans, present);
}
