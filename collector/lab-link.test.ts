// The collector inside a lab: real bus, real process, rows of others recorded, and every way in which
// what it works for can go away.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openLabLink } from '#collector/lab-link.ts';
import { recordedLines } from '#collector/recording/recorded-lines.ts';
import { newCounts } from '#collector/recording/recording-path.ts';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { type EmbeddedBus, startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { type LabEvent, topic } from '#core/bus/topic.ts';
import { systemClock } from '#core/clock/clock.ts';
import type { WsarError } from '#core/errors.ts';
import { hostName } from '#core/host/host-name.ts';
import { writeLabEnvironment } from '#core/host/lab-environment.ts';
import { MetricRegistry } from '#core/metric/registry.ts';
import type { Row, SourceSchema } from '#core/metric/row.ts';
import { type RunningCommand, startWsar, temporaryFolder } from '#test/command.ts';

const HOST = hostName();

interface Lab {
  bus: EmbeddedBus;
  watcher: Bus;
  spool: string;
  collector: RunningCommand;
  /** Resolves with the first value of a topic that fits. */
  next<T>(topicName: string, fits?: (value: T) => boolean): Promise<T>;
}

async function startLab(t: TestContext, args: string[] = []): Promise<Lab> {
  const bus = await startEmbeddedBus();
  t.after(() => bus.close());
  const watcher = await connectBus(bus.url, { clientId: 'test' });
  t.after(() => watcher.close());
  const waiting: { topic: string; check: (value: unknown) => boolean }[] = [];
  await watcher.subscribe('wsar/#', (name, value) => {
    for (const waiter of waiting.filter((each) => each.topic === name)) {
      if (waiter.check(value)) waiting.splice(waiting.indexOf(waiter), 1);
    }
  });
  const spool = join(temporaryFolder(t), 'spool');
  const collector = startWsar(t, ['collect', ...args, '--spool-folder', spool], {
    env: writeLabEnvironment({
      busUrl: bus.url,
      storeUrl: undefined,
      lab: 'l1',
      runId: 'r1',
      hasLifeline: true,
    }),
    stdin: 'pipe',
  });
  const next = <T>(name: string, fits: (value: T) => boolean = () => true): Promise<T> =>
    new Promise((resolve, reject) => {
      const check = (value: unknown): boolean => {
        if (!fits(value as T)) return false;
        resolve(value as T);
        return true;
      };
      waiting.push({ topic: name, check });
      void collector
        .exit()
        .then((code) => reject(new Error(`it ended with ${code}: ${collector.stderr()}`)));
    });
  return { bus, watcher, spool, collector, next };
}

/** What was recorded, a line a row or event. */
function recorded(folder: string): string[] {
  return [...recordedLines(folder, newCounts())].map((line) => JSON.stringify(line));
}

function serverRow(tick: number): Row {
  const values = { 'wsar.server.queue.length': 7, 'wsar.server.messages.received': tick * 500 };
  return { wallMs: systemClock.wallMs(), tick, missedTicks: 0, intervalUs: 1e6, values };
}

test('schema, rows and events on the bus; rows of the server become columns; all is spooled', async (t) => {
  const { watcher, spool, collector, next } = await startLab(t, ['--json']);
  const schema = await next<SourceSchema>(topic.schema('l1', HOST, 'host'));
  assert.equal(schema.source, 'host');
  assert.ok(schema.metrics.some(({ name }) => name === 'tcp.listen.overflows'));
  watcher.publish(topic.row('l1', HOST, 'server'), serverRow(0), { qos: 1 });
  const elsewhere: LabEvent = { wallMs: 1, kind: 'phase', text: 'steady-marker' };
  watcher.publish(topic.event('l1', 'other-host', 'load'), elsewhere, { qos: 1 });
  watcher.publish(topic.row('l1', 'other-host', 'load'), { nonsense: true }, { qos: 1 });
  const hostRow = topic.row('l1', HOST, 'host');
  const seen = await next<Row>(hostRow, ({ values }) => values['mailbox.length{stat=sum}'] === 7);
  watcher.publish(topic.row('l1', HOST, 'server'), serverRow(1), { qos: 1 });
  const rate = 'wsar.runtime.messages{direction=in}';
  const rated = await next<Row>(hostRow, ({ values }) => typeof values[rate] === 'number');
  assert.ok(rated.tick > seen.tick);
  assert.equal(rated.values[rate], 500);
  assert.ok(rated.values['wsar.runtime.age']! >= 0);
  assert.ok(rated.values['wsar.collector.spool.taken']! > 0);
  assert.ok(Array.isArray(rated.decays?.['mailbox.length{stat=sum}']));

  collector.child.kill('SIGTERM');
  assert.equal(await collector.exit(), 143);
  const lines = recorded(spool);
  const text = lines.join('\n');
  assert.match(text, /steady-marker/);
  assert.match(text, /wsar\.server\.queue\.length/);
  assert.equal(text.includes('nonsense'), false);
  const own = collector.stdout().trimEnd().split('\n').length;
  const ownRows = lines.filter((line) => line.includes('"source":"host"'));
  assert.equal(ownRows.length, own, 'each own row once');
});

test('when the lab is killed, the lifeline ends it with exit 4 and the rows in the spool', async (t) => {
  const { spool, collector, next } = await startLab(t);
  await next(topic.row('l1', HOST, 'host'));
  collector.child.stdin!.end();
  assert.equal(await collector.exit(), 4);
  assert.match(collector.stderr(), /the lab that started this collector is gone.*PARENT_LOST/);
  assert.match(collector.stdout(), /^Average: /m);
  assert.match(recorded(spool).join(), /wsar\.collector\.cpu_us/);
});

function openLink(
  t: TestContext,
  url: string,
  lostMsMax: number,
): Promise<{
  changes: LabEvent[];
  gone: Promise<Error>;
  changed(kind: string): Promise<LabEvent>;
}> {
  const changes: LabEvent[] = [];
  const waiting: { kind: string; resolve: (event: LabEvent) => void }[] = [];
  let onGone: (error: Error) => void = () => {};
  const gone = new Promise<Error>((resolve) => (onGone = resolve));
  const opened = openLabLink({
    url,
    lab: 'l1',
    host: 'h1',
    clock: systemClock,
    metrics: new MetricRegistry(),
    onMessage: () => {},
    onChange: (event) => {
      changes.push(event);
      for (const waiter of waiting) if (waiter.kind === event.kind) waiter.resolve(event);
    },
    onGone,
    busTimeoutMs: 300,
    lostMsMax,
  });
  const changed = (kind: string): Promise<LabEvent> =>
    new Promise((resolve) => waiting.push({ kind, resolve }));
  return opened.then((link) => {
    t.after(() => link.close());
    return { changes, gone, changed };
  });
}

test('no bus at the address: one sentence, exit code 4', async (t) => {
  const bus = await startEmbeddedBus();
  await bus.close();
  await assert.rejects(openLink(t, bus.url, 500), (error: WsarError) => {
    assert.match(error.message, /^the bus at .* cannot be used/);
    return error.exitCode === 4;
  });
});

test('a bus that stays away is told at once and ends the link when the time is over', async (t) => {
  const bus = await startEmbeddedBus();
  const { changes, gone } = await openLink(t, bus.url, 500);
  await bus.close();
  const error = await gone;
  assert.match(error.message, /was lost for/);
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ['lost'],
  );
});

test('a bus that comes back is used again', async (t) => {
  const bus = await startEmbeddedBus();
  const { changed } = await openLink(t, bus.url, 20_000);
  const lost = changed('lost');
  await bus.close();
  await lost;
  const back = changed('note');
  // The same address, another token: a broker that was configured anew refuses the old one, so the
  // same one must return. The embedded bus makes its token itself; a bare broker stands in for it.
  const again = await startOpenBroker(bus.port);
  t.after(() => again.close());
  assert.match((await back).text, /the bus is back after/);
});

/** A broker that takes every user, on a given port. */
async function startOpenBroker(port: number): Promise<{ close(): Promise<void> }> {
  const { Aedes } = await import('aedes');
  const { createServer } = await import('node:net');
  const broker = await Aedes.createBroker();
  const sockets = new Set<import('node:net').Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    broker.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    close: async () => {
      await new Promise<void>((resolve) => broker.close(resolve));
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
