// Files of topics: what they say, wrong ones, who gets what from the real command, with mosquitto and the same file
// beside it; and a file that is read again while the server runs.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import mqtt, { type MqttClient } from 'mqtt';
import { isAllowed, parseAcl, readAclFile } from '#reference-server/access/acl.ts';
import { client, nextEvent, startServer } from '#reference-server/test/running-server.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { startMosquitto } from '#test/mosquitto.ts';

const TEXT = `# who may what
topic read open/#
topic write inbox

user ann
topic home/ann/#
topic deny home/ann/secret
topic read open/+

user bob with a space
topic readwrite a b/c

pattern write sensors/%u/%c
pattern read sensors/%u/#
pattern readwrite all/#
pattern deny all/but/this
`;

test('what a file says', () => {
  const rules = parseAcl(TEXT, 'acl');
  const may = (wanted: 'read' | 'write', user: string | undefined, topic: string, id = 'c1') =>
    isAllowed(rules, wanted, user, id, topic);
  assert.deepEqual(
    [may('read', undefined, 'open/x/y'), may('write', undefined, 'open/x')],
    [true, false],
  );
  assert.deepEqual(
    [may('write', undefined, 'inbox'), may('read', undefined, 'inbox')],
    [true, false],
  );
  assert.deepEqual([may('read', 'ann', 'open/x'), may('read', 'ann', 'open/x/y')], [true, false]);
  assert.deepEqual([may('read', 'ann', 'inbox'), may('write', 'ann', 'inbox')], [false, false]);
  assert.deepEqual(
    [may('write', 'ann', 'home/ann/a'), may('read', 'ann', 'home/ann/secret')],
    [true, false],
  );
  assert.ok(may('write', 'bob with a space', 'a b/c'));
  assert.deepEqual(
    [may('write', 'ann', 'sensors/ann/c1'), may('write', 'ann', 'sensors/ann/c2')],
    [true, false],
  );
  assert.ok(may('read', 'ann', 'sensors/ann/anything'));
  assert.ok(!may('read', undefined, 'sensors/undefined/c1'), 'who has no name has no %u');
  assert.deepEqual(
    [may('write', 'eve', 'all/x'), may('write', 'eve', 'all/but/this')],
    [true, false],
  );
});

test('a name or an id with a wildcard or a level in it gets no pattern', () => {
  const rules = parseAcl('pattern read u/%u\npattern read c/%c/x\n', 'acl');
  for (const name of ['+', '#', 'a/b']) {
    assert.ok(!isAllowed(rules, 'read', name, 'id', `u/${name}`));
    assert.ok(!isAllowed(rules, 'read', name, 'id', 'u/other'));
    assert.ok(!isAllowed(rules, 'read', 'name', name, 'c/other/x'));
  }
  assert.ok(isAllowed(rules, 'read', '$&', 'id', 'u/$&'), 'a name is taken as it stands');
});

