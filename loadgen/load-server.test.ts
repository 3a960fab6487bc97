// `wsar load` against `wsar serve`: the first whole conversation of the two, with both check marks.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Row } from '#core/metric/row.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { startWsar } from '#test/command.ts';

const engines = [...new Set(['net', chooseEngine('auto').engine])];

async function startServer(t: TestContext, engine: string) {
  const server = startWsar(t, ['serve', '--port', '0', '--lab', '--json', '--engine', engine]);
  const [, url] = await server.line(/^ready (mqtt:\S+)$/m);
  /** Values of the newest row. */
  const values = (): Row['values'] => {
    const last = server
      .stdout()
      .split('\n')
      .findLast((line) => line.includes('"values"'));
    return last === undefined ? {} : (JSON.parse(last) as Row).values;
  };
  return { url: url!, values, server };
}

// Most of the time of these runs is waiting: several at a time.
describe('wsar load against wsar serve', { concurrency: 2 }, () => {
  for (const engine of engines) {
    test(`engine ${engine}: server and generator agree on users, messages and check marks`, async (t) => {
      const users = 400;
      const { url, values, server } = await startServer(t, engine);
      const run = startWsar(t, [
        ...[
          'load',
          '--scenario',
          'one-to-one',
          '--target',
          url,
          '--json',
          '--engine',
          engine,
          '--lateness-max',
          '60s',
        ],
        ...[
          '--connections',
          String(users),
          '--rate',
          '500/s',
          '--duration',
          '3s',
          '--workers',
          '2',
        ],
      ]);
      await server.line(new RegExp(`"wsar.server.sessions":${users}\\b`));
      assert.equal(await run.exit(), 0, run.stderr());
      const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
      const { connections, messages } = summary;
      assert.equal(summary.engine, engine);
      assert.deepEqual([connections.loggedIn, connections.failed], [users, 0]);
      assert.ok(messages.planned > 1000);
      assert.deepEqual(
        [messages.sent, messages.acked, messages.received, messages.receipts, messages.lost],
        [...Array(4).fill(messages.planned), 0],
      );
      await server.line(/"wsar.server.sessions":0\b[^\n]*"wsar.server.messages.delivered":[1-9]/);
      const told = values();
      assert.equal(told['wsar.server.messages.received'], messages.sent);
      assert.equal(told['wsar.server.messages.delivered'], messages.received);
      assert.equal(told['wsar.server.receipts'], messages.receipts);
      // The probe and the users.
      assert.equal(told['wsar.server.logins'], users + 1);
      assert.equal(told['wsar.server.malformed'], 0);
    });
  }
});
