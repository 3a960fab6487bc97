// TLS of our own against node:tls: what it says comes whole in any pieces and both ways, and a server that is not
// trusted, speaks no TLS or goes away is told as what it is.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTo, createServer, type Server } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { createReactor } from '#core/socket/create-reactor.ts';
import type { TlsConnect } from '#core/socket/net/tls-connect.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type KernelEngineName,
  type ReactorHandler,
} from '#core/socket/reactor.ts';
import { whyNoOpenssl } from '#core/socket/tls/openssl.ts';
import { type ClientReactor, linkLayers } from '#loadgen/transport/client-reactor.ts';
import { TlsLayer } from '#loadgen/transport/tls-layer.ts';
import { BOARD, createBoard } from '#loadgen/worker-board.ts';
import { temporaryFolder } from '#test/command.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const lack = whyNoOpenssl();
const skip =
  needPrograms('openssl') ||
  skipUnless(lack === undefined ? [] : [`OpenSSL (${lack})`], 'use Linux');
const LOOPBACK = 0x7f000001;
const OUTPUT_BYTES_MAX = 200_000;

function makeCertificate(t: TestContext, ...key: string[]): { cert: string; key: string } {
  const folder = temporaryFolder(t);
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', ...key, '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', keyFile, '-out', certFile],
  ]);
  assert.equal(made.status, 0, String(made.stderr));
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

async function listening(t: TestContext, server: Server): Promise<number> {
  t.after(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** What becomes of some connections, and of what they are sent. */
class Seen implements ReactorHandler {
  errno: number[] = [];
  bytes: Buffer[] = [];
  ends = 0;
  closes: CloseReason[] = [];
  drains = 0;
  act: (conn: Conn) => void = () => {};
  look: () => void = () => {};

  onAccept(): void {}
  onWake(): void {}
  onDeadline(): void {}
  onConnect(conn: Conn, errno: number): void {
    this.errno.push(errno);
    if (errno === 0) this.act(conn);
    this.look();
  }
  onData(_conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    this.bytes.push(Buffer.from(bytes.subarray(start, end)));
    this.look();
  }
  onEnd(conn: Conn): void {
    this.ends++;
    this.ended(conn);
    this.look();
  }
  ended: (conn: Conn) => void = () => {};
  onDrain(): void {
    this.drains++;
    this.look();
  }
  onClose(_conn: Conn, reason: CloseReason): void {
    this.closes.push(reason);
    this.look();
  }
  onTurn(): number {
    return Number.POSITIVE_INFINITY;
  }
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.look = () => {
        if (condition()) resolve();
      };
      this.look();
    });
  }
}

function startClient(t: TestContext, engine: KernelEngineName, plan: TlsConnect) {
  const seen = new Seen();
  let handled: ReactorHandler | undefined;
  const forward = new Proxy({} as ReactorHandler, {
    get: (_target, name: keyof ReactorHandler) => (handled as ReactorHandler)[name].bind(handled),
  });
  const reactor = createReactor({
    ...{ engine, handler: forward, capacity: 64, ownsThread: false },
    outputBytesMax: OUTPUT_BYTES_MAX,
  });
  const layer = new TlsLayer(plan, reactor.capacity, createBoard());
  handled = linkLayers([layer], () => seen, reactor);
  const running = reactor.run();
  t.after(async () => {
    reactor.stop();
    await running;
  });
  const connect = (port: number): Conn =>
    layer.connect({ remoteAddress: LOOPBACK, remotePort: port });
  return { seen, layer, connect, running };
}

/** `openssl s_server`, which asks for new keys when it is told. */
async function startUpdating(t: TestContext) {
  const folder = temporaryFolder(t);
  const { cert, key } = makeCertificate(t, 'rsa:2048');
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  const server = spawn('openssl', [
    ...['s_server', '-tls1_3', '-accept', '127.0.0.1:0', '-cert', certFile, '-key', keyFile],
  ]);
  t.after(() => void server.kill('SIGKILL'));
  let text = '';
  let look = (): void => {};
  server.stdout.on('data', (data: Buffer) => {
    text += data.toString('latin1');
    look();
  });
  const said = (condition: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      look = () => {
        if (condition()) resolve();
      };
      look();
    });
  await said(() => /ACCEPT \S+:\d+/.test(text));
  return {
    cert,
    port: Number(/ACCEPT \S+:(\d+)/.exec(text)![1]),
    askForKeys: () => void server.stdin.write('K\n'),
    /** A byte has arrived there so often. */
    arrived: (byte: string, count: number) => said(() => text.split(byte).length > count),
  };
}

