// The load's place on a lab's bus: its rows and phases go out, its rate is a knob that can be
// turned while it runs. Outside a lab there is no bus, and all of this does nothing.

import { join } from 'node:path';
import { connectBus } from '#core/bus/bus.ts';
import { publishSource } from '#core/bus/publish-source.ts';
import { topic } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { hostName } from '#core/host/host-name.ts';
import type { LabEnvironment } from '#core/host/lab-environment.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import { offerKnobs } from '#core/knob/offer-knobs.ts';
import type { Row } from '#core/metric/row.ts';
import type { LoadDriver, PhaseName } from '#loadgen/load-driver.ts';
import { LOAD_METRICS } from '#loadgen/load-rows.ts';
import { RATE_PER_S_MAX } from '#loadgen/rate-schedule.ts';

export interface LabLink {
  row(row: Row): void;
  phase(phase: PhaseName, wallMs: number): void;
  /** Offers the rate of `run` as knob load.rate. */
  offerRate(run: LoadDriver): Promise<void>;
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
    async offerRate(run) {
      knobs = await offerKnobs({
        bus,
        lab,
        host,
        owner: 'load',
        // One file for each process: the rate of a load that died is no business of the next.
        journalFile: join(stateSubfolder('knobs'), `load-${runId}-${process.pid}.json`),
        clock,
        knobs: [rateKnob(run)],
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
  offerRate: async () => {},
  serverSessions: () => undefined,
  onLost: () => {},
  close: async () => {},
};

function rateKnob(run: LoadDriver) {
  return {
    def: {
      name: 'load.rate',
      type: { kind: 'float' as const, min: 0, max: RATE_PER_S_MAX },
      unit: '{message}/s',
      default: run.ratePerS,
      help: 'messages of all users together; 0 pauses them',
    },
    read: () => run.ratePerS,
    apply(value: number | string) {
      if (run.setRate(Number(value))) return;
      throw new WsarError(
        'WSAR_ERR_LIMIT',
        'the rate of this load is planned (--stages, --day, --spike), or was turned too often to remember',
        'start another load without such a plan',
      );
    },
  };
}
