// Who gets in, with the real command: passwords made by mosquitto's own tool, tokens, and what is refused; and
// that no secret is ever written anywhere.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { pbkdf2Sync } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import mqtt from 'mqtt';
import { encodeConnect, encodePublish, encodeSubscribe } from '#core/wire/mqtt/encode.ts';
import { tokenOf } from '#reference-server/access/token.ts';
import {
  client,
  nextEvent,
  type RunningServer,
  startServer,
} from '#reference-server/test/running-server.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const KEY = 'a key that is long enough to be no guess';
const KEY_BYTES = Buffer.from(KEY);
const PASSWORD = 'open sesame: éß';
const skip = needPrograms('mosquitto_passwd');

/** A server that knows ann by password, and everyone by token. */
async function start(t: TestContext, ...more: string[]): Promise<RunningServer> {
  const folder = temporaryFolder(t);
  const passwords = join(folder, 'passwords');
  const key = join(folder, 'token.key');
  const made = spawnSync('mosquitto_passwd', ['-b', '-c', passwords, 'ann', PASSWORD]);
  assert.equal(made.status, 0, String(made.stderr));
  const salt = Buffer.from('salt');
  const empty = pbkdf2Sync('', salt, 2, 64, 'sha512').toString('base64');
  appendFileSync(passwords, `nil:$7$2$${salt.toString('base64')}$${empty}\n`);
  writeFileSync(key, `${KEY}\n`);
  return await startServer(t, ['--password-file', passwords, '--token-key', key, ...more]);
}

/** 'in', or the message of the refusal. */
async function login(
  t: TestContext,
  url: string,
  clientId: string,
  username?: string,
  password?: string,
): Promise<string> {
  const user = username === undefined ? {} : { username };
  const proof = password === undefined ? {} : { password };
  const options = { reconnectPeriod: 0, clientId, clean: true, ...user, ...proof };
  const made = mqtt.connect(url, options);
  t.after(() => void made.end(true));
  return await new Promise((resolve) => {
    made.once('connect', () => resolve('in'));
    made.once('error', ({ message }) => resolve(message));
    made.once('close', () => resolve('closed without an answer'));
  });
}