/** A layer whose reactor takes nothing while it is told so. */
function startHeldUp(t: TestContext, plan: TlsConnect, port: number) {
  const seen = new Seen();
  const board = createBoard();
  const layer = new TlsLayer(plan, 1, board);
  const lower = {
    isFull: false,
    received: (): void => {},
    connect(): Conn {
      socket
        .on('connect', () => layer.onConnect(0, 0))
        .on('data', (data) => {
          layer.onData(0, data, 0, data.length);
          lower.received();
        });
      return 0;
    },
    send(_conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
      if (!lower.isFull) socket.write(bytes.slice(start, end));
      return !lower.isFull;
    },
    abort: (): void => layer.onClose(0, CLOSE_REASON.aborted, 0),
  };
  const socket = connectTo(port, '127.0.0.1');
  t.after(() => {
    socket.destroy();
    layer.release();
  });
  linkLayers([layer], () => seen, lower as unknown as ClientReactor);
  layer.connect({ remoteAddress: LOOPBACK, remotePort: port });
  return { seen, board, layer, lower };
}

const { engine: best } = chooseEngine('auto');
const engines = [...new Set([best, 'epoll', 'net'])] as KernelEngineName[];

describe('TLS below a population', { skip, concurrency: 1 }, () => {
  for (const engine of engines) {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      test(`${engine}, ${version}: what is said comes whole, both ways, in any pieces`, async (t) => {
        const { cert, key } = makeCertificate(t, 'rsa:2048');
        const server = createTlsServer(
          { cert, key, minVersion: version, maxVersion: version },
          // Everything comes back, in pieces.
          (socket: TLSSocket) =>
            socket.on('data', (data: Buffer) => {
              socket.write(data.subarray(0, 1));
              socket.write(data.subarray(1));
            }),
        );
        const port = await listening(t, server);
        const plan = { ca: cert, serverName: '127.0.0.1', isInsecure: false };
        const { seen, layer, connect } = startClient(t, engine, plan);
        const sizes = [1, 100, 193, 16_384, 16_385, 66_000];
        const sent = sizes.map((size, index) => Buffer.alloc(size, index + 1));
        seen.act = (conn) => {
          for (const piece of sent) assert.ok(layer.send(conn, piece, 0, piece.length));
        };
        connect(port);
        const whole = Buffer.concat(sent);
        await seen.until(() => Buffer.concat(seen.bytes).length >= whole.length);
        assert.ok(Buffer.concat(seen.bytes).equals(whole));
        assert.deepEqual([seen.errno, seen.closes], [[0], []]);
      });
    }
  }

  test('a server that says goodbye: onEnd once, and the connection ends in order', async (t) => {
    const { cert, key } = makeCertificate(t, 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256');
    const port = await listening(
      t,
      createTlsServer({ cert, key }, (socket) => socket.end('bye')),
    );
    const plan = { ca: cert, serverName: 'localhost', isInsecure: false };
    const { seen, layer, connect } = startClient(t, best as KernelEngineName, plan);
    seen.ended = (conn) => layer.close(conn);
    connect(port);
    await seen.until(() => seen.closes.length === 1);
    assert.deepEqual([seen.ends, Buffer.concat(seen.bytes).toString()], [1, 'bye']);
  });

  test('who is not trusted, or speaks no TLS, was never connected', async (t) => {
    const { cert, key } = makeCertificate(t, 'rsa:2048');
    const trusted = createTlsServer({ cert, key });
    trusted.on('tlsClientError', () => {});
    const port = await listening(t, trusted);
    const plain = await listening(
      t,
      createServer((socket) => socket.on('error', () => {}).end('220 hello\r\n')),
    );
    const other = makeCertificate(t, 'rsa:2048').cert;
    for (const [plan, to, errno] of [
      [{ ca: other, serverName: 'localhost', isInsecure: false }, port, constants.errno.EPROTO],
      [{ ca: cert, serverName: 'elsewhere', isInsecure: false }, port, constants.errno.EPROTO],
      [{ ca: cert, serverName: '10.1.2.3', isInsecure: false }, port, constants.errno.EPROTO],
      [{ ca: undefined, serverName: 'localhost', isInsecure: true }, port, 0],
      [{ ca: undefined, serverName: 'localhost', isInsecure: true }, plain, -1],
    ] as const) {
      const { seen, connect } = startClient(t, best as KernelEngineName, plan);
      connect(to);
      await seen.until(() => seen.errno.length === 1);
      if (errno === -1) assert.notEqual(seen.errno[0], 0);
      else assert.equal(seen.errno[0], errno, JSON.stringify(plan));
      assert.deepEqual(seen.closes, []);
    }
  });

  test('a connection that takes no more refuses, keeps its order, and goes on when it is read', async (t) => {
    const { cert, key } = makeCertificate(t, 'rsa:2048');
    const read: Buffer[] = [];
    const server = createTlsServer({ cert, key });
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    const port = await listening(t, server);
    const plan = { ca: cert, serverName: 'localhost', isInsecure: false };
    const { seen, layer, connect } = startClient(t, best as KernelEngineName, plan);
    let taken = 0;
    const fill = (conn: Conn): void => {
      for (;;) {
        const piece = Buffer.alloc(60_000, (taken % 251) + 1);
        if (!layer.send(conn, piece, 0, piece.length)) return;
        taken++;
        if (taken === 400) return;
      }
    };
    seen.act = fill;
    const conn = connect(port);
    await seen.until(() => taken > 2);
    assert.ok(taken < 400, 'it was refused');
    const [reader] = await accepted;
    reader.on('data', (data: Buffer) => read.push(data));
    const ended = once(reader, 'end');
    const refused = taken;
    await seen.until(() => {
      if (seen.drains > 0 && taken < 400) fill(conn);
      return taken === 400;
    });
    layer.endOutput(conn);
    await ended;
    const whole = Buffer.concat(read);
    assert.equal(whole.length, 400 * 60_000, `${refused} were taken before it was read`);
    for (let piece = 0; piece < 400; piece++) {
      const want = (piece % 251) + 1;
      assert.ok(
        whole[piece * 60_000] === want && whole[(piece + 1) * 60_000 - 1] === want,
        `${piece}`,
      );
    }
  });

  test('new keys are asked for while a record waits: answered behind it; too often: given up, counted', async (t) => {
    const server = await startUpdating(t);
    const plan = { ca: server.cert, serverName: 'localhost', isInsecure: false };
    const { seen, board, layer, lower } = startHeldUp(t, plan, server.port);
    const askForKeys = (): Promise<void> =>
      new Promise((resolve) => {
        lower.received = resolve;
        server.askForKeys();
      });
    await seen.until(() => seen.errno.length === 1);
    // TLS 1.3 is done here before it is done there.
    layer.send(0, Buffer.from('^'), 0, 1);
    await server.arrived('^', 1);
    const record = Buffer.alloc(40_000, '~');
    const hold = (): void => {
      lower.isFull = true;
      assert.ok(layer.send(0, record, 0, record.length));
      assert.equal(layer.send(0, record, 0, record.length), false);
    };
    hold();
    for (let update = 0; update < 3; update++) await askForKeys();
    assert.deepEqual([seen.closes, board[BOARD.tlsGivenUp]], [[], 0]);
    lower.isFull = false;
    layer.onDrain(0);
    layer.send(0, Buffer.from('~'), 0, 1);
    await server.arrived('~', record.length + 1);
    hold();
    for (let update = 0; update < 60 && seen.closes.length === 0; update++) await askForKeys();
    assert.deepEqual([seen.closes, board[BOARD.tlsGivenUp]], [[CLOSE_REASON.aborted], 1]);
  });

  test('what a layer took of memory it gives back: 1.2 MB each was kept by an agent for ever', () => {
    const plan = { ca: undefined, serverName: 'localhost', isInsecure: false };
    const use = (times: number): void => {
      for (let i = 0; i < times; i++) new TlsLayer(plan, 64, createBoard()).release();
    };
    use(10);
    const before = process.memoryUsage.rss();
    use(50);
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 20e6, `${grown} bytes`);
  });
});
