// What connections cost that never log in: 2,000 that claim packets of 256 MiB, trickle or say nothing, while
// two users write to each other. scripts/bench/login-abuse.bench.ts does it with 10,000.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { client, nextEvent, startServer } from '#reference-server/test/running-server.ts';
import { openClaims } from '#reference-server/test/slow-claims.ts';

const CLAIMS = 2000;
/** Less than five times as many may cost by the bench; what a process does beside it varies by megabytes. */
const BYTES_MAX = 8 * 1024 * 1024;

const engines = [chooseEngine('auto').engine, 'net'];

describe('before login', { concurrency: true }, () => {
  for (const engine of new Set(engines)) {
    test(`${CLAIMS} slow claims cost little and nobody else notices, engine ${engine}`, async (t) => {
      const server = await startServer(t, ['--workers', '1', '--engine', engine]);
      const from = await client(t, server, { clientId: 'from' });
      const to = await client(t, server, { clientId: 'to' });
      await to.subscribeAsync('m/to', { qos: 1 });
      // So that tables and buffers that a first crowd touches are not counted as the second one's.
      const first = await openClaims(server.port, CLAIMS);
      t.after(() => first.destroy());
      await first.closed;
      const before = await server.values((value) => value('connections') === 2, 'new');

      const claims = await openClaims(server.port, CLAIMS);
      t.after(() => claims.destroy());
      const during = await server.values((value) => value('connections') > CLAIMS / 2, 'new');
      for (let serial = 0; serial < 100; serial++) {
        const came = nextEvent(to, 'message');
        await from.publishAsync('m/to', String(serial), { qos: 1 });
        assert.equal(String((await came)[1]), String(serial));
      }
      await claims.closed;
      const grown = during['wsar.server.rss']! - before['wsar.server.rss']!;
      t.diagnostic(`${(grown / 1024).toFixed(0)} KiB for ${CLAIMS} claims`);
      // Node's own sockets and their buffers are engine net's price, with claims or without.
      if (engine !== 'net') assert.ok(grown < BYTES_MAX, `${grown} bytes`);
      const after = await server.values((value) => value('connections') === 2, 'new');
      const causes = ['closed.login_timeout', 'closed.too_large'].map((name) => {
        return after[`wsar.server.${name}`]! - before[`wsar.server.${name}`]!;
      });
      assert.deepEqual(causes, [CLAIMS * 0.75, CLAIMS * 0.25]);
    });
  }
});
