// The real command, ended by SIGTERM and started again with its snapshot: what clients find.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { IClientOptions } from 'mqtt';
import { readSnapshot } from '#reference-server/snapshot/snapshot-file.ts';
import {
  client,
  type Message,
  type RunningServer,
  startServer,
} from '#reference-server/test/running-server.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';

const KEPT: IClientOptions = {
  clean: false,
  protocolVersion: 5,
  properties: { sessionExpiryInterval: 1000 },
};

/** By convention; the server has ended in order all the same. */
const EXIT_BY_SIGTERM = 143;

async function end(server: RunningServer): Promise<void> {
  server.command.child.kill('SIGTERM');
  assert.equal(await server.command.exit(), EXIT_BY_SIGTERM, server.command.stderr());
}

/** Resolves when `isThere` holds of what was heard. */
function listener(): {
  heard: Message[];
  note: (message: Message) => void;
  until: (count: number) => Promise<void>;
} {
  const heard: Message[] = [];
  let changed = (): void => {};
  return {
    heard,
    note(message) {
      heard.push(message);
      changed();
    },
    async until(count) {
      while (heard.length < count) {
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
    },
  };
}

/** Makes a folder; false while a file has its name. */
function isMade(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

function mailServer(t: TestContext, file: string, workers: number): Promise<RunningServer> {
  return startServer(t, ['--workers', String(workers), '--snapshot', file]);
}

describe('a server with --snapshot', { concurrency: false }, () => {
  for (const [before, after] of [
    [1, 1],
    [1, 2],
    [2, 1],
  ] as const) {
    test(`mail, group and receipt over a restart, ${before} then ${after} workers`, async (t) => {
      const file = join(temporaryFolder(t), 'snapshot');
      const first = await mailServer(t, file, before);
      assert.equal(first.command.stderr().includes('taken from'), false);
      const names = ['ann', 'bob', 'cid', 'dan'];
      for (const clientId of names) {
        const one = await client(t, first, { ...KEPT, clientId });
        for (const filter of [`m/${clientId}`, `r/${clientId}`, 'g/all']) {
          await one.subscribeAsync(filter, { qos: 1 });
        }
        if (clientId !== 'ann') await one.endAsync();
      }
      const sender = await client(t, first, { clientId: 'eve' });
      for (const name of names.slice(1)) {
        await sender.publishAsync(`m/${name}`, `to ${name}`, { qos: 1 });
      }
      const ann = await client(t, first, { ...KEPT, clientId: 'ann' });
      await ann.publishAsync('m/bob', 'from ann', { qos: 1 });
      await ann.publishAsync('g/all', 'to all', { qos: 1 });
      await end(first);
      assert.match(first.command.stderr(), /snapshot .*: 4 users, [789] messages, \d+ bytes/);
      assert.equal(statSync(file).mode & 0o777, 0o600);

      const second = await mailServer(t, file, after);
      assert.match(second.command.stderr(), /wsar serve: 4 users, [789] messages taken from /);
      const annHears = listener();
      await client(t, second, { ...KEPT, clientId: 'ann' }, annHears.note);
      for (const clientId of names.slice(1)) {
        const hears = listener();
        await client(t, second, { ...KEPT, clientId }, hears.note);
        const texts = [`to ${clientId}`, ...(clientId === 'bob' ? ['from ann'] : []), 'to all'];
        await hears.until(texts.length);
        assert.deepEqual(
          hears.heard.map(({ text }) => text),
          texts,
        );
      }
      // Perhaps her own copy of the message to all too, when its PUBACK was lost.
      const receipts = (): string[] =>
        annHears.heard.flatMap(({ topic, text }) => (topic === 'r/ann' ? text.split('\n') : []));
      for (let count = 1; receipts().length < 4; count++) await annHears.until(count);
      // Those of one message keep their order; bob's home may be another worker.
      const told = receipts().map((text) => text.replace(/ \d+( |$)/, ' <id>$1'));
      assert.deepEqual(
        [told.filter((text) => text === 'bob <id>'), told.filter((text) => text !== 'bob <id>')],
        [['bob <id>'], ['g/all <id> 1/3', 'g/all <id> 2/3', 'g/all <id> 3/3']],
      );
      await end(second);
      await end(await mailServer(t, file, before));
    });
  }

  test('a mosquitto.conf with persistence: session, retained message, queue of QoS 2', async (t) => {
    const folder = temporaryFolder(t);
    const conf = join(folder, 'mosquitto.conf');
    writeFileSync(
      conf,
      'listener 0\nallow_anonymous true\npersistence true\npersistence_file kept.db\n',
    );
    const start = async (): Promise<RunningServer> => {
      const command = startWsar(t, ['serve', '-c', conf, '--workers', '2']);
      const [, url] = await command.line(/^ready (mqtt:.*)\n/);
      return { command, url: url!, port: 0, values: () => Promise.reject(new Error('no rows')) };
    };
    const first = await start();
    const reader = await client(t, first, { ...KEPT, clientId: 'reader' });
    await reader.subscribeAsync('a/+', { qos: 2 });
    await reader.endAsync();
    const writer = await client(t, first, { clientId: 'writer', protocolVersion: 5 });
    await writer.publishAsync('a/1', 'kept', { qos: 1, retain: true });
    await writer.publishAsync('a/2', 'queued', { qos: 2 });
    await end(first);
    assert.equal(existsSync(join(folder, 'kept.db')), true);
    const second = await start();
    // A queued one, and one that is retained and queued.
    assert.match(
      second.command.stderr(),
      /wsar serve: 1 users, 3 messages taken from .*kept\.db\n/,
    );
    const hears = listener();
    await client(t, second, { ...KEPT, clientId: 'reader' }, hears.note);
    await hears.until(2);
    assert.deepEqual(
      hears.heard.map(({ text, qos }) => [text, qos]),
      [
        ['kept', 1],
        ['queued', 2],
      ],
    );
    const late = listener();
    const other = await client(t, second, { clientId: 'late' }, late.note);
    await other.subscribeAsync('#');
    await late.until(1);
    assert.equal(late.heard[0]!.text, 'kept');
    await end(second);
  });

  test('SIGUSR1 writes it while the server runs, and a killed one goes on from there', async (t) => {
    const file = join(temporaryFolder(t), 'snapshot');
    const first = await mailServer(t, file, 2);
    const one = await client(t, first, { ...KEPT, clientId: 'bob' });
    await one.subscribeAsync('m/bob', { qos: 1 });
    await one.endAsync();
    const sender = await client(t, first, { clientId: 'eve' });
    await sender.publishAsync('m/bob', 'before', { qos: 1 });
    const told = once(first.command.child.stderr!, 'data');
    first.command.child.kill('SIGUSR1');
    await told;
    assert.match(first.command.stderr(), /snapshot .*: 1 users, 1 messages/);
    await sender.publishAsync('m/bob', 'after', { qos: 1 });
    first.command.child.kill('SIGKILL');
    await first.command.exit();
    const second = await mailServer(t, file, 1);
    const hears = listener();
    await client(t, second, { ...KEPT, clientId: 'bob' }, hears.note);
    await hears.until(1);
    assert.deepEqual(
      hears.heard.map(({ text }) => text),
      ['before'],
    );
    await end(second);
  });

  test('--snapshot-interval writes it by itself, and rows, $SYS and OpenMetrics say so', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'snapshot');
    const often = ['--snapshot', file, '--snapshot-interval', '1', '--workers', '1'];
    const args = [...often, '--lab', '--sys-interval', '1', '--metrics-port', '0'];
    const first = await startServer(t, args);
    const one = await client(t, first, { ...KEPT, clientId: 'bob' });
    await one.subscribeAsync('m/bob', { qos: 1 });
    await one.endAsync();
    const sender = await client(t, first, { clientId: 'eve' });
    await sender.publishAsync('m/bob', 'waits', { qos: 1 });
    const saved = await first.values((value) => value('snapshot.messages') === 1, 'new');
    const of = (values: typeof saved, name: string): number =>
      values[`wsar.server.snapshot.${name}`] ?? Number.NaN;
    assert.ok(of(saved, 'saves') >= 1 && of(saved, 'age') < 60 && of(saved, 'duration') > 0);
    assert.deepEqual([of(saved, 'users'), of(saved, 'failures')], [1, 0]);
    assert.equal(of(saved, 'bytes'), statSync(file).size);
    assert.ok(readSnapshot(file) !== undefined);
    // Nobody can write a file where a folder is.
    while (!isMade(`${file}.new`)) await first.values(() => true, 'new');
    const failed = await first.values((value) => value('snapshot.failures') > 0, 'new');
    assert.ok(of(failed, 'failures') > 0);
    rmdirSync(`${file}.new`);
    await end(first);

    const second = await startServer(t, args);
    const taken = await second.values(() => true, 'new');
    const restored = ['restored_users', 'restored_messages', 'restore_refused'];
    assert.deepEqual(
      restored.map((name) => of(taken, name)),
      [1, 1, 0],
    );
    const [, url] = await second.command.line(/^metrics (.*)\n/m);
    const text = await (await fetch(url!)).text();
    assert.match(text, /^wsar_server_snapshot_restored_messages_total 1$/m);
    assert.match(text, /^wsar_server_snapshot_age [\d.]+$/m);
    const hears = listener();
    const reader = await client(t, second, { clientId: 'ops' }, hears.note);
    await reader.subscribeAsync('$SYS/broker/snapshot/restored/#');
    await hears.until(3);
    assert.deepEqual(
      hears.heard.map(({ topic, text: value }) => [topic.split('/').at(-1), value]).sort(),
      [
        ['messages', '1'],
        ['refused', '0'],
        ['users', '1'],
      ],
    );
    await end(second);
  });

  test('a damaged file stops the start, and stays as it is', async (t) => {
    const file = join(temporaryFolder(t), 'snapshot');
    await end(await mailServer(t, file, 1));
    const whole = readFileSync(file);
    whole[whole.length - 1]! ^= 1;
    writeFileSync(file, whole);
    const command = startWsar(t, ['serve', '--port', '0', '--snapshot', file, '--workers', '1']);
    assert.equal(await command.exit(), 2);
    assert.match(
      command.stderr(),
      /the snapshot .* is damaged: .*; nothing was changed; move it away/,
    );
    assert.deepEqual(readFileSync(file), whole);
    const nowhere = join(temporaryFolder(t), 'none', 'snapshot');
    const other = startWsar(t, ['serve', '--port', '0', '--snapshot', nowhere]);
    assert.notEqual(await other.exit(), 0);
    assert.match(other.stderr(), /the folder of the snapshot .* cannot be written/);
  });
});
