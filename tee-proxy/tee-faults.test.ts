// Production under every fault of a shadow, with real processes and sockets. The oracle: every client gets
// the bytes, and the upstream sees the bytes, that follow from the client's id; hashes of both directions.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  answering,
  babbling,
  Client,
  type ClientResult,
  expectedHash,
  freePort,
  mute,
  type PeerServer,
  quiet,
  resetting,
  slow,
  startServer,
  talk,
  until,
} from '#tee-proxy/test/peer-servers.ts';
import { ENGINES, socketCount, startTee } from '#tee-proxy/test/running-tee.ts';

/** `count` clients at once, each with `bytesOf(id)` bytes; ids start at `firstId`. */
async function talkAll(
  port: number,
  count: number,
  bytesOf: (id: number) => number,
  firstId = 1,
): Promise<ClientResult[]> {
  const ids = Array.from({ length: count }, (_, index) => firstId + index);
  return await Promise.all(ids.map((id) => talk(port, id, bytesOf(id))));
}

/** Both directions of every client are what they must be. */
function assertUntouched(
  results: ClientResult[],
  upstream: PeerServer,
  bytesOf: (id: number) => number,
): void {
  for (const { id, bytes, hash, error } of results) {
    const length = bytesOf(id);
    assert.equal(error, undefined, `client ${id}`);
    assert.equal(bytes, length, `client ${id} got everything back`);
    assert.equal(hash, expectedHash(id, length, true), `client ${id}: answer`);
    const seen = upstream.seen.get(id);
    assert.deepEqual(seen, { bytes: length, hash: expectedHash(id, length), end: 'fin' });
  }
}

const small = (id: number): number => 20_000 + 37 * id;

/** Against a hang; nothing is judged by time. */
const LIMIT = { timeout: 60_000 };

