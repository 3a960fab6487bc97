// A reset is never taken for a FIN, whatever the kernel tells first: a single receive may run after the RST and
// before the poll's HUP is taken, and a send may have taken the errno, after which a receive answers 0 as for FIN.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { CLOSE_REASON } from '#core/socket/reactor.ts';
import { onRing } from '#core/socket/test/engine-variant.ts';
import { Subject } from '#core/socket/test/subject.ts';

const ROUNDS = 150;

onRing((variant) => {
  test(`${ROUNDS} resets after bytes that are being read and answered: each is a reset, none an end`, async (t) => {
    const server = new Subject(
      t,
      variant,
      { capacity: ROUNDS + 10 },
      // Answers: a send is under way when the reset comes.
      { onData: (conn, bytes, start, end) => void server.reactor.send(conn, bytes, start, end) },
    );
    const port = server.listen();
    for (let round = 0; round < ROUNDS; round++) {
      const peer = net.connect({ port, host: '127.0.0.1' }).on('error', () => {});
      await once(peer, 'connect');
      // Never read here, so that what was answered lies unread when the peer goes.
      peer.pause();
      // From nothing to many buffers: a receive is under way, listed, or has just found the socket empty.
      const bytes = 1 + ((round * 7919) % 40_000);
      peer.write(Buffer.alloc(bytes, round));
      for (let turn = 0; turn < round % 7; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      peer.resetAndDestroy();
    }
    await server.until(() => server.announced.length === ROUNDS, 'accepts');
    await server.until(() => server.announced.every(({ isOpen }) => !isOpen), 'all gone');
    for (const [round, seen] of server.announced.entries()) {
      assert.equal(seen.hasEnded, false, `round ${round}: a reset was announced as FIN`);
      assert.equal(seen.closeReason, CLOSE_REASON.reset, `round ${round}`);
    }
  });
});
