// A mosquitto.conf as its users write it: what is taken, noted and refused, and the server it makes.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import mqtt from 'mqtt';
import {
  confAccess,
  confLimits,
  confListening,
  confSnapshot,
} from '#reference-server/conf-file/conf-options.ts';
import {
  type MosquittoConf,
  readMosquittoConf,
} from '#reference-server/conf-file/mosquitto-conf.ts';
import { DEFAULT_LIMITS } from '#reference-server/limits.ts';
import { startWsar, temporaryFolder, watchProcess } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

function read(t: TestContext, text: string): MosquittoConf {
  const file = join(temporaryFolder(t), 'mosquitto.conf');
  writeFileSync(file, text);
  return readMosquittoConf(file);
}

const CLOSED = { mayBeOpen: false, mayBePlain: false };

describe('mosquitto.conf', { concurrency: true }, () => {
  test('listeners, with what belongs to each', (t) => {
    const conf = read(
      t,
      [
        '# a comment',
        'allow_anonymous true',
        'listener 1883 127.0.0.1',
        '  listener   8080\r',
        'protocol websockets',
        'listener 0 /tmp/x.sock',
        'listener 1884 0.0.0.0',
        'max_connections 10',
      ].join('\n'),
    );
    assert.throws(() => confListening(conf, false, CLOSED), /0\.0\.0\.0 is not loopback/);
    const { listeners, tls } = confListening(conf, false, { mayBeOpen: true, mayBePlain: false });
    assert.deepEqual(
      listeners.map(({ carrier, host, port, webSocket }) => [carrier, host, port, webSocket]),
      [
        ['tcp', '127.0.0.1', 1883, false],
        ['tcp', '127.0.0.1', 8080, true],
        ['unix', '127.0.0.1', 0, false],
        ['tcp', '0.0.0.0', 1884, false],
      ],
    );
    assert.equal(tls, undefined);
    assert.equal(confLimits(conf, DEFAULT_LIMITS).acceptedMax, 10);
  });

  test('who may log in: nobody unless it is said', (t) => {
    const rules = (text: string) => confAccess(read(t, text)).rules.login;
    assert.equal(rules('listener 1883\n')?.anonymous, false);
    assert.equal(rules('listener 1883\nallow_anonymous true\n'), undefined);
    assert.equal(rules('allow_anonymous false\n')?.anonymous, false);
    // Without a listener: this host only, anybody.
    assert.equal(rules('max_topic_alias 3\n'), undefined);
    assert.equal(rules('allow_anonymous true\nallow_zero_length_clientid false\n')?.needsId, true);
  });

  test('limits: 0 is the largest', (t) => {
    const limits = (text: string) => confLimits(read(t, text), DEFAULT_LIMITS);
    const { broker, keepAliveMaxS } = limits(
      'max_inflight_messages 3\nmax_queued_messages 0\nmax_keepalive 50\n',
    );
    assert.deepEqual([broker.inflightMax, broker.receiveMaximum, keepAliveMaxS], [3, 3, 50]);
    assert.ok(broker.queueMessagesMax > DEFAULT_LIMITS.broker.queueMessagesMax);
    assert.equal(limits('max_topic_alias 0\n').broker.aliasesMax, 0);
  });

  test('what has no meaning here is noted, with its line', (t) => {
    const { notices } = read(t, 'pid_file x\nretain_available true\nlog_type all\n');
    assert.equal(notices.length, 2);
    assert.match(
      notices[0]!,
      /mosquitto\.conf, line 1: pid_file: nothing goes into the background$/,
    );
    assert.match(notices[1]!, /line 3: log_type: /);
  });

  test('persistence: where, and how often', (t) => {
    const conf = read(t, 'persistence false\npersistence_file x\n');
    assert.equal(confSnapshot(conf), undefined);
    const folder = dirname(conf.file);
    const plain = confSnapshot({ ...conf, persists: true });
    assert.deepEqual(plain, { file: join(folder, 'x'), intervalS: 1800, countsChanges: false });
    const lines = 'persistence true\npersistence_location sub/\nautosave_interval 9\n';
    const whole = read(t, `${lines}autosave_on_changes true\n`);
    assert.deepEqual(confSnapshot(whole), {
      file: join(dirname(whole.file), 'sub', 'mosquitto.db'),
      intervalS: 9,
      countsChanges: true,
    });
  });

  test('rules of listeners: mount points, and files of topics where settings are per listener', (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'one.acl'), 'topic a\n');
    writeFileSync(join(folder, 'two.acl'), 'topic b\n');
    const rules = (text: string) => {
      writeFileSync(join(folder, 'mosquitto.conf'), text);
      const conf = readMosquittoConf(join(folder, 'mosquitto.conf'));
      const { listeners, acl } = confAccess(conf).rules;
      const filter = (of: typeof acl): string | undefined => of?.anonymous[0]?.filter;
      return [
        filter(acl),
        ...listeners.map((one) => [one.name, one.mountPoint, filter(one.acl)].join(' ')),
      ];
    };
    const two = (first: string, second: string): string =>
      `listener 1\n${first}\nlistener 2\n${second}\n`;
    assert.deepEqual(rules(two('acl_file one.acl', '')), ['a'], 'one for all');
    const both = two('mount_point up/', 'acl_file two.acl');
    assert.deepEqual(rules(both), ['b', '1 up/ b', '2  b']);
    const each = two('acl_file one.acl', 'acl_file two.acl');
    assert.deepEqual(rules(`per_listener_settings true\n${each}`), [undefined, '1  a', '2  b']);
    const first = two('acl_file one.acl', 'mount_point x');
    assert.deepEqual(rules(`per_listener_settings true\n${first}`), [undefined, '1  a', '2 x ']);
    assert.throws(() => rules('per_listener_settings true\nacl_file one.acl\n'), /of no listener/);
  });

  test('check_retain_source is on, as with mosquitto', (t) => {
    const checks = (text: string): boolean =>
      confLimits(read(t, text), DEFAULT_LIMITS).broker.checksRetainSource;
    assert.deepEqual([checks(''), checks('check_retain_source false\n')], [true, false]);
    assert.equal(DEFAULT_LIMITS.broker.checksRetainSource, false);
  });

  const refusals: [string, RegExp][] = [
    ['listener 1\nmount_point a/+/b', /line 2: mount_point a\/\+\/b/],
    ['listener 1\nmount_point m/x', /mount_point m\/x/],
    ['listener 1\nmount_point m', /mount_point m means something else/],
    ['listener 1\nmount_point $SYS', /mount_point \$SYS/],
    ['psk_file x', /line 1: psk_file is not offered/],
    ['acl_file', /acl_file has no value/],
    ['\n\nplugin x.so', /line 3: plugin is not offered/],
    ['colour blue', /line 1: colour is not known here/],
    ['__proto__ x', /is not known here/],
    ['listener', /has no value/],
    ['listener x', /listener x/],
    ['listener 1883\nprotocol carrier-pigeon', /line 2: protocol carrier-pigeon/],
    ['allow_anonymous yes', /allow_anonymous yes/],
    ['maximum_qos 3', /maximum_qos 3/],
    [
      'per_listener_settings true\nlistener 1\nallow_anonymous false\nlistener 2\nallow_anonymous true',
      /allow_anonymous is not the same for all listeners/,
    ],
    [
      'per_listener_settings true\nlistener 1\nlistener 2\nallow_anonymous true',
      /allow_anonymous is not the same for all listeners/,
    ],
    ['max_connections many', /max_connections many/],
  ];
  for (const [text, sentence] of refusals) {
    test(`refused: ${text.trim().replaceAll('\n', ', ')}`, (t) => {
      assert.throws(() => read(t, text), sentence);
    });
  }

  for (const engine of ['auto', 'net']) {
    test(`max_connections: more are reset, until others leave; engine ${engine}`, async (t) => {
      const file = join(temporaryFolder(t), 'mosquitto.conf');
      writeFileSync(file, 'listener 0\nallow_anonymous true\nmax_connections 3\n');
      const server = startWsar(t, ['serve', '-c', file, '--workers', '1', '--engine', engine]);
      const [, port] = await server.line(/^ready mqtt:\/\/127\.0\.0\.1:(\d+)\n/);
      const once = { reconnectPeriod: 0 };
      const url = `mqtt://127.0.0.1:${port}`;
      const join3 = (): Promise<mqtt.MqttClient[]> =>
        Promise.all(
          ['a', 'b', 'c'].map((clientId) => mqtt.connectAsync(url, { clientId, ...once })),
        );
      for (let round = 0; round < 3; round++) {
        const all = await join3();
        await assert.rejects(mqtt.connectAsync(url, { clientId: 'd', ...once }));
        for (const client of all) assert.equal(client.connected, true);
        await Promise.all(all.map((client) => client.endAsync()));
      }
    });
  }

  test('a line of the password file that is none is passed over and said', (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'users'), 'bad:$6$\n');
    const file = join(folder, 'mosquitto.conf');
    writeFileSync(file, 'password_file users\nlistener 1883\n');
    const conf = readMosquittoConf(file);
    assert.equal(confAccess(conf).rules.login?.hasPasswords, true);
    assert.match(conf.notices.join(), /users, line 1: no name and hash; passed over/);
  });

  const skip = needPrograms('mosquitto_passwd', 'mosquitto_pub');
  test('the server that a file makes', { skip }, async (t) => {
    const folder = temporaryFolder(t);
    spawnSync('mosquitto_passwd', ['-b', '-c', join(folder, 'users'), 'ann', 'secret']);
    const file = join(folder, 'mosquitto.conf');
    const lines = ['password_file users', 'listener 0', 'listener 0', 'protocol websockets'];
    writeFileSync(file, `${lines.join('\n')}\nmax_keepalive 100\npid_file x\n`);
    const server = startWsar(t, ['serve', '-c', file, '--workers', '1']);
    const [, port] = await server.line(/^ready mqtt:\/\/127\.0\.0\.1:(\d+)\n/);
    const [, url] = await server.line(/^ready (ws:.*)\n/m);
    assert.match(server.stderr(), /pid_file: nothing goes into the background/);
    const proof = { username: 'ann', password: 'secret', keepalive: 60, reconnectPeriod: 0 };
    const reader = await mqtt.connectAsync(url!, { ...proof, clientId: 'any name' });
    t.after(() => void reader.end(true));
    await reader.subscribeAsync('a/#', { qos: 1 });
    const came = new Promise((resolve) =>
      reader.once('message', (_, text) => resolve(String(text))),
    );
    const child = spawn(
      'mosquitto_pub',
      ['-p', port!, '-u', 'ann', '-P', 'secret', '-t', 'a/b', '-q', '2', '-m', 'hello'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    assert.equal(await watchProcess(child).exit(), 0);
    assert.equal(await came, 'hello');
    for (const [options, message] of [
      [{ ...proof, password: 'wrong' }, /Not authorized/],
      [{ reconnectPeriod: 0 }, /Not authorized/],
      [{ ...proof, keepalive: 101 }, /Identifier rejected/],
    ] as const) {
      await assert.rejects(mqtt.connectAsync(url!, options), message);
    }
  });
});
