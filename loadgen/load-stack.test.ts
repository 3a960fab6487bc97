// `wsar load --engine stack` against `wsar serve`, in a network namespace of this test's own.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, type TestContext, test } from 'node:test';
import { enterOwnNamespace, stackObstacle } from '#core/socket/stack/test/own-namespace.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { startWsar } from '#test/command.ts';

const skip = stackObstacle();
if (skip === false) enterOwnNamespace();

async function startServer(t: TestContext): Promise<string> {
  const server = startWsar(t, ['serve', '--port', '0', '--lab', '--json']);
  const [, url] = await server.line(/^ready (mqtt:\S+)$/m);
  return url!;
}

function startLoad(t: TestContext, url: string, ...more: string[]) {
  const base = ['load', '--target', url, '--json', '--lateness-max', '60s', '--engine', 'stack'];
  return startWsar(t, [...base, ...more]);
}

/** Names of the network devices of this namespace. */
function devices(): string[] {
  const lines = readFileSync('/proc/thread-self/net/dev', 'utf8').trim().split('\n').slice(2);
  return lines.map((line) => line.split(':')[0]!.trim());
}

suite('wsar load --engine stack', { skip }, () => {
  test('two workers, each with a device: everybody in, nothing lost, nothing left', async (t) => {
    const url = await startServer(t);
    const run = startLoad(
      t,
      url,
      ...['--connections', '600', '--rate', '400/s', '--duration', '2s', '--workers', '2'],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
    const { connections, messages, stack } = summary;
    assert.deepEqual([summary.engine, connections.loggedIn, connections.failed], ['stack', 600, 0]);
    assert.equal(connections.sourceAddresses, 2, 'one address of each part');
    assert.equal(messages.received, messages.planned);
    assert.ok(stack!.packetsOut > 3000 && stack!.malformed === 0 && stack!.lost === 0);
    assert.deepEqual(devices(), ['lo']);
  });

  test('a slow network that loses packets shows in the latency, and nothing is lost for good', async (t) => {
    const url = await startServer(t);
    const run = startLoad(
      t,
      url,
      ...['--connections', '50', '--rate', '50/s', '--duration', '2s'],
      ...['--rtt', '80ms', '--jitter', '20ms', '--loss', '1%'],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
    assert.equal(summary.messages.received, summary.messages.planned);
    // Half a round trip to the server, and half of another to the receiver.
    assert.ok(summary.latencyUs.p50! > 60_000, `${summary.latencyUs.p50}`);
    assert.ok(summary.stack!.lost > 0);
  });

  test('two in five are on a slow link, the others on none: each message by its two ends', async (t) => {
    const url = await startServer(t);
    const run = startLoad(
      t,
      url,
      ...['--connections', '60', '--rate', '100/s', '--duration', '3s'],
      ...['--network', '40%: rtt 600ms down 256kbit up 256kbit window 4KiB read 20KiB; rest: none'],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
    assert.equal(summary.messages.received, summary.messages.planned);
    const slow = summary.networks![0]!.users;
    assert.equal(slow + summary.networks![1]!.users, 60);
    assert.ok(slow > 10 && slow < 40, `${slow} of 60`);
    // 36 % of the messages meet no slow end, 16 % two of them: half a round trip each.
    const { p50, p99, max } = summary.latencyUs;
    assert.ok(p50! > 250_000, `p50 ${p50}`);
    assert.ok(p99! > 550_000 && max! > 580_000, `p99 ${p99}`);
    assert.equal(summary.stack!.lost, 0);
  });

  test('what cannot be is refused in one sentence, and killed it leaves no device', async (t) => {
    const url = await startServer(t);
    const small = ['--connections', '10', '--duration', '1m'];
    for (const [extra, message] of [
      [['--sources', '8.8.8.0/24'], /private addresses/],
      [['--rtt', '10ms', '--jitter', '20ms'], /jitter is larger/],
      [['--loss', '100%'], /loses everything/],
      [['--network', 'phone', '--rtt', '80ms'], /--network says what --rtt says/],
      [['--network', '50%: phone'], /50 % together/],
    ] as const) {
      const refused = startLoad(t, url, ...small, ...extra);
      assert.equal(await refused.exit(), 2, refused.stderr());
      assert.match(refused.stderr(), message);
    }
    const elsewhere = startLoad(t, 'mqtt://192.0.2.1:1883', ...small, '--i-own-this-target');
    assert.equal(await elsewhere.exit(), 2);
    assert.match(elsewhere.stderr(), /on this host only/);
    const killed = startLoad(t, url, ...small);
    await killed.line(/"wsar.load.connections.logged_in":10/);
    assert.equal(devices().length, 2);
    killed.child.kill('SIGKILL');
    await killed.exit();
    while (devices().length > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
