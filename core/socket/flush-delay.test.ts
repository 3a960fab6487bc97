// Contract: output that may wait for company waits, leaves together, in order, and no later than it must.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { onEveryEngine } from '#core/socket/test/engine-variant.ts';
import { pattern, type Seen, Subject } from '#core/socket/test/subject.ts';

const DELAY_US = 60_000;

/** A server that sends back what it gets, and a client that speaks when the last word was heard. */
async function echo(
  t: TestContext,
  variant: Parameters<Parameters<typeof onEveryEngine>[0]>[0],
): Promise<{ server: Subject; seen: Seen; peer: net.Socket }> {
  const server: Subject = new Subject(
    t,
    variant,
    { flushDelayUs: DELAY_US },
    { onData: (conn, bytes, start, end) => void server.reactor.send(conn, bytes, start, end) },
  );
  const peer = net.connect({ port: server.listen(), host: '127.0.0.1', noDelay: true });
  // The server ends first.
  peer.on('error', () => {});
  t.after(() => peer.destroy());
  await once(peer, 'connect');
  await server.until(() => server.announced.length === 1, 'accept');
  return { server, seen: server.announced[0]!, peer };
}

onEveryEngine((variant) => {
  test('a delay of writes: what many turns made leaves with one send, when it is over', async (t) => {
    const { server, seen, peer } = await echo(t, variant);
    const received: Buffer[] = [];
    peer.on('data', (bytes) => received.push(bytes));
    const heard = once(peer, 'data');
    const startUs = performance.now() * 1000;
    const turns = server.stat('turns');
    // One word a turn, as many as fit in half of the delay.
    let words = 0;
    while (performance.now() * 1000 - startUs < DELAY_US / 2) {
      peer.write('x');
      words++;
      await server.until(() => seen.receivedBytes === words, `word ${words}`);
    }
    if (performance.now() * 1000 - startUs < DELAY_US) assert.equal(server.stat('sends'), 0);
    await heard;
    const tookUs = performance.now() * 1000 - startUs;
    assert.ok(words < 2 || server.stat('turns') > turns + 1, 'there was more than one turn');
    assert.ok(tookUs >= DELAY_US, `output left after ${tookUs} us`);
    while (Buffer.concat(received).length < words) await once(peer, 'data');
    assert.ok(server.stat('sends') <= Math.ceil(tookUs / DELAY_US), 'a send a delay at most');
    // Off again: the next word leaves with its turn.
    server.reactor.set({ flushDelayUs: 0 });
    const sends = server.stat('sends');
    peer.write('y');
    await once(peer, 'data');
    assert.equal(server.stat('sends'), sends + 1);
  });

  test('16 KiB for one connection do not wait; a close takes what waited with it', async (t) => {
    const { server, seen, peer } = await echo(t, variant);
    const received: Buffer[] = [];
    peer.on('data', (bytes) => received.push(bytes));
    server.reactor.set({ flushDelayUs: 100_000 });
    const large = pattern(20 * 1024);
    const startMs = performance.now();
    assert.ok(server.send(seen, large));
    while (Buffer.concat(received).length < large.length) await once(peer, 'data');
    t.diagnostic(`${(performance.now() - startMs).toFixed(1)} ms`);
    assert.ok(server.send(seen, Buffer.from('last')));
    server.reactor.close(seen.conn);
    await once(peer, 'end');
    assert.ok(Buffer.concat(received).equals(Buffer.concat([large, Buffer.from('last')])));
  });
});
