// Every transport of the real command, met by clients that nobody here wrote: Debian's and npm's; and by
// what no honest client sends.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { whyNoEpoll } from '#core/socket/epoll/why-no-epoll.ts';
import {
  type Certificate,
  makeAuthority,
  makeCertificate,
} from '#reference-server/test/certificate.ts';
import { nextEvent, startServer } from '#reference-server/test/running-server.ts';
import { type RunningCommand, startWsar, temporaryFolder, watchProcess } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const skip = needPrograms('openssl', 'mosquitto_pub', 'mosquitto_sub', 'mosquitto_rr');

interface Server {
  command: RunningCommand;
  authority: Certificate;
  folder: string;
  /** By scheme. */
  ports: Record<'mqtt' | 'ws' | 'mqtts' | 'wss' | 'proxy', number>;
  path: string;
}

/** A server with every listener; its certificates are for 127.0.0.1 and for chat.example. */
async function start(t: TestContext, ...args: string[]): Promise<Server> {
  const folder = temporaryFolder(t);
  const authority = makeAuthority(folder);
  const own = makeCertificate(folder, authority, 'server', 'IP:127.0.0.1,DNS:localhost');
  const other = makeCertificate(folder, authority, 'chat', 'DNS:chat.example');
  const path = join(folder, 'mqtt.sock');
  const command = startWsar(t, [
    'serve',
    ...['--port', '0', '--ws-port', '0', '--tls-port', '0', '--wss-port', '0', '--proxy-port', '0'],
    ...['--unix', path, '--cert', own.certFile, '--key', own.keyFile],
    ...['--cert', other.certFile, '--key', other.keyFile, ...args],
  ]);
  await command.line(/^ready unix:.*\n/m);
  const port = (scheme: string): number =>
    Number(
      new RegExp(`^ready ${scheme}://127\\.0\\.0\\.1:(\\d+)$`, 'm').exec(command.stdout())?.[1],
    );
  const ports = {
    mqtt: port('mqtt'),
    ws: port('ws'),
    mqtts: port('mqtts'),
    wss: port('wss'),
    proxy: port('proxy'),
  };
  assert.match(command.stdout(), /^ready mqtt:/, 'the first line is the one other tools wait for');
  return { command, authority, folder, ports, path };
}

const engines = [
  ...(chooseEngine('auto').engine === 'ring' ? ['ring'] : []),
  ...(whyNoEpoll() === undefined ? ['epoll'] : []),
  'net',
];

describe('transports', { skip, concurrency: true }, () => {
  for (const engine of engines) {
    test(`engine ${engine}`, { concurrency: true }, async (t) => {
      const server = await start(t, '--engine', engine, '--workers', '2');
      await Promise.all([
        t.test('npm mqtt, from each transport to each', (part) => meet(part, server)),
        t.test('Debian clients over TCP, TLS and a Unix socket', (part) =>
          meetDebian(part, server),
        ),
        t.test('large messages in both directions', (part) => exchangeLarge(part, server)),
        t.test('a proxy in front, version 1 and 2', (part) => comeByProxy(part, server)),
        t.test('wrong handshakes and frames end their connection only', (part) =>
          attack(part, server),
        ),
        t.test('SNI: the certificate of the host that was asked for', (part) =>
          askByName(part, server),
        ),
      ]);
      server.command.child.kill('SIGTERM');
      assert.equal(await server.command.exit(), 143, 'nothing holds the process');
    });
  }

  test('clients with certificates: the common name is the user', async (t) => {
    await certify(t);
  });

  test('every version over every transport, all topics', async (t) => {
    const server = await start(t, '--profile', 'conformance', '--workers', '2');
    await converse(t, server);
    await converseDebian(t, server);
  });

  test('the front: who never shakes hands is ended in time, who resets is logged out', async (t) => {
    const folder = temporaryFolder(t);
    const authority = makeAuthority(folder);
    const own = makeCertificate(folder, authority, 'server', 'IP:127.0.0.1');
    const pair = ['--cert', own.certFile, '--key', own.keyFile];
    const server = await startServer(t, ['--tls-port', '0', ...pair]);
    const [, url, port] = await server.command.line(/^ready (mqtts:.*:(\d+))\n/m);
    const idle = Array.from({ length: 5 }, () => {
      const socket = connect(Number(port), '127.0.0.1').resume();
      t.after(() => void socket.destroy());
      return once(socket, 'close');
    });
    const user = await client(t, url!, { clientId: 'sudden', ca: authority.cert });
    await server.values((value) => value('sessions') === 1);
    (user.stream as unknown as Socket).destroy();
    await server.values((value) => value('sessions') === 0 && value('logins') === 1);
    await Promise.all(idle);
    await server.values((value) => value('front.refused') === 5 && value('connections') === 0);
  });

  test('an address that is not listed is no proxy', async (t) => {
    const command = startWsar(t, ['serve', '--proxy-port', '0', '--proxy-from', '192.0.2.0/24']);
    const [, port] = await command.line(/^ready proxy:\/\/127\.0\.0\.1:(\d+)\n/);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n');
    assert.equal(await everything(socket), '');
  });
});

