// Contract: output is bounded, a refused sender is told when to go on, close flushes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { CLOSE_REASON, LINGER_MS } from '#core/socket/reactor.ts';
import { onEveryEngine } from '#core/socket/test/engine-variant.ts';
import { pattern, type Seen, Subject } from '#core/socket/test/subject.ts';

const KIB = 1024;

/** A peer of node:net that does not read until it is told to. */
async function slowPeer(t: TestContext, port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {}).pause();
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Sends pieces of 8 KiB until one is refused; returns what was taken. */
function fill(subject: Subject, seen: Seen): Buffer {
  const pieces: Buffer[] = [];
  for (let index = 0; index < 10_000; index++) {
    const piece = pattern(8 * KIB, index);
    if (!subject.send(seen, piece)) return Buffer.concat(pieces);
    pieces.push(piece);
  }
  throw new Error('80 MB were taken for a reader that does not read');
}

onEveryEngine((variant) => {
  test('a slow reader: sends are refused at the bound, and go on after onDrain', async (t) => {
    const outputBytesMax = 64 * KIB;
    let fills = 0;
    const sent: Buffer[] = [];
    const server = new Subject(
      t,
      variant,
      { outputBytesMax },
      {
        onDrain: (conn) => {
          if (fills++ < 200) sent.push(fill(server, server.now.get(conn)!));
        },
        onTurn: () => {
          for (const seen of server.now.values()) {
            assert.ok(server.reactor.outputBytes(seen.conn) <= outputBytesMax, 'the bound holds');
          }
          return Number.POSITIVE_INFINITY;
        },
      },
    );
    const port = server.listen();
    const peer = await slowPeer(t, port);
    await server.until(() => server.announced.length === 1, 'accept');
    const seen = server.announced[0]!;
    sent.push(fill(server, seen));
    assert.equal(server.reactor.outputBytes(seen.conn), outputBytesMax);
    assert.equal(server.stat('sendRefused'), 1);
    await server.until(() => server.stat('outputBytes') > 0 && server.stat('sends') > 0, 'sending');
    const received: Buffer[] = [];
    peer.on('data', (bytes) => received.push(bytes)).resume();
    await server.until(() => fills === 201 && server.stat('outputBytes') === 0, 'all drained');
    server.reactor.close(seen.conn);
    await once(peer, 'end');
    assert.ok(Buffer.concat(received).equals(Buffer.concat(sent)), 'every byte, in order');
    assert.equal(server.stat('txBytes'), Buffer.concat(sent).length);
    peer.end();
    await server.until(() => !seen.isOpen, 'closed');
    assert.equal(seen.closeReason, CLOSE_REASON.orderly);
  });

  test('the bound of the whole reactor refuses, and everyone refused is told', async (t) => {
    const limits = { outputBytesMax: 64 * KIB, outputBytesTotalMax: 96 * KIB };
    const server = new Subject(t, variant, limits);
    const port = server.listen();
    const peers = await Promise.all(Array.from({ length: 4 }, () => slowPeer(t, port)));
    await server.until(() => server.announced.length === 4, 'accepts');
    const [first, second, third, fourth] = server.announced as [Seen, Seen, Seen, Seen];
    assert.equal(fill(server, first).length, 64 * KIB);
    assert.equal(fill(server, second).length, 32 * KIB);
    assert.equal(server.send(third, pattern(10)), false);
    assert.equal(server.send(fourth, pattern(10)), false);
    assert.equal(server.send(fourth, pattern(10)), false);
    assert.equal(server.stat('sendRefused'), 5);
    server.reactor.abort(fourth.conn);
    for (const peer of peers) peer.resume();
    await server.until(() => [first, second, third].every(({ drains }) => drains === 1), 'drains');
    await server.until(() => !fourth.isOpen, 'aborted');
    assert.equal(fourth.drains, 0);
    assert.equal(server.send(third, pattern(10)), true);
    await server.until(() => server.stat('outputBytes') === 0, 'sent');
    assert.equal(third.drains, 1, 'told once');
  });

  test('close flushes everything, then FIN', async (t) => {
    const server = new Subject(t, variant, { outputBytesMax: 1024 * KIB });
    const port = server.listen();
    const peer = await slowPeer(t, port);
    await server.until(() => server.announced.length === 1, 'accept');
    const seen = server.announced[0]!;
    const sent = pattern(1024 * KIB);
    assert.ok(server.send(seen, sent));
    server.reactor.close(seen.conn);
    assert.equal(server.send(seen, sent.subarray(0, 1)), false, 'nothing is taken after close');
    server.reactor.close(seen.conn);
    const received: Buffer[] = [];
    peer.on('data', (bytes) => received.push(bytes)).resume();
    await once(peer, 'end');
    assert.ok(Buffer.concat(received).equals(sent));
    const beforeMs = performance.now();
    await server.until(() => !seen.isOpen, 'closed');
    assert.ok(performance.now() - beforeMs >= LINGER_MS / 2, 'it waited for the FIN of the peer');
    assert.equal(seen.closeReason, CLOSE_REASON.orderly);
    assert.equal(seen.hasEnded, false);
  });

  test('a close that never finishes can be bounded by a deadline and an abort', async (t) => {
    const server = new Subject(
      t,
      variant,
      { outputBytesMax: 16 * 1024 * KIB },
      {
        onDeadline: (conn) => server.reactor.abort(conn),
      },
    );
    const port = server.listen();
    const peer = await slowPeer(t, port);
    await server.until(() => server.announced.length === 1, 'accept');
    const seen = server.announced[0]!;
    assert.ok(server.send(seen, pattern(16 * 1024 * KIB)));
    server.reactor.close(seen.conn);
    server.reactor.setDeadline(seen.conn, 150);
    await server.until(() => !seen.isOpen, 'aborted');
    assert.equal(seen.closeReason, CLOSE_REASON.aborted);
    assert.equal(server.stat('outputBytes'), 0);
    peer.destroy();
  });

  test('a peer that sends a lot and reads late gets the whole answer of a closing connection', async (t) => {
    const answer = pattern(512 * KIB);
    const server = new Subject(
      t,
      variant,
      { outputBytesMax: 1024 * KIB },
      {
        onData: (conn) => {
          server.reactor.send(conn, answer, 0, answer.length);
          server.reactor.close(conn);
        },
      },
    );
    const peer = await slowPeer(t, server.listen());
    const upload = pattern(4 * 1024 * KIB);
    const uploaded = new Promise<void>((resolve) => peer.write(upload, () => resolve()));
    await uploaded;
    const received: Buffer[] = [];
    peer.on('data', (bytes) => received.push(bytes)).resume();
    await once(peer, 'end');
    assert.equal(server.announced[0]!.pieces, 1, 'nothing is delivered after close');
    assert.ok(Buffer.concat(received).equals(answer));
  });

  test('immediate flush sends without waiting for the end of the turn, in the same order', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant, { flush: 'immediate' });
    const seen = await client.connect(server.listen());
    const sent = Array.from({ length: 50 }, (_, index) => pattern(1 + index * 13, index));
    for (const piece of sent) assert.ok(client.send(seen, piece));
    const whole = Buffer.concat(sent);
    await server.until(() => server.announced[0]?.receivedBytes === whole.length, 'all bytes');
    assert.ok(server.bytesOf(server.announced[0]!).equals(whole));
  });
});
