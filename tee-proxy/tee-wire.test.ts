// The tee as a wire: what a client and its upstream see of each other through it is what they would see
// without it, and memory stays bounded whoever is slow.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import {
  answering,
  type Character,
  Client,
  expectedHash,
  freePort,
  quiet,
  startServer,
  until,
} from '#tee-proxy/test/peer-servers.ts';
import { ENGINES, startTee } from '#tee-proxy/test/running-tee.ts';

const MIB = 1024 * 1024;

/** Against a hang; nothing is judged by time. */
const LIMIT = { timeout: 60_000 };

// Several at a time: they wait more than they work.
describe('the tee as a wire', { concurrency: 3 }, () => {
  for (const engine of ENGINES) {
    test(`${engine}: half-close both ways: each direction ends by itself`, LIMIT, async (t) => {
      // The upstream finishes first, at once; it goes on reading.
      const upstream = await startServer(t, (socket) => void socket.end('hello'));
      const shadow = await startServer(t, quiet);
      const tee = await startTee(t, { engine, upstream: upstream.port, shadows: [shadow.port] });
      const client = new Client(tee.port, 7);
      await once(client.socket, 'end');
      assert.equal(client.bytes, 5);
      await client.say(100_000);
      assert.equal((await client.finish()).error, undefined);
      const wanted = { bytes: 100_000, hash: expectedHash(7, 100_000), end: 'fin' };
      await until('both have all', () => shadow.seen.get(7)?.end === 'fin');
      assert.deepEqual(upstream.seen.get(7), wanted);
      assert.deepEqual(shadow.seen.get(7), wanted);
      await tee.stop();
    });

    test(
      `${engine}: a reset goes through as a reset, to the other end and to the shadow`,
      LIMIT,
      async (t) => {
        // The upstream answers, and resets a client that says more than 1000 bytes.
        const strict: Character = (socket, index) => {
          answering(socket, index);
          socket.on('data', () => socket.bytesRead > 1000 && socket.resetAndDestroy());
        };
        const upstream = await startServer(t, strict);
        const shadow = await startServer(t, quiet);
        const tee = await startTee(t, { engine, upstream: upstream.port, shadows: [shadow.port] });
        const rude = new Client(tee.port, 1);
        await rude.say(500);
        await until('the answer', () => rude.bytes === 500);
        await until('the copy', () => shadow.seen.get(1)?.bytes === 500);
        rude.socket.resetAndDestroy();
        const victim = new Client(tee.port, 2);
        await victim.say(500);
        await until('the copy', () => shadow.seen.get(2)?.bytes === 500);
        await victim.say(600);
        await victim.closed;
        assert.equal(victim.error, 'ECONNRESET');
        for (const id of [1, 2]) {
          await until('resets arrive', () => shadow.seen.get(id)?.end === 'reset');
          await until('resets arrive', () => upstream.seen.get(id)?.end === 'reset');
        }
        const summary = await tee.stop();
        assert.equal(summary.values['wsar.tee.shadow.completed'], 2, 'ended in kind, not shed');
      },
    );

    test(
      `${engine}: an upstream that is not there resets the client; later it works`,
      LIMIT,
      async (t) => {
        const port = await freePort();
        const shadow = await startServer(t, quiet);
        const tee = await startTee(t, { engine, upstream: port, shadows: [shadow.port] });
        const unlucky = new Client(tee.port, 1);
        await unlucky.closed;
        assert.equal(unlucky.error, 'ECONNRESET');
        const upstream = await startServer(t, answering, port);
        const lucky = new Client(tee.port, 2);
        await lucky.say(1000);
        assert.equal((await lucky.finish()).hash, expectedHash(2, 1000, true));
        assert.equal(upstream.accepted, 1);
        const { values } = await tee.stop();
        assert.equal(values['wsar.tee.upstream_failed'], 1);
        assert.equal(
          values['wsar.tee.shadow.sampled'],
          1,
          'only what reached production is copied',
        );
      },
    );

    test(
      `${engine}: a client that does not read pauses its upstream, in bounded memory`,
      LIMIT,
      async (t) => {
        const length = 64 * MIB;
        let sent = 0;
        const flooding: Character = (socket) => {
          const piece = Buffer.alloc(MIB, 5);
          const flood = (): void => {
            while (sent < length) {
              sent += piece.length;
              if (!socket.write(piece)) return;
            }
            socket.end();
          };
          socket.on('drain', flood).resume();
          flood();
        };
        const upstream = await startServer(t, flooding);
        const tee = await startTee(t, { engine, upstream: upstream.port });
        await tee.nextRow();
        const rss = tee.figure('rss');
        const socket = net.connect({ port: tee.port, host: '127.0.0.1' }).pause();
        await until('the pause', () => tee.figure('pauses.client') > 0);
        const grown = tee.figure('rss') - rss;
        assert.ok(sent < length, `the upstream is held back (${sent})`);
        assert.ok(grown < 24 * MIB, `memory grew by ${grown}`);
        let got = 0;
        socket.on('data', (bytes) => (got += bytes.length)).resume();
        await once(socket, 'close');
        assert.equal(got, length);
        await tee.stop();
      },
    );

    test(
      `${engine}: an upstream that does not read pauses its client, in bounded memory`,
      LIMIT,
      async (t) => {
        const upstream = await startServer(t, (socket) => {
          socket.pause().on('end', () => socket.end());
        });
        const shadow = await startServer(t, quiet);
        const tee = await startTee(t, { engine, upstream: upstream.port, shadows: [shadow.port] });
        await tee.nextRow();
        const rss = tee.figure('rss');
        const length = 48 * MIB;
        const client = new Client(tee.port, 3);
        const said = (async () => {
          while (client.sent < length) await client.say(MIB);
        })();
        await until('the pause', () => tee.figure('pauses.upstream') > 0);
        const grown = tee.figure('rss') - rss;
        assert.ok(client.sent < length, `the client is held back (${client.sent})`);
        assert.ok(grown < 40 * MIB, `memory grew by ${grown}`);
        for (const socket of upstream.open) socket.resume();
        await said;
        assert.equal((await client.finish()).error, undefined);
        assert.equal(upstream.seen.get(3)!.hash, expectedHash(3, length));
        await tee.stop();
      },
    );

    test(
      `${engine}: messages of 1 MiB, one after the other, arrive whole at both`,
      LIMIT,
      async (t) => {
        const upstream = await startServer(t, answering);
        const shadow = await startServer(t, quiet);
        const tee = await startTee(t, { engine, upstream: upstream.port, shadows: [shadow.port] });
        const clients = [11, 12, 13].map((id) => new Client(tee.port, id));
        for (let message = 1; message <= 4; message++) {
          await Promise.all(clients.map((client) => client.say(MIB)));
          await until('the answers', () => clients.every(({ bytes }) => bytes === message * MIB));
          const copied = (): boolean =>
            clients.every(({ id }) => shadow.seen.get(id)?.bytes === message * MIB);
          await until('the copies', copied);
        }
        for (const client of clients) {
          const { hash } = await client.finish();
          assert.equal(hash, expectedHash(client.id, 4 * MIB, true));
          await until('the copy is over', () => shadow.seen.get(client.id)?.end === 'fin');
          assert.equal(shadow.seen.get(client.id)!.hash, expectedHash(client.id, 4 * MIB));
        }
        assert.equal((await tee.stop()).shadows[0]!.completed, 3);
      },
    );
  }
});
