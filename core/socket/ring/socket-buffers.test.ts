// SO_SNDBUF and SO_RCVBUF: a peer that does not read holds a bounded amount in the kernel.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { onRing } from '#core/socket/test/engine-variant.ts';
import { Subject } from '#core/socket/test/subject.ts';

const KIB = 1024;

onRing((variant) => {
  test('what the kernel takes for a mute peer is bounded by socketSendBytes', async (t) => {
    // The peer's own buffer is small too; what left our memory lies in one of the two.
    const peer = new Subject(
      t,
      variant,
      { socketReceiveBytes: 8 * KIB },
      {
        onAccept: (conn) => peer.reactor.pauseReceive(conn),
      },
    );
    const port = peer.listen();
    const taken = async (socketSendBytes: number): Promise<number> => {
      const client = new Subject(t, variant, { outputBytesMax: 8192 * KIB, socketSendBytes });
      const seen = await client.connect(port);
      client.send(seen, Buffer.alloc(8192 * KIB));
      let last = -1;
      let calm = 0;
      while (calm < 20) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        const left = client.reactor.outputBytes(seen.conn);
        calm = left === last ? calm + 1 : 0;
        last = left;
      }
      client.reactor.abort(seen.conn);
      return 8192 * KIB - last;
    };
    const bounded = await taken(16 * KIB);
    const free = await taken(0);
    assert.ok(bounded <= 160 * KIB, `${bounded} bytes went into the kernel`);
    assert.ok(free > 2 * bounded, `${free} without a bound`);
  });

  test('the options hold for accepted connections', async (t) => {
    const server = new Subject(t, variant, {
      socketSendBytes: 16 * KIB,
      outputBytesMax: 8192 * KIB,
    });
    const socket = net.connect({ port: server.listen(), host: '127.0.0.1' }).on('error', () => {});
    t.after(() => socket.destroy());
    socket.pause();
    await once(socket, 'connect');
    await server.until(() => server.announced.length === 1, 'accept');
    const seen = server.announced[0]!;
    const sent = Buffer.alloc(4096 * KIB, 7);
    server.send(seen, sent);
    let received = 0;
    socket.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    socket.resume();
    await server.until(() => server.stat('outputBytes') === 0, 'sent');
    while (received < sent.length) await once(socket, 'data');
    assert.equal(received, sent.length);
  });
});
