// Contract: opening connections.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { constants } from 'node:os';
import { type TestContext, test } from 'node:test';
import { CLOSE_REASON } from '#core/socket/reactor.ts';
import { loadLibc } from '#core/socket/ring/libc.ts';
import { openListeningSocket } from '#core/socket/ring/listening-socket.ts';
import { whyNoPortWindow } from '#core/socket/ring/port-window.ts';
import { onEveryEngine } from '#core/socket/test/engine-variant.ts';
import { LOOPBACK, Subject } from '#core/socket/test/subject.ts';
import { skipUnless } from '#test/foreign-part.ts';

const { ECONNREFUSED, ECANCELED, EADDRNOTAVAIL } = constants.errno;

onEveryEngine((variant) => {
  test('23 connects are 23 accepts, and both sides count them', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant);
    const port = server.listen();
    await Promise.all(Array.from({ length: 23 }, () => client.connect(port)));
    await server.until(() => server.announced.length === 23, '23 accepts');
    assert.equal(server.reactor.connections, 23);
    assert.equal(client.reactor.connections, 23);
    assert.equal(server.stat('accepted'), 23);
    assert.equal(client.stat('connected'), 23);
    await client.stop();
    await server.until(() => server.reactor.connections === 0, 'all closed');
    assert.equal(server.stat('closed'), 23);
  });

  test('one reactor may be both ends', async (t) => {
    const both = new Subject(t, variant);
    const port = both.listen();
    const client = await both.connect(port);
    await both.until(() => both.announced.length === 2, 'both ends');
    const server = both.announced.find((seen) => seen !== client)!;
    both.send(client, Buffer.from('there'));
    await both.until(() => server.receivedBytes === 5, 'bytes');
    assert.equal(both.bytesOf(server).toString(), 'there');
  });

  test('a refused connect is told with its errno, once, and its number is free again', async (t) => {
    const client = new Subject(t, variant, { capacity: 1 });
    const closed = net.createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as net.AddressInfo;
    closed.close();
    await once(closed, 'close');
    for (let round = 0; round < 3; round++) {
      const seen = client.connectLater({ remotePort: port });
      await client.until(() => seen.connectErrno !== undefined, 'refusal');
      assert.equal(seen.connectErrno, ECONNREFUSED);
      assert.equal(client.reactor.connections, 0);
    }
    assert.equal(client.stat('connected'), 0);
  });

  test('a connect beyond the capacity is refused and counted', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant, { capacity: 2 });
    const port = server.listen();
    await Promise.all([client.connect(port), client.connect(port)]);
    assert.equal(client.reactor.connect({ remoteAddress: LOOPBACK, remotePort: port }), -1);
    assert.equal(client.stat('connectRefused'), 1);
  });

  test('source address and port are as asked, again and again, after FIN and after RST', async (t) => {
    const peers: string[] = [];
    const server = net.createServer((socket) => {
      peers.push(`${socket.remoteAddress}:${socket.remotePort}`);
      socket.on('error', () => {}).resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as net.AddressInfo;
    const client = new Subject(t, variant);
    const source = { localAddress: 0x7f010203, localPort: 20_000 + (process.pid % 10_000) };
    for (const end of ['close', 'abort', 'close', 'abort'] as const) {
      const seen = await client.connect(port, source);
      client.reactor[end](seen.conn);
      await client.until(() => !seen.isOpen, 'closed');
    }
    assert.deepEqual(new Set(peers), new Set([`127.1.2.3:${source.localPort}`]));
    const anyPort = await client.connect(port, { localAddress: 0x7f010204 });
    await client.until(() => peers.length === 5, 'accept');
    assert.match(peers[4]!, /^127\.1\.2\.4:/);
    client.reactor.abort(anyPort.conn);
  });

  const noWindow = whyNoPortWindow();
  const windowed = {
    skip: skipUnless(noWindow === undefined ? [] : [noWindow], 'see docs/tools/load.md'),
  };
  const windowTest = async (t: TestContext): Promise<void> => {
    const window = { min: 40_000 + (process.pid % 1000), max: 40_019 + (process.pid % 1000) };
    const ports: number[] = [];
    const server = net.createServer((socket) => {
      ports.push(socket.remotePort!);
      socket.on('error', () => {}).resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as net.AddressInfo;
    const client = new Subject(t, variant, { sourcePorts: window });
    const from = { localAddress: 0x7f010205 };
    await Promise.all(Array.from({ length: 20 }, () => client.connect(port, from)));
    await client.until(() => ports.length === 20, 'accepts');
    assert.deepEqual(
      ports.sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => window.min + i),
    );
    const last = client.connectLater({ remotePort: port, ...from });
    await client.until(() => last.connectErrno !== undefined, 'refusal');
    assert.equal(last.connectErrno, EADDRNOTAVAIL);
    await client.connect(port, { ...from, localPort: 20_000 + (process.pid % 10_000) });
  };
  // node:net has no windows.
  if (variant.name !== 'net') {
    test(
      'a window of source ports is used to its last port, and no port beside it',
      windowed,
      windowTest,
    );
  }

  test('a source address that is not ours is told with its errno', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant);
    const seen = client.connectLater({ remotePort: server.listen(), localAddress: 0xc0000201 });
    await client.until(() => seen.connectErrno !== undefined, 'refusal');
    assert.equal(seen.connectErrno, EADDRNOTAVAIL);
  });

  test('a connect that is given up at once, or turns later, is told as cancelled', async (t) => {
    const client = new Subject(t, variant);
    // Nobody accepts here, and the backlog holds two: the kernel drops every further SYN.
    const libc = loadLibc();
    const { fd, port } = openListeningSocket(libc, { host: '127.0.0.1', port: 0, backlog: 1 });
    t.after(() => libc.close(fd));
    await Promise.all([client.connect(port), client.connect(port)]);
    for (const turns of [0, 1, 2, 3, 20]) {
      const seen = client.connectLater({ remotePort: port });
      for (let turn = 0; turn < turns; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(seen.connectErrno, undefined, 'it hangs');
      if (turns === 20) client.reactor.setDeadline(seen.conn, 1);
      else client.reactor.abort(seen.conn);
      await client.until(() => seen.deadlines === 1 || !client.now.has(seen.conn), 'gone or due');
      if (turns === 20) client.reactor.close(seen.conn);
      await client.until(() => !client.now.has(seen.conn), 'gone');
      assert.equal(seen.connectErrno, ECANCELED);
      assert.equal(seen.closeReason, undefined);
    }
    assert.equal(client.reactor.connections, 2);
  });

  test('what is sent while connecting leaves when the connection stands', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant);
    const seen = client.connectLater({ remotePort: server.listen() });
    assert.equal(client.send(seen, Buffer.from('early')), true);
    client.reactor.endOutput(seen.conn);
    await server.until(() => server.announced[0]?.hasEnded === true, 'the end');
    assert.equal(server.bytesOf(server.announced[0]!).toString(), 'early');
  });

  test('a taken port is told at once, with the remedy', async (t) => {
    const server = new Subject(t, variant);
    const other = new Subject(t, variant);
    const port = server.listen();
    assert.throws(() => other.reactor.listen({ host: '127.0.0.1', port }), {
      code: 'WSAR_ERR_PORT_IN_USE',
      message: `cannot listen on 127.0.0.1:${port}: the port is in use`,
    });
    assert.throws(() => other.reactor.listen({ host: '192.0.2.1', port: 0 }), {
      code: 'WSAR_ERR_SYSTEM',
    });
  });

  test('several listeners, one of them IPv6, are told apart', async (t) => {
    const server = new Subject(t, variant);
    const first = server.reactor.listen({ host: '127.0.0.1', port: 0 });
    const second = server.reactor.listen({ host: '::1', port: 0 });
    for (const [host, port] of [
      ['::1', second.port],
      ['127.0.0.1', first.port],
    ] as const) {
      const socket = net.connect(port, host).on('error', () => {});
      await once(socket, 'connect');
      t.after(() => socket.destroy());
    }
    await server.until(() => server.announced.length === 2, 'two accepts');
    assert.deepEqual(server.announced.map(({ listener }) => listener).sort(), [0, 1]);
  });

  test('stop ends connects in flight as cancelled and open ones as stopped', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant);
    const port = server.listen();
    const open = await client.connect(port);
    const connecting = client.connectLater({ remotePort: port });
    await client.stop();
    assert.equal(open.closeReason, CLOSE_REASON.stopped);
    assert.ok(
      connecting.connectErrno === ECANCELED || connecting.closeReason === CLOSE_REASON.stopped,
    );
  });
});