test('wrong files are one sentence with the line', () => {
  const cases: [string, RegExp][] = [
    ['topic', /acl, line 1: topic has no value/],
    ['\nusers ann', /acl, line 2: users is not known/],
    ['topic read a#b', /line 1: a#b is no topic filter/],
    ['topic #/a', /line 1: #\/a is no topic filter/],
    ['pattern deny a/b+', /line 1: a\/b\+ is no topic filter/],
  ];
  for (const [text, sentence] of cases) assert.throws(() => parseAcl(text, 'acl'), sentence);
  assert.throws(() => readAclFile('/nowhere/acl'), /cannot be read \(ENOENT\)/);
});

const USERS = ['ann', 'bob with a space', undefined];
const TOPICS = [
  ...['open/x', 'open/x/y', 'inbox', 'home/ann/a', 'home/ann/secret', 'a b/c', 'all/x'],
  ...['all/but/this', 'sensors/ann/id-0', 'sensors/ann/id-1', 'other'],
];

/** Everybody subscribes to '#' and publishes to every topic; who got what from whom. */
async function whoGetsWhat(t: TestContext, url: string): Promise<string[]> {
  const got: string[] = [];
  const clients: MqttClient[] = [];
  for (const [index, username] of USERS.entries()) {
    const made = mqtt.connect(url, {
      ...{ clientId: `id-${index}`, reconnectPeriod: 0, protocolVersion: 4 },
      ...(username === undefined ? {} : { username }),
    });
    t.after(() => void made.end(true));
    made.on('message', (topic, payload) => got.push(`${index} ${topic} ${payload}`));
    await nextEvent(made, 'connect');
    await made.subscribeAsync('#', { qos: 1 });
    clients.push(made);
  }
  for (const [index, sender] of clients.entries()) {
    for (const topic of TOPICS) await sender.publishAsync(topic, String(index), { qos: 1 });
    // What everybody may read comes behind everything else of this sender.
    await sender.publishAsync('all/end', String(index), { qos: 1 });
  }
  const isOver = (): boolean =>
    got.filter((text) => text.includes(' all/end ')).length === USERS.length * USERS.length;
  while (!isOver()) await Promise.race(clients.map((one) => nextEvent(one, 'message')));
  return got.toSorted();
}

const skip = needPrograms('mosquitto');

describe('the file at work', { concurrency: true }, () => {
  test('mosquitto and wsar serve, with the same file: the same people get the same', {
    skip,
  }, async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'acl');
    writeFileSync(file, TEXT);
    const conf = join(folder, 'mosquitto.conf');
    writeFileSync(conf, 'listener 0\nallow_anonymous true\nacl_file acl\n');
    const peer = await startMosquitto(t, undefined, ['user root', `acl_file ${file}`]);
    const byConf = startWsar(t, ['serve', '-c', conf, '--workers', '2']);
    const [, url] = await byConf.line(/^ready (mqtt:.*)\n/);
    const byOption = await startServer(t, ['--acl-file', file, '--workers', '2']);
    const [theirs, ours, alsoOurs] = await Promise.all(
      [peer.url, url!, byOption.url].map((one) => whoGetsWhat(t, one)),
    );
    assert.ok(theirs!.length > 15);
    assert.deepEqual(ours, theirs);
    assert.deepEqual(alsoOurs, theirs);
  });

  test('0x87 for who may not, wills too, mailboxes as ever; SIGHUP, and a wrong file', async (t) => {
    const file = join(temporaryFolder(t), 'acl');
    writeFileSync(file, 'user ann\ntopic write news\nuser bob\ntopic read #\n');
    const server = await startServer(t, ['--acl-file', file, '--workers', '2']);
    const came: string[] = [];
    const bob = await client(t, server, { clientId: 'bob', username: 'bob' }, ({ topic, text }) => {
      came.push(`${topic} ${text}`);
    });
    await bob.subscribeAsync(['#', 'm/bob'], { qos: 1 });
    const as = { clientId: 'ann', username: 'ann', protocolVersion: 5 } as const;
    const ann = await client(t, server, as);
    const say = (topic: string, text: string) => ann.publishAsync(topic, text, { qos: 1 });
    await say('news', '1');
    await assert.rejects(say('gossip', '2'), { code: 0x87 });
    await say('m/bob', '3');
    const ghost = await client(t, server, {
      ...{ clientId: 'ghost', username: 'ann', protocolVersion: 5 },
      will: { topic: 'gossip', payload: Buffer.from('4'), qos: 1, retain: false },
    });
    (ghost.stream as unknown as { destroy(): void }).destroy();
    await server.values((value) => value('sessions') === 2, 'new');

    writeFileSync(file, 'user ann\ntopic write gossip\nnonsense\n');
    server.command.child.kill('SIGHUP');
    await errorLine(server.command.stderr, /line 3: nonsense .*; what was read before stays/);
    await say('news', '5');
    writeFileSync(file, 'user ann\ntopic write gossip\nuser bob\ntopic read #\n');
    server.command.child.kill('SIGHUP');
    await errorLine(server.command.stderr, /acl was read again/);
    // The workers are told after the line; each obeys when it wakes.
    while ((await say('gossip', '6').catch(({ code }) => code)) === 0x87);
    await assert.rejects(say('news', '7'), { code: 0x87 });
    while (!came.includes('gossip 6')) await nextEvent(bob, 'message');
    assert.deepEqual(came.toSorted(), ['gossip 6', 'm/bob 3', 'news 1', 'news 5']);
  });
});

async function errorLine(stderr: () => string, pattern: RegExp): Promise<void> {
  while (!pattern.test(stderr())) await new Promise((resolve) => setTimeout(resolve, 10));
}
