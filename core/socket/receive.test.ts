// Contract: receiving with few buffers, with back-pressure, with a completion queue that overflows.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { onEveryEngine, onRing } from '#core/socket/test/engine-variant.ts';
import { pattern, type Seen, Subject } from '#core/socket/test/subject.ts';

const KIB = 1024;

onEveryEngine((variant) => {
  test('one small receive buffer for 30 connections is enough', async (t) => {
    const server = new Subject(t, variant, {
      receiveBuffersPerLane: 1,
      receiveBufferBytes: 64,
    });
    const client = new Subject(t, variant, { outputBytesMax: 64 * KIB });
    const port = server.listen();
    const clients = await Promise.all(Array.from({ length: 30 }, () => client.connect(port)));
    for (const [index, seen] of clients.entries()) {
      client.send(seen, pattern(10_000 + index, index));
      client.reactor.endOutput(seen.conn);
    }
    await server.until(
      () => server.announced.length === 30 && server.announced.every((seen) => seen.hasEnded),
      'all ends',
    );
    for (const seen of server.announced) {
      const index = seen.receivedBytes - 10_000;
      assert.ok(server.bytesOf(seen).equals(pattern(10_000 + index, index)));
    }
  });

  test('what is kept by slice() stays as it came', async (t) => {
    const kept: Uint8Array[] = [];
    const server = new Subject(
      t,
      variant,
      { receiveBuffersPerLane: 1 },
      { onData: (_, bytes, start, end) => void kept.push(bytes.slice(start, end)) },
    );
    const client = new Subject(t, variant);
    const conn = await client.connect(server.listen());
    for (const text of ['first', 'other']) {
      const known = kept.length;
      client.send(conn, Buffer.from(text));
      await server.until(() => kept.length > known, text);
    }
    assert.equal(Buffer.concat(kept).toString(), 'firstother');
  });

  test('pauseReceive stops the peer, resumeReceive loses nothing', async (t) => {
    const pauses = new Set<Seen>();
    const server = new Subject(
      t,
      variant,
      {},
      {
        onData: (conn) => {
          if (server.now.get(conn)!.pieces > 20) return;
          server.reactor.pauseReceive(conn);
          pauses.add(server.now.get(conn)!);
        },
      },
    );
    const socket = net.connect({ port: server.listen(), host: '127.0.0.1' }).on('error', () => {});
    t.after(() => socket.destroy());
    const sent = pattern(8 * KIB * KIB);
    let isWritten = false;
    socket.end(sent, () => {
      isWritten = true;
    });
    await server.until(() => pauses.size === 1, 'the first bytes');
    const seen = server.announced[0]!;
    const paused = seen.receivedBytes;
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    const lateMax = server.reactor.engine === 'net' ? 64 * KIB : 256 * 4 * KIB;
    assert.ok(seen.receivedBytes - paused <= lateMax, 'only what was on its way');
    assert.equal(isWritten, false, 'the peer is held up');
    const step = setInterval(() => {
      if (seen.isOpen) server.reactor.resumeReceive(seen.conn);
    }, 0);
    t.after(() => clearInterval(step));
    await server.until(() => seen.hasEnded, 'the end');
    assert.ok(server.bytesOf(seen).equals(sent));
  });

  test('a connection that is paused from the start delivers nothing until it is resumed', async (t) => {
    const server = new Subject(
      t,
      variant,
      {},
      { onAccept: (conn) => server.reactor.pauseReceive(conn) },
    );
    const socket = net.connect({ port: server.listen(), host: '127.0.0.1' }).on('error', () => {});
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    socket.end(pattern(1000));
    await server.until(() => server.announced.length === 1, 'accept');
    const seen = server.announced[0]!;
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(seen.receivedBytes, 0);
    assert.equal(seen.hasEnded, false);
    server.reactor.resumeReceive(seen.conn);
    server.reactor.resumeReceive(seen.conn);
    await server.until(() => seen.hasEnded, 'the end');
    assert.ok(server.bytesOf(seen).equals(pattern(1000)));
  });

  test('pause and resume in one breath, again and again, lose nothing', async (t) => {
    const server = new Subject(
      t,
      variant,
      {},
      {
        onData: (conn) => {
          server.reactor.pauseReceive(conn);
          server.reactor.resumeReceive(conn);
          server.reactor.pauseReceive(conn);
          server.reactor.resumeReceive(conn);
        },
      },
    );
    const client = new Subject(t, variant, { outputBytesMax: 512 * KIB });
    const seen = await client.connect(server.listen());
    client.send(seen, pattern(512 * KIB));
    client.reactor.endOutput(seen.conn);
    await server.until(() => server.announced[0]?.hasEnded === true, 'the end');
    assert.ok(server.bytesOf(server.announced[0]!).equals(pattern(512 * KIB)));
  });

  test('the arming may change under traffic: every byte still comes once and in order', async (t) => {
    const options = { outputBytesMax: 1024 * KIB, arming: 'poll' as const };
    const server = new Subject(t, variant, options, {
      onData: (conn, bytes, start, end) => void server.reactor.send(conn, bytes, start, end),
      onEnd: (conn) => server.reactor.close(conn),
    });
    const client = new Subject(t, variant, options);
    const port = server.listen();
    const clients = await Promise.all(Array.from({ length: 20 }, () => client.connect(port)));
    const sent = clients.map(() => [] as Buffer[]);
    for (let round = 0; round < 60; round++) {
      for (const [index, seen] of clients.entries()) {
        const piece = pattern(1 + ((round * 997 + index) % 9000), round + index);
        client.send(seen, piece);
        sent[index]!.push(piece);
      }
      server.reactor.set({ arming: round % 2 === 0 ? 'recv' : 'poll' });
      client.reactor.set({ arming: round % 3 === 0 ? 'recv' : 'poll' });
      server.reactor.set({ flush: round % 5 === 0 ? 'immediate' : 'turn' });
      await new Promise((resolve) => setImmediate(resolve));
    }
    const isWhole = (seen: Seen, index: number): boolean =>
      seen.receivedBytes === Buffer.concat(sent[index]!).length;
    await client.until(() => clients.every(isWhole), 'all echoes');
    for (const [index, seen] of clients.entries()) {
      assert.ok(client.bytesOf(seen).equals(Buffer.concat(sent[index]!)));
      client.reactor.endOutput(seen.conn);
    }
    await client.until(() => client.now.size === 0, 'all closed');
  });
});

