// TLS over engine stack against node:tls servers, in a network namespace of this test's own.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { constants } from 'node:os';
import { suite, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { CLOSE_REASON, type ReactorHandler } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import { StackReactor } from '#core/socket/stack/stack-reactor.ts';
import { enterOwnNamespace, stackObstacle } from '#core/socket/stack/test/own-namespace.ts';
import { blockOf } from '#core/socket/stack/test/stack-variant.ts';
import { pattern } from '#core/socket/test/subject.ts';
import { makeCertificate } from '#loadgen/test/mosquitto-wires.ts';
import { linkLayers } from '#loadgen/transport/client-reactor.ts';
import { TlsLayer } from '#loadgen/transport/tls-layer.ts';
import { createBoard } from '#loadgen/worker-board.ts';
import { needPrograms } from '#test/foreign-part.ts';

const obstacle = stackObstacle();
if (obstacle === false) enterOwnNamespace();
const skip = obstacle === false ? needPrograms('openssl') : obstacle;
const { ECANCELED, EPROTO } = constants.errno;
const LOOPBACK = 0x7f000001;
const MIB = 2 ** 20;

/** A client of one connection at a time: what it was told. */
class Client {
  readonly layer: TlsLayer;
  readonly reactor: StackReactor;
  connectErrno: number | undefined;
  chunks: Buffer[] = [];
  receivedBytes = 0;
  drains = 0;
  hasEnded = false;
  closeReason: number | undefined;
  readonly #running: Promise<void>;
  readonly #waiters = new Set<() => void>();

  constructor(t: TestContext, ca: string | undefined) {
    this.layer = new TlsLayer({ ca, serverName: 'localhost', isInsecure: false }, 4, createBoard());
    let handled: ReactorHandler | undefined;
    const forward = new Proxy({} as ReactorHandler, {
      get: (_, name) => Reflect.get(handled!, name).bind(handled),
    });
    const settings = settleOptions({ handler: forward, capacity: 4, ownsThread: false });
    this.reactor = new StackReactor(settings, { block: blockOf(0) });
    handled = linkLayers([this.layer], () => this.#handler(), this.reactor);
    this.#running = this.reactor.run();
    t.after(async () => {
      this.reactor.stop();
      await this.#running;
    });
  }

  connect(port: number): number {
    this.connectErrno = undefined;
    this.closeReason = undefined;
    this.hasEnded = false;
    this.chunks = [];
    this.receivedBytes = 0;
    return this.layer.connect({ remoteAddress: LOOPBACK, remotePort: port });
  }

  async open(port: number): Promise<number> {
    const conn = this.connect(port);
    await this.until(() => this.connectErrno !== undefined);
    assert.equal(this.connectErrno, 0);
    return conn;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  #told(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }

  #handler(): ReactorHandler {
    const tell = (act: () => void): void => {
      act();
      this.#told();
    };
    return {
      onAccept: () => assert.fail('nobody is accepted'),
      onConnect: (_, errno) => tell(() => (this.connectErrno = errno)),
      onData: (_, bytes, start, end) =>
        tell(() => {
          this.chunks.push(Buffer.from(bytes.subarray(start, end)));
          this.receivedBytes += end - start;
        }),
      onEnd: () => tell(() => (this.hasEnded = true)),
      onDrain: () => tell(() => this.drains++),
      onClose: (_, reason) => tell(() => (this.closeReason = reason)),
      onDeadline: () => {},
      onWake: () => {},
      onTurn: () => Number.POSITIVE_INFINITY,
    };
  }
}

async function tlsServer(t: TestContext, onSocket: (socket: tls.TLSSocket) => void) {
  const { cert, key } = makeCertificate(t);
  const pem = { cert: readFileSync(cert), key: readFileSync(key) };
  const server = tls.createServer({ ...pem, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    onSocket(socket);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as net.AddressInfo).port, ca: pem.cert.toString() };
}

suite('TLS over engine stack', { skip }, () => {
  test('4 MiB go and come back; sends are refused when much waits, and drained', async (t) => {
    const { port, ca } = await tlsServer(t, (socket) => void socket.pipe(socket));
    const client = new Client(t, ca);
    const conn = await client.open(port);
    const sent = pattern(4 * MIB);
    for (let at = 0; at < sent.length; ) {
      const end = Math.min(sent.length, at + 30_000);
      const before = client.drains;
      if (client.layer.send(conn, sent, at, end)) at = end;
      else await client.until(() => client.drains > before);
    }
    await client.until(() => client.receivedBytes === sent.length);
    assert.ok(Buffer.concat(client.chunks).equals(sent));
    assert.ok(client.drains > 10, `${client.drains}`);
    client.layer.close(conn);
    await client.until(() => client.closeReason !== undefined);
    assert.equal(client.closeReason, CLOSE_REASON.orderly);
  });

  test('closed while a record waits for room: it arrives, and the goodbye behind it', async (t) => {
    let got = 0;
    const ends: (string | null)[] = [];
    let socket: tls.TLSSocket | undefined;
    const { port, ca } = await tlsServer(t, (accepted) => {
      socket = accepted;
      accepted.on('error', (error) => ends.push(error.message));
      accepted.on('end', () => {
        ends.push(null);
        accepted.end();
      });
    });
    const client = new Client(t, ca);
    const conn = await client.open(port);
    const record = pattern(30_000);
    let sent = 0;
    // The server does not read yet: one that is refused stands behind one that waits.
    while (client.layer.send(conn, record, 0, record.length)) sent += record.length;
    client.layer.close(conn);
    client.layer.close(conn);
    while (socket === undefined) await new Promise<void>((resolve) => setImmediate(resolve));
    socket.on('data', (bytes: Buffer) => {
      got += bytes.length;
    });
    await client.until(() => client.closeReason !== undefined);
    await client.until(() => ends.length > 0 || client.closeReason === CLOSE_REASON.aborted);
    assert.deepEqual([got, ends], [sent, [null]]);
    assert.equal(client.closeReason, CLOSE_REASON.orderly);
  });

  test('who pauses gets nothing, and the server is held up; resumed, all of it', async (t) => {
    const sent = pattern(8 * MIB);
    const sockets: tls.TLSSocket[] = [];
    const { port, ca } = await tlsServer(t, (socket) => {
      sockets.push(socket);
      socket.end(sent);
    });
    const client = new Client(t, ca);
    const conn = await client.open(port);
    client.layer.pauseReceive(conn);
    const before = client.receivedBytes;
    // TLS 1.3 is done here before it is done there; then until the server's kernel takes no more.
    while (sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    let written = -1;
    while (sockets[0]!.bytesWritten !== written) {
      written = sockets[0]!.bytesWritten;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.equal(client.receivedBytes, before);
    assert.equal(sockets[0]!.writableFinished, false);
    client.layer.resumeReceive(conn);
    await client.until(() => client.hasEnded);
    assert.ok(Buffer.concat(client.chunks).equals(sent));
  });

  test('half-closed, the other way still carries; a reset is told', async (t) => {
    const sockets: tls.TLSSocket[] = [];
    const { port, ca } = await tlsServer(t, (socket) => sockets.push(socket));
    const client = new Client(t, ca);
    const conn = await client.open(port);
    while (sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    client.layer.send(conn, Buffer.from('last'), 0, 4);
    client.layer.endOutput(conn);
    assert.equal(client.layer.send(conn, Buffer.from('no'), 0, 2), false);
    const [bytes] = (await once(sockets[0]!, 'data')) as [Buffer];
    assert.equal(bytes.toString(), 'last');
    await once(sockets[0]!, 'end');
    sockets[0]!.end('answer');
    await client.until(() => client.closeReason !== undefined);
    assert.equal(Buffer.concat(client.chunks).toString(), 'answer');
    assert.deepEqual([client.hasEnded, client.closeReason], [true, CLOSE_REASON.orderly]);
    await client.open(port);
    while (sockets.length === 1) await new Promise((resolve) => setTimeout(resolve, 1));
    sockets[1]!.destroy();
    await client.until(() => client.hasEnded || client.closeReason !== undefined);
  });

  test('no handshake, no connection: garbage, a stranger, a change of mind', async (t) => {
    const garbage = net.createServer((socket) => {
      socket.on('error', () => {}).write('SSH-2.0-OpenSSH_9.2\r\n'.repeat(20));
    });
    garbage.listen(0, '127.0.0.1');
    await once(garbage, 'listening');
    t.after(() => garbage.close());
    const { port, ca } = await tlsServer(t, () => {});
    const client = new Client(t, ca);
    client.connect((garbage.address() as net.AddressInfo).port);
    await client.until(() => client.connectErrno !== undefined);
    assert.equal(client.connectErrno, EPROTO);
    const conn = client.connect(port);
    client.layer.abort(conn);
    await client.until(() => client.connectErrno !== undefined);
    assert.equal(client.connectErrno, ECANCELED);
    await client.open(port);
    client.reactor.stop();
    await client.until(() => client.closeReason !== undefined);
    assert.equal(client.closeReason, CLOSE_REASON.stopped);
  });

  test('a certificate that nobody vouched for is no handshake either', async (t) => {
    const { port } = await tlsServer(t, () => {});
    const client = new Client(t, undefined);
    client.connect(port);
    await client.until(() => client.connectErrno !== undefined);
    assert.equal(client.connectErrno, EPROTO);
  });
});
