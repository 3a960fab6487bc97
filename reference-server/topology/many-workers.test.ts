// As many workers as a host of two sockets has hardware threads, bound to the CPUs that there are here: every
// message goes from worker to worker and arrives with both check marks. And what `wsar serve --plan` prints.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { startServer } from '#reference-server/test/running-server.ts';
import { startWsar } from '#test/command.ts';
import { startLoad, summaryOf, UNHURRIED } from '#test/running-load.ts';

const WORKERS = 24;
const USERS = 600;

test(`${WORKERS} workers: everybody logs in, nothing is lost, the work is spread`, async (t) => {
  const { engine } = chooseEngine('auto');
  const server = await startServer(t, [
    ...['--lab', '--workers', String(WORKERS), '--pin', 'on', '--engine', engine],
    ...['--connections', '2400', '--users', '10000', '--messages', '100000'],
  ]);
  const load = startLoad(t, server.url, [
    ...UNHURRIED,
    ...['--drain', '20s'],
    ...['--connections', String(USERS), '--rate', '400/s', '--duration', '3s', '--engine', engine],
  ]);
  assert.equal(await load.exit(), 0, load.stderr());
  const summary = summaryOf(load);
  const { connections, messages } = summary;
  assert.deepEqual([connections.loggedIn, connections.failed], [USERS, 0]);
  assert.ok(messages.planned > 800);
  assert.deepEqual([messages.received, messages.lost], [messages.planned, 0]);
  assert.equal(messages.receipts, messages.planned);
  const values = await server.values(
    (value) => value('messages.delivered') === messages.planned && value('sessions') === 0,
    'new',
  );
  assert.equal(values['wsar.server.workers'], WORKERS);
  assert.equal(values['wsar.server.queue.length'], 0);
  assert.ok(values['wsar.server.link.frames']! > messages.planned, 'most go to other workers');
  if (existsSync('/proc/self/task')) assertBound(server.command.child.pid!);
});

test('serve --plan prints a place for every worker and starts nothing', async (t) => {
  const plan = startWsar(t, ['serve', '--plan', '--workers', '3']);
  assert.equal(await plan.exit(), 0, plan.stderr());
  const lines = plan.stdout().split('\n');
  assert.match(lines[0]!, /^worker 0: node \d+, cpu \d+(,\d+)*$/);
  assert.match(lines[2]!, /^worker 2: /);
});

/** Each worker's thread may run only where its core is. */
function assertBound(pid: number): void {
  const allowed = readdirSync(`/proc/${pid}/task`)
    .map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'latin1'))
    .filter((status) => /^Name:\s+serve-\d+$/m.test(status))
    .map((status) => /^Cpus_allowed_list:\s+(.*)$/m.exec(status)![1]!);
  assert.equal(allowed.length, WORKERS);
  const online = readFileSync('/sys/devices/system/cpu/online', 'latin1').trim();
  const isOne = /^\d+$/.test(online);
  assert.ok(isOne || new Set(allowed).size > 1, `bound to ${[...new Set(allowed)].join(' ')}`);
}
