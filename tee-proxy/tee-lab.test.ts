// The tee as a part of a lab: rows and schema on the bus, the share turned over it, and its end with the
// lab's.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { type LabEvent, topic } from '#core/bus/topic.ts';
import { hostName } from '#core/host/host-name.ts';
import { writeLabEnvironment } from '#core/host/lab-environment.ts';
import { turnKnob } from '#core/knob/turn-knob.ts';
import type { Row, SourceSchema } from '#core/metric/row.ts';
import { answering, Client, quiet, startServer, until } from '#tee-proxy/test/peer-servers.ts';
import { ENGINES, startTee, summaryOf } from '#tee-proxy/test/running-tee.ts';
import { startWsar } from '#test/command.ts';

const LAB = 'tee-test';
/** Against a hang; nothing is judged by time. */
const LIMIT = { timeout: 60_000 };

async function startLab(t: TestContext): Promise<{ bus: Bus; env: Record<string, string> }> {
  const broker = await startEmbeddedBus();
  const bus = await connectBus(broker.url, { clientId: 'test' });
  t.after(async () => {
    await bus.close();
    await broker.close();
  });
  const lab = { storeUrl: undefined, lab: LAB, runId: 'r', hasLifeline: false };
  return { bus, env: writeLabEnvironment({ ...lab, busUrl: broker.url }) };
}

// Several at a time: they wait more than they work.
describe('the tee in a lab', { concurrency: 3 }, () => {
  for (const engine of ENGINES) {
    test(
      `${engine}: the share is turned live; rows and schema are on the bus`,
      LIMIT,
      async (t) => {
        const { bus, env } = await startLab(t);
        const rows: Row[] = [];
        const events: LabEvent[] = [];
        let schema: SourceSchema | undefined;
        const at = (kind: 'row' | 'event' | 'schema'): string =>
          topic[kind](LAB, hostName(), 'tee');
        await bus.subscribe(at('row'), (_, value) => rows.push(value as Row));
        await bus.subscribe(at('event'), (_, value) => events.push(value as LabEvent));
        await bus.subscribe(at('schema'), (_, value) => (schema = value as SourceSchema));
        const upstream = await startServer(t, answering);
        const shadow = await startServer(t, quiet);
        const setting = { engine, upstream: upstream.port, shadows: [shadow.port], env };
        const tee = await startTee(t, setting);
        const knob = { lab: LAB, owner: 'tee', name: 'tee.share', by: 'test', timeoutMs: 10_000 };
        await until('the schema', () => schema !== undefined);

        const copied = new Client(tee.port, 1);
        await copied.say(100);
        await until('a copy at share 1', () => shadow.seen.get(1)?.bytes === 100);
        const off = await turnKnob(bus, { ...knob, value: 0 });
        assert.equal(off.value, 0);
        await until('the running copy is given up', () => shadow.seen.get(1)?.end === 'reset');
        const alone = new Client(tee.port, 2);
        await alone.say(100);
        await until('production answers', () => alone.bytes === 100);
        const on = await turnKnob(bus, { ...knob, value: 1 });
        assert.equal(on.value, 1);
        const again = new Client(tee.port, 3);
        await again.say(100);
        await until('a copy again', () => shadow.seen.get(3)?.bytes === 100);
        assert.ok(!shadow.seen.has(2), 'no copy begins in the middle');

        const refused = await turnKnob(bus, { ...knob, value: 7 });
        assert.equal(refused.value, 1);
        assert.match(refused.refused!, /7/);
        for (const client of [copied, alone, again]) {
          await client.say(100);
          assert.equal((await client.finish()).error, undefined);
          assert.equal(client.bytes, 200);
        }
        const shed = 'wsar.tee.shadow.shed_connections.share';
        await until('rows with it', () => rows.at(-1)?.values[shed] === 1);
        const names = schema!.metrics.map(({ name }) => name).sort();
        assert.deepEqual(Object.keys(rows.at(-1)!.values).sort(), names);
        assert.ok(events.some(({ kind, text }) => kind === 'knob' && /from 1 to 0/.test(text)));
        await tee.stop();
      },
    );
  }

  test('when the lab dies, the tee ends with its summary and says why', LIMIT, async (t) => {
    const { env } = await startLab(t);
    const upstream = await startServer(t, answering);
    const args = ['tee', '--listen', '0', '--upstream', `${upstream.port}`, '--json'];
    const command = startWsar(t, args, { env: { ...env, WSAR_LIFELINE: '1' }, stdin: 'pipe' });
    await command.line(/^ready /);
    command.child.stdin!.end();
    assert.equal(await command.exit(), 4, command.stderr());
    assert.match(command.stderr(), /WSAR_ERR_PARENT_LOST/);
    summaryOf(command);
  });

  test('when the bus dies, production goes on', LIMIT, async (t) => {
    const broker = await startEmbeddedBus();
    const lab = { storeUrl: undefined, lab: LAB, runId: 'r', hasLifeline: false };
    const env = writeLabEnvironment({ ...lab, busUrl: broker.url });
    const upstream = await startServer(t, answering);
    const tee = await startTee(t, { engine: 'net', upstream: upstream.port, env });
    await broker.close();
    const client = new Client(tee.port, 1);
    await client.say(1000);
    assert.equal((await client.finish()).bytes, 1000);
    await tee.nextRow();
    await tee.stop();
  });

  test('without a bus that answers, nothing is started', LIMIT, async (t) => {
    const env = { WSAR_BUS_URL: 'mqtt://127.0.0.1:1', WSAR_LAB: LAB };
    const command = startWsar(t, ['tee', '--listen', '0', '--upstream', '9'], { env });
    assert.equal(await command.exit(), 4, command.stderr());
    assert.equal(command.stdout(), '');
  });
});
