// `wsar load --engine stack` against `wsar serve`, in a network namespace of this test's own.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { decodeHistogram } from '#core/metric/histogram.ts';
import { enterOwnNamespace, stackObstacle } from '#core/socket/stack/test/own-namespace.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { type RunningCommand, temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { serve, startLoad, summaryOf, UNHURRIED } from '#test/running-load.ts';

const skip = stackObstacle();
if (skip === false) enterOwnNamespace();

const startStackLoad = (t: TestContext, url: string, ...more: string[]): RunningCommand =>
  startLoad(t, url, [...UNHURRIED, '--engine', 'stack', ...more]);

/** Names of the network devices of this namespace. */
function devices(): string[] {
  const lines = readFileSync('/proc/thread-self/net/dev', 'utf8').trim().split('\n').slice(2);
  return lines.map((line) => line.split(':')[0]!.trim());
}

suite('wsar load --engine stack', { skip }, () => {
  test('two workers, each with a device: everybody in, nothing lost, nothing left', async (t) => {
    const url = await serve(t);
    const run = startStackLoad(
      t,
      url,
      ...['--connections', '600', '--rate', '400/s', '--duration', '2s', '--workers', '2'],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const summary = summaryOf(run);
    const { connections, messages, stack } = summary;
    assert.deepEqual([summary.engine, connections.loggedIn, connections.failed], ['stack', 600, 0]);
    assert.equal(connections.sourceAddresses, 2, 'one address of each part');
    assert.equal(messages.received, messages.planned);
    assert.ok(stack!.packetsOut > 3000 && stack!.malformed === 0 && stack!.lost === 0);
    assert.deepEqual(devices(), ['lo']);
  });

  test('a slow network that loses packets shows in the latency, and nothing is lost for good', async (t) => {
    const url = await serve(t);
    const run = startStackLoad(
      t,
      url,
      ...['--connections', '50', '--rate', '50/s', '--duration', '2s'],
      ...['--rtt', '80ms', '--jitter', '20ms', '--loss', '1%'],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const summary = summaryOf(run);
    assert.equal(summary.messages.received, summary.messages.planned);
    // Half a round trip to the server, and half of another to the receiver.
    assert.ok(summary.latencyUs.p50! > 60_000, `${summary.latencyUs.p50}`);
    assert.ok(summary.stack!.lost > 0);
  });

  test('two in five are on a slow link, the others on none: each message by its two ends', async (t) => {
    const url = await serve(t);
    const log = join(temporaryFolder(t), 'run.hlog');
    const run = startStackLoad(
      t,
      url,
      ...['--connections', '60', '--rate', '100/s', '--duration', '3s'],
      ...['--network', '40%: rtt 600ms down 256kbit up 256kbit window 4KiB read 20KiB; rest: none'],
      ...['--hlog', log],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const summary = summaryOf(run);
    assert.equal(summary.messages.received, summary.messages.planned);
    const slow = summary.networks![0]!.users;
    assert.equal(slow + summary.networks![1]!.users, 60);
    assert.ok(slow > 10 && slow < 40, `${slow} of 60`);
    // What each received: on the slow link half a round trip more, whoever wrote.
    const [on, off] = summary.networks!.map(({ latencyUs }) => latencyUs!);
    assert.equal(on!.count + off!.count, summary.messages.received);
    assert.ok(on!.p50 > 290_000 && on!.p50 > off!.p50 + 200_000, `${on!.p50} ${off!.p50}`);
    assert.ok(off!.p999 >= off!.p99 && off!.p99 > 290_000, 'some of them come from a slow link');
    // The same in the log, second by second.
    const logged = readFileSync(log, 'utf8').matchAll(/^Tag=(latency:\S+?),(?:[^,]+,){3}(\S+)$/gm);
    const counts = new Map<string, number>();
    for (const [, tag, text] of logged) {
      counts.set(tag!, (counts.get(tag!) ?? 0) + decodeHistogram(text!).count);
    }
    assert.deepEqual(counts.get('latency:network_none'), off!.count);
    assert.equal(counts.size, 2);
    // 36 % of the messages meet no slow end, 16 % two of them: half a round trip each.
    const { p50, p99, max } = summary.latencyUs;
    assert.ok(p50! > 250_000, `p50 ${p50}`);
    assert.ok(p99! > 550_000 && max! > 580_000, `p99 ${p99}`);
    assert.equal(summary.stack!.lost, 0);
  });

  test('bandwidth each way, window and reading speed each hold a user to what they say', async (t) => {
    const url = await serve(t);
    const run = async (index: number, network: string): Promise<LoadSummary> => {
      const one = startStackLoad(
        t,
        url,
        ...['--connections', '10', '--rate', '20/s', '--duration', '2s', '--payload', '8 KiB'],
        ...['--network', network, '--drain', '60s', '--first-user', String(index * 100)],
        ...['--sources', `10.${64 + index}.0.0/16`, '--receipts', 'none', '--seed', '3'],
      );
      assert.equal(await one.exit(), 0, one.stderr());
      return summaryOf(one);
    };
    // Each is sent, and sends, four messages of 8 KiB or more in two seconds: as much as it may, or twice that. What
    // its queue has no room for is lost, and a repetition may come later than the drain waits.
    const bounds = ['down 64kbit', 'up 128kbit', 'rtt 200ms window 1.6KiB', 'read 8KiB'];
    const [free, ...held] = await Promise.all(['none', ...bounds].map((text, i) => run(i, text)));
    assert.equal(free!.messages.received, free!.messages.planned);
    for (const [index, { messages, latencyUs, stack }] of held.entries()) {
      const what = `${bounds[index]}: p50 ${latencyUs.p50}, max ${latencyUs.max}`;
      assert.equal(messages.received, messages.planned, what);
      // One message alone is on such a link for half a second; who reads slowly lets it wait for the one before it.
      assert.ok(latencyUs.max! > 900_000, what);
      if (index < 3) assert.ok(latencyUs.p50! > 450_000, what);
      assert.equal(stack!.lost, 0);
    }
  });

  test('timestamps, keep-alive and no SACK: asked for on the command line, nothing is lost', async (t) => {
    const url = await serve(t);
    for (const tcp of ['timestamps on keepalive 1s', 'sack off scaling off']) {
      const run = startStackLoad(
        t,
        url,
        ...['--connections', '50', '--rate', '50/s', '--duration', '3s', '--tcp', tcp],
        ...['--network', 'rtt 40ms loss 3%', '--drain', '60s'],
      );
      assert.equal(await run.exit(), 0, run.stderr());
      const { messages, stack } = summaryOf(run);
      assert.equal(messages.received, messages.planned);
      assert.ok(stack!.lost > 0 && stack!.retransmits > 0);
      assert.deepEqual([stack!.malformed, stack!.sacksReneged, stack!.pawsRefused], [0, 0, 0]);
      assert.equal(stack!.keepAlives > 0, tcp.includes('keepalive'), 'who is silent is asked');
    }
  });

  test('what cannot be is refused in one sentence, and killed it leaves no device', async (t) => {
    const url = await serve(t);
    const small = ['--connections', '10', '--duration', '1m'];
    for (const [extra, message] of [
      [['--sources', '8.8.8.0/24'], /private addresses/],
      [['--rtt', '10ms', '--jitter', '20ms'], /jitter is larger/],
      [['--loss', '100%'], /loses everything/],
      [['--network', 'phone', '--rtt', '80ms'], /--network says what --rtt says/],
      [['--network', '50%: phone'], /50 % together/],
      [['--tcp', 'sack maybe'], /sack is 'on' or 'off'/],
    ] as const) {
      const refused = startStackLoad(t, url, ...small, ...extra);
      assert.equal(await refused.exit(), 2, refused.stderr());
      assert.match(refused.stderr(), message);
    }
    const elsewhere = startStackLoad(t, 'mqtt://192.0.2.1:1883', ...small, '--i-own-this-target');
    assert.equal(await elsewhere.exit(), 2);
    assert.match(elsewhere.stderr(), /no route to mqtt:\/\/192.0.2.1:1883/);
    const killed = startStackLoad(t, url, ...small);
    await killed.line(/"wsar.load.connections.logged_in":10/);
    assert.equal(devices().length, 2);
    killed.child.kill('SIGKILL');
    await killed.exit();
    while (devices().length > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test('a server on another host is reached where its answers lead back, and refused where not', {
    skip: needPrograms('unshare', 'nsenter', 'ip'),
  }, async (t) => {
    const other = otherHost(t);
    const run = (...more: string[]) =>
      startStackLoad(
        t,
        `tcp://${other.address}:${other.port}`,
        ...['--connections', '40', '--rate', '80/s', '--duration', '2s', ...more],
      );
    const unowned = run();
    assert.equal(await unowned.exit(), 2);
    assert.match(unowned.stderr(), /--i-own-this-target/);
    const closed = run('--i-own-this-target');
    assert.equal(await closed.exit(), 2);
    assert.match(closed.stderr(), /does not forward what comes back .* through host1/);
    writeFileSync('/proc/sys/net/ipv4/conf/host1/forwarding', '1');
    const oneWay = run('--i-own-this-target');
    assert.equal(await oneWay.exit(), 2);
    assert.match(oneWay.stderr(), /no answer of .* comes back to clients .*10.64.0.0\/10/);
    other.run('ip', 'route', 'add', '10.64.0.0/10', 'via', '10.201.0.1');
    const there = run('--i-own-this-target', '--network', '50%: rtt 100ms loss 1%; rest: none');
    assert.equal(await there.exit(), 0, there.stderr());
    const summary = summaryOf(there);
    assert.equal(summary.connections.loggedIn, 40);
    assert.equal(summary.messages.received, summary.messages.planned);
    assert.equal(summary.stack!.malformed, 0);
    assert.deepEqual(devices().sort(), ['host1', 'lo'], 'the device of the load is gone');
  });
});

/** A network namespace with a server that echoes, on the other end of a cable of ours. */
function otherHost(t: TestContext): {
  address: string;
  port: number;
  run(...command: string[]): void;
} {
  const [address, port] = ['10.201.0.2', 7007];
  const echo = `require('node:net').createServer((s) => s.pipe(s).on('error', () => {})).listen(${port})`;
  const script = 'read go && exec "$@"';
  const child = spawn(
    'unshare',
    ['--net', '--', 'sh', '-c', script, 'sh', process.execPath, '-e', echo],
    {
      stdio: ['pipe', 'ignore', 'inherit'],
    },
  );
  t.after(() => child.kill('SIGKILL'));
  const own = readlinkSync('/proc/thread-self/ns/net');
  const pid = String(child.pid);
  const deadlineMs = performance.now() + 10_000;
  while (readlinkSync(`/proc/${pid}/ns/net`) === own) assert.ok(performance.now() < deadlineMs);
  const here = (...command: string[]): void => {
    execFileSync(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  const inside = (...command: string[]): void => here('nsenter', '-t', pid, '-n', '--', ...command);
  here(...'ip link add host1 type veth peer name host0 netns'.split(' '), pid);
  here(...'ip addr add 10.201.0.1/30 dev host1'.split(' '));
  here(...'ip link set host1 up'.split(' '));
  inside(...'ip link set lo up'.split(' '));
  inside(...`ip addr add ${address}/30 dev host0`.split(' '));
  inside(...'ip link set host0 up'.split(' '));
  child.stdin!.write('go\n');
  return { address, port, run: inside };
}
