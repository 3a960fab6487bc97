// `wsar load --engine stack` over TLS, WebSocket and echo protocols, against `wsar serve`, mosquitto and echo servers,
// in a network namespace of this test's own.

import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { enterOwnNamespace, stackObstacle } from '#core/socket/stack/test/own-namespace.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { startEchoServer } from '#loadgen/test/echo-server.ts';
import { makeCertificate, startMosquittoWires } from '#loadgen/test/mosquitto-wires.ts';
import { startWsar } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const obstacle = stackObstacle();
if (obstacle === false) enterOwnNamespace();
const skip = obstacle === false ? needPrograms('mosquitto', 'openssl') : obstacle;

/** Everybody in, every message there and acknowledged, by clients without sockets. */
async function assertWhole(
  t: TestContext,
  target: string,
  protocol: string,
  ...more: string[]
): Promise<LoadSummary> {
  const run = startWsar(t, [
    ...['load', '--scenario', 'one-to-one', '--target', target, '--json'],
    ...['--lateness-max', '60s', '--engine', 'stack'],
    ...['--connections', '40', '--rate', '200/s', '--duration', '1s', ...more],
  ]);
  assert.equal(await run.exit(), 0, run.stderr());
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
  const { connections, messages, stack } = summary;
  assert.deepEqual([summary.engine, summary.protocol], ['stack', protocol]);
  assert.deepEqual([connections.loggedIn, connections.failed, connections.lost], [40, 0, 0]);
  assert.ok(messages.planned > 100);
  assert.deepEqual(
    [messages.sent, messages.received, messages.acked, messages.unmatched],
    [messages.planned, messages.planned, messages.planned, 0],
  );
  assert.deepEqual([stack!.malformed, stack!.sacksReneged], [0, 0]);
  return summary;
}

suite('wsar load --engine stack over other wires', { skip }, () => {
  test('wsar serve: TLS, WebSocket, both; also on a network that loses packets', async (t) => {
    const { cert, key } = makeCertificate(t);
    const server = startWsar(t, [
      ...['serve', '--lab', '--port', '0', '--ws-port', '0', '--tls-port', '0', '--wss-port', '0'],
      ...['--cert', cert, '--key', key],
    ]);
    const url = async (scheme: string): Promise<string> =>
      (await server.line(new RegExp(`(${scheme}://\\S+)`, 'm')))[1]!;
    const [mqtts, ws, wss] = [await url('mqtts'), await url('ws'), await url('wss')];
    const ca = ['--cafile', cert];
    const phone = ['--network', '50%: rtt 60ms jitter 10ms loss 2%; rest: none'];
    await assertWhole(t, ws, 'mqtt 3.1.1 over ws', '--protocol', 'ws');
    await assertWhole(t, mqtts, 'mqtt 3.1.1 over tls', ...ca);
    await assertWhole(t, wss, 'mqtt 5 over ws over tls', '--protocol', 'ws', '--mqtt', '5', ...ca);
    const lossy = await assertWhole(t, mqtts, 'mqtt 3.1.1 over tls', ...ca, ...phone);
    assert.ok(lossy.stack!.lost > 0 && lossy.stack!.retransmits > 0);
    await assertWhole(t, mqtts, 'mqtt 3.1.1 over tls', ...ca, '--slow-readers', '20%@8KiB');
  });

  test('mosquitto: TLS, WebSocket, both', async (t) => {
    const { tls, ws, wss, cert } = await startMosquittoWires(t);
    const ca = ['--cafile', cert];
    const at = (port: number): string => `127.0.0.1:${port}`;
    await assertWhole(t, `mqtts://${at(tls)}`, 'mqtt 3.1.1 over tls', ...ca);
    await assertWhole(t, `mqtt://${at(ws)}`, 'mqtt 3.1.1 over ws', '--protocol', 'ws');
    await assertWhole(
      t,
      `wss://${at(wss)}`,
      'mqtt 3.1.1 over ws over tls',
      '--protocol',
      'ws',
      ...ca,
    );
  });

  test('servers that send back what they get: WebSocket and plain, in pieces', async (t) => {
    for (const [kind, protocol] of [
      ['ws', 'echo over ws'],
      ['tcp', 'echo length'],
    ] as const) {
      const { port } = await startEchoServer(t, kind, 13);
      await assertWhole(t, `${kind}://127.0.0.1:${port}`, protocol, '--payload', '200 B');
    }
  });
});
