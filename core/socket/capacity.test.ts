// Contract: a full reactor leaves connections waiting and loses none; lanes fill one after the other.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { onEveryEngine, onRing } from '#core/socket/test/engine-variant.ts';
import { pattern, Subject } from '#core/socket/test/subject.ts';

/** A peer that sends its number at once and remembers what comes back. */
async function numberedPeer(t: TestContext, port: number, number: number): Promise<string[]> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  const received: string[] = [];
  socket.on('error', () => {});
  socket.setEncoding('utf8').on('data', (text: string) => received.push(text));
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.write(`peer ${number}`);
  return received;
}

onEveryEngine((variant) => {
  test('10 peers at a reactor of 4: all are served in the end, never more than 4 at a time', async (t) => {
    let openMax = 0;
    const server = new Subject(
      t,
      variant,
      { capacity: 4 },
      {
        onAccept: () => {
          openMax = Math.max(openMax, server.reactor.connections);
        },
        onData: (conn, bytes, start, end) => void server.reactor.send(conn, bytes, start, end),
      },
    );
    const port = server.listen();
    const peers = await Promise.all(
      Array.from({ length: 10 }, (_, number) => numberedPeer(t, port, number)),
    );
    for (let served = 0; served < 10; served++) {
      await server.until(() => server.announced.length > served, `${served + 1} accepts`);
      const seen = server.announced[served]!;
      await server.until(() => seen.receivedBytes > 0, 'its bytes');
      await server.until(() => server.reactor.outputBytes(seen.conn) === 0, 'its echo');
      assert.ok(server.announced.length <= served + 4, 'no more than there is room for');
      server.reactor.close(seen.conn);
      await server.until(() => !seen.isOpen, 'closed');
    }
    assert.equal(openMax, 4);
    assert.equal(server.stat('accepted'), 10);
    assert.ok(server.stat('acceptRefused') > 0, 'that it was full is counted');
    const echoed = new Set(peers.flat());
    assert.deepEqual(echoed, new Set(peers.map((_, number) => `peer ${number}`)));
  });

  test('setAccepting(false) leaves connections waiting; (true) takes them', async (t) => {
    const server = new Subject(t, variant);
    const port = server.listen();
    await numberedPeer(t, port, 0);
    await server.until(() => server.announced.length === 1, 'the first');
    server.reactor.setAccepting(false);
    for (let number = 1; number <= 5; number++) await numberedPeer(t, port, number);
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.announced.length, 1);
    assert.equal(server.stat('acceptRefused'), 0, 'it was not full');
    server.reactor.setAccepting(true);
    await server.until(
      () =>
        server.announced.every(({ receivedBytes }) => receivedBytes === 6) && server.now.size === 6,
      'all six with their bytes',
    );
  });

  test('connects and accepts share the capacity, whoever comes first', async (t) => {
    const far = new Subject(t, variant);
    const farPort = far.listen();
    const both = new Subject(t, variant, { capacity: 3 });
    const port = both.listen();
    // Accepts for three are armed when three connects take every place.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([both.connect(farPort), both.connect(farPort), both.connect(farPort)]);
    await Promise.all([numberedPeer(t, port, 1), numberedPeer(t, port, 2)]);
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(both.announced.length, 3);
    both.reactor.abort(both.announced[0]!.conn);
    both.reactor.abort(both.announced[1]!.conn);
    await both.until(
      () =>
        both.announced.length === 5 && both.announced.slice(3).every((s) => s.receivedBytes === 6),
      'the two that waited, with their bytes',
    );
    assert.equal(both.reactor.connections, 3);
  });

  test('stop resets those who wait', async (t) => {
    const server = new Subject(t, variant, { capacity: 1 });
    const port = server.listen();
    await numberedPeer(t, port, 0);
    await server.until(() => server.announced.length === 1, 'the first');
    const waiting = net.connect({ port, host: '127.0.0.1' });
    await once(waiting, 'connect');
    waiting.on('error', () => {});
    const gone = new Promise((resolve) => waiting.once('close', resolve));
    await server.stop();
    await gone;
  });
});

onRing((variant) => {
  test('several lanes in one thread: each carries its share, bytes and closes reach the right one', async (t) => {
    const options = { capacity: 90, laneSlotsMax: 9 };
    const server = new Subject(t, variant, options, {
      onData: (conn, bytes, start, end) => void server.reactor.send(conn, bytes, start, end),
      onEnd: (conn) => server.reactor.close(conn),
    });
    const client = new Subject(t, variant, options);
    const port = server.listen();
    for (let round = 0; round < 3; round++) {
      const clients = await Promise.all(Array.from({ length: 90 }, () => client.connect(port)));
      for (const [index, seen] of clients.entries()) client.send(seen, pattern(500, index));
      await client.until(
        () => clients.every(({ receivedBytes }) => receivedBytes === 500),
        'echoes',
      );
      for (const [index, seen] of clients.entries()) {
        assert.ok(client.bytesOf(seen).equals(pattern(500, index)));
        if (index % 2 === 0) client.reactor.close(seen.conn);
        else client.reactor.abort(seen.conn);
      }
      await client.until(() => client.now.size === 0, 'all closed');
      await server.until(() => server.now.size === 0, 'all closed there');
    }
    assert.equal(server.stat('accepted'), 270);
  });

  test('a burst larger than what single accepts take at once is taken whole', async (t) => {
    const server = new Subject(t, variant, { capacity: 600 }, {}, { cqEntries: 64, sqEntries: 32 });
    const client = new Subject(t, variant, { capacity: 600 });
    const port = server.listen();
    await Promise.all(Array.from({ length: 600 }, () => client.connect(port)));
    await server.until(() => server.now.size === 600, '600 accepts');
  });
});