async function client(t: TestContext, url: string, options: IClientOptions): Promise<MqttClient> {
  const made = mqtt.connect(url, { reconnectPeriod: 0, ...options });
  t.after(() => void made.end(true));
  // One that is ended before, on a host that is too busy for a login in 5 s, would be waited for without end.
  const ended = nextEvent(made, 'close').then(() => assert.fail(`${url} closed the connection`));
  await Promise.race([nextEvent(made, 'connect'), ended]);
  ended.catch(() => {});
  return made;
}

/** One user on each transport; everyone writes to everyone, and all are heard when they ping. */
async function meet(t: TestContext, server: Server): Promise<void> {
  const { ports, authority } = server;
  const users = await Promise.all(
    SCHEMES.map(async (scheme) => {
      const clientId = `at-${scheme}`;
      const url = `${scheme}://127.0.0.1:${ports[scheme]}`;
      const made = await client(t, url, { clientId, ca: authority.cert });
      const texts: string[] = [];
      made.on('message', (_, payload) => texts.push(payload.toString()));
      await made.subscribeAsync(`m/${clientId}`, { qos: 1 });
      return { made, clientId, texts };
    }),
  );
  const expected = users.map(({ clientId }) => clientId).sort();
  const heard = users.map(async ({ made, texts }) => {
    while (texts.length < users.length) await nextEvent(made, 'message');
    assert.deepEqual(texts.toSorted(), expected);
  });
  for (const from of users) {
    for (const to of users)
      await from.made.publishAsync(`m/${to.clientId}`, from.clientId, { qos: 1 });
  }
  await Promise.all(heard);
  for (const { made } of users) {
    const answered = new Promise<void>((resolve) => {
      made.on('packetreceive', ({ cmd }) => cmd === 'pingresp' && resolve());
    });
    made.sendPing();
    await answered;
    await made.endAsync();
  }
}

async function meetDebian(t: TestContext, server: Server): Promise<void> {
  for (const [index, way] of debianWays(server).entries()) {
    const topic = ['-t', `m/debian-${index}`, '-q', '1'];
    assert.equal(await runDebian(t, 'mosquitto_pub', ...way, ...topic, '-m', 'hello').exit(), 0);
    const own = ['-c', '-i', `debian-${index}`, '-C', '1'];
    const reader = runDebian(t, 'mosquitto_sub', ...way, ...topic, ...own);
    assert.equal(await reader.exit(), 0, reader.stderr());
    assert.equal(reader.stdout(), 'hello\n');
  }
}

const SCHEMES = ['mqtt', 'ws', 'mqtts', 'wss'] as const;

/** A request from a client of each version and transport to one of each other, and its answer. */
async function converse(t: TestContext, { ports, authority }: Server): Promise<void> {
  const ways = SCHEMES.flatMap((scheme) => [3, 4, 5].map((level) => ({ scheme, level })));
  const clients = await Promise.all(
    ways.map(async ({ scheme, level }) => {
      const name = `${scheme}-${level}`;
      const made = await client(t, `${scheme}://127.0.0.1:${ports[scheme]}`, {
        clientId: name,
        ca: authority.cert,
        protocolVersion: level as 3 | 4 | 5,
        ...(level === 3 ? { protocolId: 'MQIsdp' } : {}),
      });
      await made.subscribeAsync(`to/${name}/#`, { qos: 2 });
      return { name, made };
    }),
  );
  for (const [index, from] of clients.entries()) {
    const to = clients[(index + 5) % clients.length]!;
    for (const qos of [0, 1, 2] as const) {
      const came = nextEvent(to.made, 'message');
      await from.made.publishAsync(`to/${to.name}/from/${from.name}`, `qos ${qos}`, { qos });
      const [topic, text] = await came;
      assert.deepEqual([topic, String(text)], [`to/${to.name}/from/${from.name}`, `qos ${qos}`]);
    }
  }
}