describe('logins', { skip, concurrency: true }, () => {
  for (const engine of ['auto', 'net']) {
    test(`passwords and tokens, engine ${engine}`, async (t) => {
      const server = await start(t, '--engine', engine);
      const refused = 'Connection refused: Not authorized';
      const wrongId = 'Connection refused: Identifier rejected';
      const token = tokenOf(KEY_BYTES, 'ben');
      const cases: [string, string, string?, string?][] = [
        ['in', 'ann', 'ann', PASSWORD],
        ['in', 'ben', 'ben', token],
        ['in', '', 'ann', PASSWORD],
        ['in', 'ann', 'ann', tokenOf(KEY_BYTES, 'ann')],
        [refused, 'ann', 'ann', 'wrong'],
        [refused, 'ann', 'ann', ''],
        [refused, 'ann', 'ann', token],
        [refused, 'ann', 'ann'],
        [refused, 'ann'],
        [refused, ''],
        [refused, 'eve', 'eve', PASSWORD],
        [refused, 'nil', 'nil', ''],
        [refused, 'ben', 'ben', `${token} `],
        [refused, 'ben', 'ben', token.slice(0, -1)],
        [wrongId, 'ben', 'ann', PASSWORD],
        [wrongId, 'ann', 'ben', token],
      ];
      for (const [wanted, ...given] of cases) {
        assert.equal(await login(t, server.url, ...given), wanted, given.join(' '));
      }
      const values = await server.values((value) => value('logins.refused') === 12);
      assert.equal(values['wsar.server.logins'], 4);
      server.command.child.kill('SIGTERM');
      assert.equal(await server.command.exit(), 143, 'the port of passwords holds nothing');
      const written = server.command.stdout() + server.command.stderr();
      for (const secret of [PASSWORD, token, KEY, tokenOf(KEY_BYTES, 'ann')]) {
        assert.ok(!written.includes(secret), 'a secret is never written');
      }
    });
  }

  for (const engine of ['auto', 'epoll']) {
    test(`the will of who logs in by token is kept as it came, engine ${engine}`, async (t) => {
      const server = await start(t, '--engine', engine, '--workers', '1');
      const ben = { clientId: 'ben', username: 'ben', password: tokenOf(KEY_BYTES, 'ben') };
      const texts: string[] = [];
      const reader = await client(t, server, ben, ({ text }) => texts.push(text));
      await reader.subscribeAsync('m/ben', { qos: 1 });
      const will = {
        topic: 'm/ben',
        payload: Buffer.from('the last word of cid'),
        qos: 1 as const,
      };
      const cid = { clientId: 'cid', username: 'cid', password: tokenOf(KEY_BYTES, 'cid') };
      const writer = await client(t, server, { ...cid, will });
      for (let index = 0; index < 20; index++) {
        await writer.publishAsync('m/nobody', 'x'.repeat(100), { qos: 1 });
      }
      writer.stream.destroy();
      while (texts.length === 0) await nextEvent(reader, 'message');
      assert.deepEqual(texts, ['the last word of cid']);
    });
  }

  test('packets behind CONNECT wait for the answer, however they are cut', async (t) => {
    const server = await start(t, '--workers', '2');
    for (const [name, password] of [
      ['ann', PASSWORD],
      ['ben', tokenOf(KEY_BYTES, 'ben')],
    ] as const) {
      const out = new Uint8Array(1000);
      const connectTo = { clientId: name, keepAliveS: 0, cleanSession: true };
      let end = encodeConnect(out, 0, {
        ...connectTo,
        username: name,
        password: Buffer.from(password),
      });
      end = encodeSubscribe(out, end, 1, [`m/${name}`], 1);
      const payload = Buffer.from('hello');
      const topic = Buffer.from(`m/${name}`);
      end = encodePublish(
        out,
        end,
        topic,
        topic.length,
        1,
        2,
        false,
        false,
        payload,
        0,
        payload.length,
      );
      for (const pieceBytes of [1, 17, 1000]) {
        const socket = await open(t, server.port);
        let got = '';
        socket.on('data', (bytes: Buffer) => (got += bytes.toString('hex')));
        for (let at = 0; at < end; at += pieceBytes) {
          socket.write(out.slice(at, Math.min(end, at + pieceBytes)));
          await new Promise(setImmediate);
        }
        while (!got.includes(payload.toString('hex'))) await once(socket, 'data');
        assert.match(got, /^20020000.*9003000101/);
        socket.destroy();
      }
    }
  });

  test('MQTT 5 and 3.1 are told in their own words', async (t) => {
    const server = await start(t);
    const packets: [string, string][] = [
      // Level 5, client id 'a', no user name.
      ['100e00044d5154540502000000000161', '2003008700'],
      ['100f00064d514973647003020000000161', '20020005'],
      // User name 'ann', client id 'a'.
      ['101300044d5154540582000000000161 0003616e6e', '2003008500'],
    ];
    for (const [packet, answer] of packets) {
      const socket = await open(t, server.port);
      socket.write(Buffer.from(packet.replace(/ /g, ''), 'hex'));
      const [came] = (await once(socket, 'data')) as [Buffer];
      assert.equal(came.toString('hex'), answer);
      await once(socket, 'close');
    }
  });

  test('who leaves while the password is looked at, and who never finishes, costs nothing', async (t) => {
    const server = await start(t);
    const out = new Uint8Array(200);
    const proof = { username: 'ann', password: Buffer.from(PASSWORD) };
    const fields = { clientId: 'ann', keepAliveS: 0, cleanSession: true, ...proof };
    const end = encodeConnect(out, 0, fields);
    for (let round = 0; round < 200; round++) {
      const socket = await open(t, server.port);
      socket.write(out.slice(0, round % 2 === 0 ? end : round % end));
      socket.resetAndDestroy();
    }
    assert.equal(await login(t, server.url, 'ann', 'ann', PASSWORD), 'in');
    await server.values((value) => value('connections') === 1 && value('sessions') === 1);
  });

  test('wrong files are a sentence that does not repeat them', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'file');
    const cases: [string, string, RegExp][] = [
      [
        '--password-file',
        'ann:secret-in-the-clear\n',
        /line 1: no name and hash; make it with: mosquitto/,
      ],
      ['--password-file', '# one\n\nann:$7$0$AAAA$AAAA\n', /line 3/],
      ['--token-key', 'short\n', /has 5 characters and needs 32/],
    ];
    for (const [option, text, sentence] of cases) {
      writeFileSync(file, text);
      const command = startWsar(t, ['serve', '--port', '0', option, file]);
      assert.equal(await command.exit(), 2);
      assert.match(command.stderr(), sentence);
      assert.ok(!command.stderr().includes('secret-in-the-clear'));
    }
    const missing = startWsar(t, ['serve', '--port', '0', '--token-key', join(folder, 'none')]);
    assert.equal(await missing.exit(), 2);
    assert.match(missing.stderr(), /cannot be read \(ENOENT\)/);
  });

  test('addresses beyond loopback need a login, and TLS or to be asked for in so many words', async (t) => {
    const folder = temporaryFolder(t);
    const key = join(folder, 'token.key');
    writeFileSync(key, KEY);
    const away = ['serve', '--port', '0', '--host', '0.0.0.0'];
    const cases: [string[], RegExp][] = [
      [away, /could log in as anyone; .*--token-key/],
      [[...away, '--token-key', key], /readable on the way; .*--i-know-it-is-not-encrypted/],
      [['serve', '--port', '0', '--lab', '--token-key', key], /a lab server lets anybody in/],
      [[...away, '--profile', 'conformance'], /loopback only/],
      [['serve', '--tls-port', '0'], /TLS needs a key for each certificate/],
      [['serve', '--port', '0', '--cert', key], /need a TLS listener/],
      [['serve', '--tls-port', '0', '--cert', key, '--key', key], /cannot be used for TLS/],
      [['serve', '--port', '0', '--proxy-from', '192.0.2.0/33'], /no address/],
    ];
    for (const [args, sentence] of cases) {
      const command = startWsar(t, args);
      assert.equal(await command.exit(), 2, args.join(' '));
      assert.match(command.stderr(), sentence);
      assert.ok(!command.stderr().includes(KEY));
    }
    const plain = startWsar(t, [...away, '--token-key', key, '--i-know-it-is-not-encrypted']);
    const [, port] = await plain.line(/^ready mqtt:\/\/0\.0\.0\.0:(\d+)\n/);
    const made = mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId: 'x', reconnectPeriod: 0 });
    t.after(() => void made.end(true));
    const [error] = (await nextEvent(made, 'error')) as [Error];
    assert.match(error.message, /Not authorized/);
  });
});

async function open(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  t.after(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}