// Several at a time: they wait more than they work.
describe('production under a faulty shadow', { concurrency: 3 }, () => {
  for (const engine of ENGINES) {
    test(`${engine}: 200 clients, a shadow that accepts and never reads`, {
      timeout: 60_000,
    }, async (t) => {
      const upstream = await startServer(t, answering);
      const shadow = await startServer(t, mute);
      // Some send more than the kernel buffers for a reader that does not read.
      const bytesOf = (id: number): number => (id % 20 === 0 ? 6_000_000 : small(id));
      const direct = await talkAll(upstream.port, 200, bytesOf);
      assertUntouched(direct, upstream, bytesOf);
      const setting = { engine, upstream: upstream.port, shadows: [shadow.port] };
      const tee = await startTee(t, { ...setting, more: ['--shadow-buffer', '256KiB'] });
      assertUntouched(await talkAll(tee.port, 20, small, 1000), upstream, small);
      await tee.nextRow();
      const rssBefore = tee.figure('rss');
      upstream.seen.clear();
      const results = await talkAll(tee.port, 200, bytesOf);
      assertUntouched(results, upstream, bytesOf);
      assert.deepEqual(results, direct, 'the same as without the tee');
      await tee.nextRow();
      const grown = tee.figure('rss') - rssBefore;
      assert.ok(grown < 150e6, `memory grew by ${grown} bytes`);
      const summary = await tee.stop();
      const { shedConnections, completed } = summary.shadows[0]!;
      const { slow: full = 0, overrun = 0 } = shedConnections;
      assert.ok(full + overrun >= 10, JSON.stringify(shedConnections));
      assert.equal(completed, 0);
      assert.ok(summary.values['wsar.tee.shadow.shed_bytes']! > 10e6);
    });

    test(`${engine}: a healthy shadow gets the same bytes; nothing stays open`, {
      timeout: 60_000,
    }, async (t) => {
      const upstream = await startServer(t, answering);
      const shadows = [await startServer(t, quiet), await startServer(t, babbling)];
      const ports = shadows.map(({ port }) => port);
      const tee = await startTee(t, { engine, upstream: upstream.port, shadows: ports });
      const sockets = socketCount(tee.command.child.pid!);
      const results = await talkAll(tee.port, 100, small);
      assertUntouched(results, upstream, small);
      for (const shadow of shadows) {
        await until('the shadow has everything', () => shadow.seen.size === 100);
        await until('every copy is over', () => shadow.open.size === 0);
        for (const { id } of results) {
          assert.deepEqual(shadow.seen.get(id), upstream.seen.get(id), `client ${id}`);
        }
      }
      await until('no connection is left', () => socketCount(tee.command.child.pid!) <= sockets);
      await tee.nextRow();
      for (const name of ['connections', 'shadow.connections', 'shadow.queued_bytes']) {
        assert.equal(tee.figure(name), 0, name);
      }
      const summary = await tee.stop();
      assert.equal(summary.values['wsar.tee.shadow.completed'], 200);
      assert.ok(summary.shadows[1]!.discardedBytes > 100 * 1e5, 'garbage goes nowhere');
    });

    test(`${engine}: a shadow that nobody serves, and one that resets at random`, {
      timeout: 60_000,
    }, async (t) => {
      const upstream = await startServer(t, answering);
      const shadow = await startServer(t, resetting);
      const shadows = [await freePort(), shadow.port];
      const tee = await startTee(t, { engine, upstream: upstream.port, shadows });
      assertUntouched(await talkAll(tee.port, 50, small), upstream, small);
      await until('the breaker is open', () => tee.figure('shadow.breakers_open') === 1);
      assertUntouched(await talkAll(tee.port, 50, small, 51), upstream, small);
      const [absent, random] = (await tee.stop()).shadows;
      assert.equal(absent!.completed, 0);
      const { refused = 0, breaker = 0 } = absent!.shedConnections;
      assert.ok(refused >= 3 && refused + breaker === 100, JSON.stringify(absent));
      assert.ok(absent!.attempts < 100, 'the breaker spares attempts');
      assert.ok(random!.shedConnections['reset']! > 10, JSON.stringify(random));
    });

    test(`${engine}: a shadow that dies in mid-run and comes back is copied to again`, {
      timeout: 60_000,
    }, async (t) => {
      const upstream = await startServer(t, answering);
      const first = await startServer(t, quiet);
      const tee = await startTee(t, { engine, upstream: upstream.port, shadows: [first.port] });
      const long = new Client(tee.port, 1);
      await long.say(5000);
      await until('the long copy runs', () => first.seen.get(1)?.bytes === 5000);
      await first.close();
      assertUntouched(await talkAll(tee.port, 30, small, 100), upstream, small);
      await until('it is missed', () => tee.figure('shadow.breakers_open') === 1);
      await long.say(5000);
      assertUntouched([await long.finish()], upstream, () => 10_000);
      const second = await startServer(t, quiet, first.port);
      let id = 1000;
      const backMs = performance.now();
      await until('a new connection is copied', () => {
        if (id - 1000 < (performance.now() - backMs) / 100) void talk(tee.port, id++, 1000);
        return second.seen.size > 0;
      });
      assertUntouched(await talkAll(tee.port, 20, small, 5000), upstream, small);
      await until('all copies are there', () => second.seen.has(5019) && second.open.size === 0);
      for (let copied = 5000; copied < 5020; copied++) {
        assert.deepEqual(second.seen.get(copied), upstream.seen.get(copied), `client ${copied}`);
      }
      const { shedConnections, breakerTrips } = (await tee.stop()).shadows[0]!;
      assert.ok(
        breakerTrips >= 1 && shedConnections['reset']! >= 1,
        JSON.stringify(shedConnections),
      );
    });

    test(`${engine}: a shadow that reads slowly delays nobody`, LIMIT, async (t) => {
      const upstream = await startServer(t, answering);
      const shadow = await startServer(t, slow(100));
      const tee = await startTee(t, { engine, upstream: upstream.port, shadows: [shadow.port] });
      assertUntouched(await talkAll(tee.port, 50, small), upstream, small);
      const { completed, shedConnections } = (await tee.stop()).shadows[0]!;
      assert.equal(completed + shedConnections['stopped']!, 50);
    });
  }
});