/** Debian's three clients, with versions 3.1.1 and 5; npm's answers the requests. */
async function converseDebian(t: TestContext, server: Server): Promise<void> {
  const { ports } = server;
  const answering = await client(t, `ws://127.0.0.1:${ports.ws}`, {
    clientId: 'a',
    protocolVersion: 5,
  });
  await answering.subscribeAsync('ask/#', { qos: 1 });
  answering.on('message', (topic, text, { properties }) => {
    const { responseTopic = `answer/${topic.slice(4)}`, correlationData } = properties ?? {};
    const same = correlationData === undefined ? {} : { properties: { correlationData } };
    answering.publish(responseTopic, `you said ${text}`, { qos: 1, ...same });
  });
  for (const [index, way] of debianWays(server).entries()) {
    for (const version of ['mqttv311', 'mqttv5']) {
      const name = `${index}-${version}`;
      const own = [...way, '-V', version, '-q', '1'];
      const topics = ['-t', `ask/${name}`, '-e', `answer/${name}`];
      const asked = runDebian(t, 'mosquitto_rr', ...own, ...topics, '-m', 'hi', '-W', '20');
      assert.equal(await asked.exit(), 0, asked.stderr());
      assert.equal(asked.stdout(), 'you said hi\n');
      const kept = ['-t', `kept/${name}`, '-r', '-m', 'stays'];
      assert.equal(await runDebian(t, 'mosquitto_pub', ...own, ...kept).exit(), 0);
      const reader = runDebian(
        t,
        'mosquitto_sub',
        ...own,
        '-t',
        `kept/${name}/#`,
        '-C',
        '1',
        '-W',
        '20',
      );
      assert.equal(await reader.exit(), 0, reader.stderr());
      assert.equal(reader.stdout(), 'stays\n');
    }
  }
}

/** How Debian's clients are told where the server is: TCP, TLS, Unix socket. */
function debianWays({ ports, path, authority }: Server): string[][] {
  return [
    ['-p', String(ports.mqtt)],
    ['-p', String(ports.mqtts), '--cafile', authority.certFile],
    ['--unix', path],
  ];
}

function runDebian(t: TestContext, program: string, ...args: string[]): RunningCommand {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => void child.kill('SIGKILL'));
  return watchProcess(child);
}

/** Messages of lengths around those where frames and headers change their form. */
async function exchangeLarge(t: TestContext, { ports, authority }: Server): Promise<void> {
  const a = await client(t, `ws://127.0.0.1:${ports.ws}`, { clientId: 'large-a' });
  const b = await client(t, `wss://127.0.0.1:${ports.wss}`, {
    clientId: 'large-b',
    ca: authority.cert,
  });
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const id = to.options.clientId!;
    await to.subscribeAsync(`m/${id}`, { qos: 1 });
    for (const length of [0, 100, 110, 111, 112, 113, 125, 126, 16_383, 16_384, 65_000]) {
      const text = 'x'.repeat(length);
      const came = nextEvent(to, 'message');
      await from.publishAsync(`m/${id}`, text, { qos: 1 });
      assert.equal(String((await came)[1]), text);
    }
  }
}

const CONNECT = Buffer.from('100d00044d51545404020000000141', 'hex');
const CONNACK = '20020000';