onRing((variant) => {
  test('a completion queue of 16 for 150 busy connections overflows and loses nothing', async (t) => {
    const tuning = { sqEntries: 8, cqEntries: 16 };
    const options = { capacity: 150, outputBytesMax: 64 * KIB };
    const server = new Subject(
      t,
      variant,
      options,
      {
        onData: (conn, bytes, start, end) => void server.reactor.send(conn, bytes, start, end),
        onEnd: (conn) => server.reactor.close(conn),
      },
      tuning,
    );
    const client = new Subject(t, variant, options);
    const port = server.listen();
    const clients = await Promise.all(Array.from({ length: 150 }, () => client.connect(port)));
    for (let round = 1; round <= 5; round++) {
      for (const [index, seen] of clients.entries())
        client.send(seen, pattern(1500, round + index));
      const isBack = ({ receivedBytes }: Seen): boolean => receivedBytes === 1500 * round;
      await client.until(() => clients.every(isBack), `round ${round}`);
    }
    for (const [index, seen] of clients.entries()) {
      const rounds = [1, 2, 3, 4, 5].map((round) => pattern(1500, round + index));
      assert.ok(client.bytesOf(seen).equals(Buffer.concat(rounds)));
      client.reactor.endOutput(seen.conn);
    }
    await client.until(() => client.now.size === 0, 'all closed');
    assert.ok(server.stat('cqOverflows') > 0, 'it did overflow');
  });
});
