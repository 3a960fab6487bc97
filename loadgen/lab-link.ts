// The load's place on a lab's bus: its rows and phases go out, its knobs can be turned
// while it runs. Outside a lab there is no bus, and all of this does nothing.

import { join } from 'node:path';
import { connectBus } from '#core/bus/bus.ts';
import { publishSource } from '#core/bus/publish-source.ts';
import { topic } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';
import { hostName } from '#core/host/host-name.ts';
import type { LabEnvironment } from '#core/host/lab-environment.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import { type OfferedKnob, offerKnobs } from '#core/knob/offer-knobs.ts';
import type { Row } from '#core/metric/row.ts';
import type { PhaseName } from '#loadgen/load-driver.ts';
import { LOAD_METRICS } from '#loadgen/load-rows.ts';

export interface LabLink {
  row(row: Row): void;
  phase(phase: PhaseName, wallMs: number): void;
  /** Offers the knobs of a running load. */
  offer(knobs: OfferedKnob[]): Promise<void>;
  /** Sessions by the last row of the lab's server; undefined when none has come. */
  serverSessions(): number | undefined;
  /** Calls back once when the bus is lost for good: nobody can read or turn this load any more. */
  onLost(callback: () => void): void;
  close(): Promise<void>;
}

/**
 * Joins the lab that the environment names. Throws WSAR_ERR_UNREACHABLE when its bus does not
 * answer.
 */
export async function joinLab(environment: LabEnvironment, clock: Clock): Promise<LabLink> {
  const { busUrl, lab, runId } = environment;
  if (busUrl === undefined) return NO_LAB;
  const bus = await connectBus(busUrl, { clientId: 'load' });
  const host = hostName();
  const source = publishSource(bus, { lab, host, source: 'load', metrics: LOAD_METRICS });
  let sessions: number | undefined;
  await bus.subscribe(topic.row(lab, '+', 'server'), (_topic, value) => {
    const told = (value as Row).values?.['wsar.server.sessions'];
    if (typeof told === 'number') sessions = told;
  });
  let knobs: { close(): Promise<void> } | undefined;
  return {
    row: (row) => source.row(row),
    phase(phase, wallMs) {
      source.event({ wallMs, kind: 'phase', text: phase, data: { phase } });
    },
    async offer(offered) {
      knobs = await offerKnobs({
        bus,
        lab,
        host,
        owner: 'load',
        // One file for each process: the knobs of a load that died are no business of the next.
        journalFile: join(stateSubfolder('knobs'), `load-${runId}-${process.pid}.json`),
        clock,
        knobs: offered,
      });
    },
    serverSessions: () => sessions,
    onLost: (callback) => bus.onLost(callback),
    async close() {
      await knobs?.close();
      await bus.close();
    },
  };
}

const NO_LAB: LabLink = {
  row: () => {},
  phase: () => {},
  offer: async () => {},
  serverSessions: () => undefined,
  onLost: () => {},
  close: async () => {},
};