async function comeByProxy(t: TestContext, { ports }: Server): Promise<void> {
  const v2 = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000201c6336407c822075b', 'hex');
  for (const header of [Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 51234 1883\r\n'), v2]) {
    for (const pieceBytes of [1, 5, 1000]) {
      const socket = await open(t, ports.proxy);
      const all = Buffer.concat([header, CONNECT]);
      for (let at = 0; at < all.length; at += pieceBytes) {
        socket.write(all.subarray(at, at + pieceBytes));
        await new Promise(setImmediate);
      }
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.equal(answer.toString('hex'), CONNACK);
      socket.destroy();
    }
  }
  const without = await open(t, ports.proxy);
  without.write(CONNECT);
  assert.equal(await everything(without), '', 'a connection without header is closed');
}

async function attack(t: TestContext, { ports }: Server): Promise<void> {
  const bystander = await client(t, `ws://127.0.0.1:${ports.ws}`, { clientId: 'by-ws' });
  const ask = async (port: number, ...lines: string[]): Promise<string> => {
    const socket = await open(t, port);
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    return await everything(socket);
  };
  assert.match(await ask(ports.ws, 'GET / HTTP/1.1', 'Host: x'), /^HTTP\/1\.1 400 Bad Request\r\n/);
  const upgrade = [
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
  ];
  const asked = ['GET / HTTP/1.1', ...upgrade, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
  assert.match(await ask(ports.ws, ...asked), /^HTTP\/1\.1 400 [\s\S]*'mqtt'/);
  const good = [...asked, 'Sec-WebSocket-Protocol: mqtt'];
  const page = await ask(ports.ws, ...good, 'Origin: http://evil.example');
  assert.match(page, /^HTTP\/1\.1 403 /);
  // A frame without mask: 1002. What is no MQTT inside a good frame: 1000.
  for (const [frame, close] of [
    ['8201c0', '03ea'],
    ['828200000000c000', '03e8'],
  ] as const) {
    const socket = await open(t, ports.ws);
    socket.write(`${good.join('\r\n')}\r\n\r\n`);
    await once(socket, 'data');
    socket.write(Buffer.from(frame, 'hex'));
    const end = Buffer.from(await everything(socket), 'latin1').toString('hex');
    assert.equal(end, `8802${close}`);
  }
  // MQTT on the port of WebSocket, HTTP and TLS on that of MQTT, MQTT on that of TLS.
  for (const [port, bytes] of [
    [ports.ws, `${CONNECT.toString('latin1')}\r\n`],
    [ports.mqtt, 'GET / HTTP/1.1\r\n\r\n'],
    [ports.mqtt, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    [ports.mqtts, CONNECT.toString('latin1')],
  ] as const) {
    const socket = await open(t, port);
    socket.write(Buffer.from(bytes, 'latin1'));
    await everything(socket);
  }
  await bystander.publishAsync('m/by-ws', 'still here', { qos: 1 });
}

async function askByName(t: TestContext, { ports, authority }: Server): Promise<void> {
  const names = ['chat.example', 'localhost', 'unknown.example'];
  const seen = [];
  for (const servername of names) {
    const socket = connectTls({
      port: ports.mqtts,
      host: '127.0.0.1',
      servername,
      ca: authority.cert,
      checkServerIdentity: () => undefined,
    });
    t.after(() => void socket.destroy());
    await once(socket, 'secureConnect');
    assert.match(socket.getProtocol()!, /^TLSv1\.[23]$/);
    seen.push((socket as TLSSocket).getPeerCertificate().subject.CN);
    socket.destroy();
  }
  assert.deepEqual(seen, ['chat', 'server', 'server']);
  const old = connectTls({
    port: ports.mqtts,
    host: '127.0.0.1',
    ca: authority.cert,
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'ALL:@SECLEVEL=0',
  });
  await assert.rejects(once(old, 'secureConnect'), 'TLS 1.1 is over');
}

async function certify(t: TestContext): Promise<void> {
  const folder = temporaryFolder(t);
  const authority = makeAuthority(folder);
  const own = makeCertificate(folder, authority, 'server', 'IP:127.0.0.1');
  const ann = makeCertificate(folder, authority, 'ann');
  const files = ['--cert', own.certFile, '--key', own.keyFile, '--client-ca', authority.certFile];
  const command = startWsar(t, ['serve', '--tls-port', '0', '--port', '0', ...files]);
  const [, plain] = await command.line(/^ready (mqtt:.*)\n/m);
  const [, url] = await command.line(/^ready (mqtts:.*)\n/m);
  const tls = { ca: authority.cert, cert: ann.cert, key: ann.key };
  const user = await client(t, url!, { ...tls, clientId: 'ann' });
  await user.subscribeAsync('m/ann', { qos: 1 });
  const came = nextEvent(user, 'message');
  await user.publishAsync('m/ann', 'to myself', { qos: 1 });
  assert.equal(String((await came)[1]), 'to myself');
  const refusal = async (to: string, options: IClientOptions): Promise<string> => {
    const made = mqtt.connect(to, { reconnectPeriod: 0, ...options });
    t.after(() => void made.end(true));
    // With TLS 1.3 the refusal of a certificate may come as a mere end.
    return await new Promise((resolve) => {
      made.once('error', ({ message }) => resolve(message));
      made.once('close', () => resolve('closed'));
    });
  };
  assert.match(await refusal(url!, { ...tls, clientId: 'bob' }), /Identifier rejected/);
  assert.match(
    await refusal(url!, { ...tls, clientId: 'ann', username: 'bob' }),
    /Identifier|Not auth/,
  );
  assert.match(
    await refusal(plain!, { clientId: 'ann', username: 'ann', password: 'x' }),
    /Not auth/,
  );
  // A certificate of somebody else's authority, and none at all.
  const stranger = temporaryFolder(t);
  const fake = makeCertificate(stranger, makeAuthority(stranger), 'ann');
  for (const pair of [{ cert: fake.cert, key: fake.key }, {}]) {
    const message = await refusal(url!, { ca: authority.cert, clientId: 'ann', ...pair });
    assert.match(message, /alert|closed|reset|certificate/i);
  }
}

async function open(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => void socket.destroy());
  await once(socket, 'connect');
  socket.setNoDelay(true);
  return socket;
}

/** What comes until the peer ends; a reset is an end. */
async function everything(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  socket.on('error', () => {});
  socket.resume();
  if (!socket.readableEnded && !socket.destroyed) {
    await Promise.race([once(socket, 'end'), once(socket, 'close')]).catch(() => {});
  }
  socket.destroy();
  return text;
}
