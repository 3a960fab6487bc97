// Contract: bytes arrive whole, in order, on the connection they were sent on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEveryEngine } from '#core/socket/test/engine-variant.ts';
import { pattern, type Seen, Subject } from '#core/socket/test/subject.ts';

const MIB = 1024 * 1024;
const LARGE = { outputBytesMax: 2 * MIB, outputBytesTotalMax: 64 * MIB };

onEveryEngine((variant) => {
  test('an echo of 1 byte to 1 MiB comes back as it was', async (t) => {
    const server = new Subject(t, variant, LARGE, {
      onData: (conn, bytes, start, end) => {
        assert.ok(server.reactor.send(conn, bytes, start, end));
      },
      onEnd: (conn) => server.reactor.close(conn),
    });
    const client = new Subject(t, variant, LARGE);
    const port = server.listen();
    for (const count of [1, 2, 31, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097, 65_536, MIB]) {
      const sent = pattern(count, count);
      const seen = await client.connect(port);
      assert.ok(client.send(seen, sent));
      await client.until(() => seen.receivedBytes >= count, `${count} bytes`);
      assert.ok(client.bytesOf(seen).equals(sent), `${count} bytes are the same`);
      client.reactor.close(seen.conn);
      await client.until(() => !seen.isOpen, 'closed');
    }
    const total = server.stat('rxBytes');
    assert.equal(server.stat('txBytes'), total, 'bytes out are counted');
    assert.equal(client.stat('rxBytes'), total, 'bytes in are counted');
  });

  test('many small sends keep their order, within a turn and over turns', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant);
    const port = server.listen();
    const clients = await Promise.all(Array.from({ length: 5 }, () => client.connect(port)));
    const sent = clients.map(() => [] as Buffer[]);
    for (let round = 0; round < 200; round++) {
      for (const [index, seen] of clients.entries()) {
        const piece = pattern(1 + ((round * 7) % 90), round * 5 + index);
        assert.ok(client.send(seen, piece));
        sent[index]!.push(piece);
      }
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const seen of clients) client.reactor.close(seen.conn);
    await server.until(
      () => server.announced.filter((s) => !s.isOpen || s.hasEnded).length === 5,
      'ends',
    );
    const received = server.announced.map((seen) => server.bytesOf(seen).toString('hex')).sort();
    assert.deepEqual(received, sent.map((pieces) => Buffer.concat(pieces).toString('hex')).sort());
  });

  test('200 connections at once each get their own bytes', async (t) => {
    const echo = new Subject(
      t,
      variant,
      { capacity: 200 },
      {
        onData: (conn, bytes, start, end) => void echo.reactor.send(conn, bytes, start, end),
      },
    );
    const client = new Subject(t, variant, { capacity: 200 });
    const port = echo.listen();
    const clients = await Promise.all(Array.from({ length: 200 }, () => client.connect(port)));
    for (const [index, seen] of clients.entries()) {
      assert.ok(client.send(seen, pattern(100 + index, index)));
    }
    const isWhole = (seen: Seen, index: number): boolean => seen.receivedBytes === 100 + index;
    await client.until(() => clients.every(isWhole), 'all echoes');
    for (const [index, seen] of clients.entries()) {
      assert.ok(client.bytesOf(seen).equals(pattern(100 + index, index)));
    }
  });

  test('a message of nothing is sent as nothing', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant);
    const seen = await client.connect(server.listen());
    assert.equal(client.send(seen, Buffer.alloc(0)), true);
    assert.equal(client.reactor.outputBytes(seen.conn), 0);
    client.send(seen, Buffer.from('x'));
    await server.until(() => server.announced[0]?.receivedBytes === 1, 'one byte');
    assert.equal(client.stat('txBytes'), 1);
  });
});
