// A bus with a part that offers one knob of the server, for tests of who turns it.

import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { systemClock } from '#core/clock/clock.ts';
import { offerKnobs } from '#core/knob/offer-knobs.ts';
import { SERVER_KNOBS } from '#reference-server/server-knobs.ts';
import { temporaryFolder } from '#test/command.ts';

type Offered = Parameters<typeof offerKnobs>[0]['knobs'][number];

export interface OfferedKnob {
  url: string;
  bus: Bus;
  close(): Promise<void>;
}

/** In lab 'l' of host 'h', by owner 'server'. */
export async function offerServerKnob(
  t: TestContext,
  name: string,
  how: Pick<Offered, 'read' | 'apply'>,
): Promise<OfferedKnob> {
  const embedded = await startEmbeddedBus();
  const bus = await connectBus(embedded.url, { clientId: 'parts' });
  const def = SERVER_KNOBS.find((knob) => knob.name === name)!;
  const knobs = await offerKnobs({
    bus,
    lab: 'l',
    host: 'h',
    owner: 'server',
    journalFile: join(temporaryFolder(t), 'journal'),
    clock: systemClock,
    knobs: [{ def, ...how }],
  });
  return {
    url: embedded.url,
    bus,
    async close() {
      await knobs.close();
      await bus.close();
      await embedded.close();
    },
  };
}
