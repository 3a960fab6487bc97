import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { systemClock } from '#core/clock/clock.ts';
import type { KnobValue } from '#core/knob/knob.ts';
import { offerKnobs } from '#core/knob/offer-knobs.ts';
import { freezeServer } from '#lab/ladder/freeze-server.ts';
import { SERVER_KNOBS } from '#reference-server/server-knobs.ts';
import { temporaryFolder } from '#test/command.ts';

test('a server that does not freeze its worker is told of, not thrown', async (t) => {
  const embedded = await startEmbeddedBus();
  const bus = await connectBus(embedded.url, { clientId: 'parts' });
  const applied: KnobValue[] = [];
  const knobs = await offerKnobs({
    bus,
    lab: 'l',
    host: 'h',
    owner: 'server',
    journalFile: join(temporaryFolder(t), 'journal'),
    clock: systemClock,
    knobs: [
      {
        def: SERVER_KNOBS.find(({ name }) => name === 'inject.freeze')!,
        read: () => 0,
        apply: (wanted) => void applied.push(wanted),
      },
    ],
  });
  t.after(async () => {
    await knobs.close();
    await bus.close();
    await embedded.close();
  });
  const control = { bus, lab: 'l', signal: new AbortController().signal };
  const said = await freezeServer(control, 0, { of: 'worker', atMs: 0, forMs: 3000 });
  assert.equal(applied[0], 3000);
  assert.match(said!, /no worker stood still: server did not turn inject.freeze to 3000/);
});
