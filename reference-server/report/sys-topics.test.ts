// $SYS of a real server: what mosquitto_sub shows, that topics move with what they count, who may not read it,
// that '#' does not match it, and that nothing is told when the knob says so.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  client,
  debianClient,
  type RunningServer,
  startServer,
} from '#reference-server/test/running-server.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { needPrograms } from '#test/foreign-part.ts';

const B = '$SYS/broker';

/** A client that keeps the last text of each topic it is told. */
async function watch(t: TestContext, server: RunningServer, clientId: string, filter: string) {
  const texts = new Map<string, string>();
  const waiting: { isWanted: () => boolean; resolve: () => void }[] = [];
  const reader = await client(t, server, { clientId }, ({ topic, text }) => {
    texts.set(topic, text);
    for (const one of waiting) if (one.isWanted()) one.resolve();
  });
  const [granted] = await reader.subscribeAsync(filter, { qos: 0 }).catch(() => []);
  return {
    texts,
    isGranted: granted !== undefined && granted.qos < 128,
    until: (isWanted: () => boolean) =>
      new Promise<void>((resolve) => {
        if (isWanted()) resolve();
        else waiting.push({ isWanted, resolve });
      }),
  };
}

describe('$SYS', { concurrency: true }, () => {
  test('with --lab everybody reads it; texts follow what happens', async (t) => {
    const server = await startServer(t, ['--lab', '--workers', '2', '--sys-interval', '1']);
    const { texts, until } = await watch(t, server, 'eve', '$SYS/#');
    const is = (name: string, text: string): boolean => texts.get(`${B}/${name}`) === text;
    await until(() => is('clients/connected', '1') && is('messages/received', '0'));
    const ann = await client(t, server, { clientId: 'ann' });
    for (let i = 0; i < 7; i++) await ann.publishAsync('m/away', 'x', { qos: 1 });
    const wanted = { messages: 'received', publish: 'messages/received', queue: 'length' };
    await until(() => Object.entries(wanted).every(([a, b]) => is(`${a}/${b}`, '7')));
    await until(() => is('store/messages/count', '7') && is('clients/connected', '2'));
    await until(() => texts.has(`${B}/mailboxes/longest/0`));
    const longest = JSON.parse(texts.get(`${B}/mailboxes/longest/0`)!);
    assert.equal(longest.length, 7);
    assert.ok(is('clients/maximum', '2'));
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    assert.equal(texts.get(`${B}/version`), `wsar version ${version}`);
    assert.match(texts.get(`${B}/uptime`)!, /^\d+ seconds$/);
    // Both workers, and the interval adds up: a loop works, spins or sleeps.
    for (const worker of [0, 1]) {
      await until(() => Number(texts.get(`${B}/workers/${worker}/sleeping`)) > 0);
      const share = (name: string) => Number(texts.get(`${B}/workers/${worker}/${name}`));
      const all = share('working') + share('spinning') + share('sleeping');
      assert.ok(all > 20 && all < 180, `${all} % of an interval`);
    }
    // The queue is emptied: its length and the longest mailbox go.
    const away = await client(t, server, { clientId: 'away' });
    await away.subscribeAsync('m/away', { qos: 1 });
    await until(() => is('queue/length', '0') && is(`mailboxes/longest/0`, ''));
  });

  test("'#' does not match it, and a client cannot write it", async (t) => {
    const args = ['--profile', 'conformance', '--workers', '2', '--sys-interval', '1'];
    const server = await startServer(t, args);
    const all = await watch(t, server, 'all', '#');
    const system = await watch(t, server, 'system', '$SYS/#');
    assert.ok(all.isGranted && system.isGranted);
    await system.until(() => system.texts.has(`${B}/uptime`));
    const ann = await client(t, server, { clientId: 'ann', protocolVersion: 5 });
    await assert.rejects(ann.publishAsync(`${B}/uptime`, 'forged', { qos: 1, retain: true }), {
      code: 0x87,
    });
    await ann.publishAsync('news', 'x', { qos: 1 });
    await all.until(() => all.texts.has('news'));
    const before = system.texts.get(`${B}/uptime`);
    await system.until(() => system.texts.get(`${B}/uptime`) !== before);
    assert.deepEqual([...all.texts.keys()], ['news']);
    assert.ok(![...system.texts.values()].includes('forged'));
  });

  test('else only an --admin reads it, and with --sys-interval 0 nobody is told anything', async (t) => {
    const [server, silent] = await Promise.all([
      startServer(t, ['--workers', '1', '--admin', 'root', '--sys-interval', '1']),
      startServer(t, ['--workers', '1', '--admin', 'root', '--sys-interval', '0']),
    ]);
    const root = await watch(t, server, 'root', '$SYS/#');
    const bob = await watch(t, server, 'bob', '$SYS/#');
    const quiet = await watch(t, silent, 'root', '$SYS/#');
    assert.deepEqual([root.isGranted, bob.isGranted, quiet.isGranted], [true, false, true]);
    await root.until(() => root.texts.has(`${B}/uptime`));
    const ticks = await silent.values((value) => value('connections') === 1, 'new');
    assert.equal(ticks['wsar.server.sys.shed'], 0);
    await silent.values(() => true, 'new');
    assert.deepEqual([bob.texts.size, quiet.texts.size], [0, 0]);
  });

  test('mosquitto_sub shows the topics of the manual', {
    skip: needPrograms('mosquitto_sub'),
  }, async (t) => {
    const server = await startServer(t, ['--lab', '--workers', '1', '--sys-interval', '1']);
    const reader = debianClient(t, server, 'mosquitto_sub', ['-t', '$SYS/#', '-v']);
    await reader.line(/^\$SYS\/broker\/clients\/connected 1\n/m);
    await reader.line(/^\$SYS\/broker\/workers\/0\/turns_per_s \d/m);
    const names = reader
      .stdout()
      .split('\n')
      .filter((line) => line.startsWith('$SYS/'))
      .map((line) => line.replace(/ (?:-?[\d.]+|[^ ]+ seconds|wsar version .*|\{.*\})$/, ''))
      .map((name) => name.replace(/\/workers\/\d+\//, '/workers/<n>/'));
    const manual = readFileSync(join(ROOT, 'docs/tools/serve.md'), 'utf8');
    const missing = [...new Set(names)].filter(
      (name) => !manual.includes(`\`${name.slice(B.length + 1)}\``),
    );
    assert.deepEqual(missing, []);
  });
});
