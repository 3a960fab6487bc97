import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KnobValue } from '#core/knob/knob.ts';
import { freezeServer } from '#lab/ladder/freeze-server.ts';
import { offerServerKnob } from '#lab/test/offered-knob.ts';

test('a server that does not freeze its worker is told of, not thrown', async (t) => {
  const applied: KnobValue[] = [];
  const { bus, close } = await offerServerKnob(t, 'inject.freeze', {
    read: () => 0,
    apply: (wanted) => void applied.push(wanted),
  });
  t.after(close);
  const control = { bus, lab: 'l', signal: new AbortController().signal };
  const said = await freezeServer(control, 0, { of: 'worker', atMs: 0, forMs: 3000 });
  assert.equal(applied[0], 3000);
  assert.match(said!, /no worker stood still: server did not turn inject.freeze to 3000/);
});
