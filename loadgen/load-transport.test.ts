// `wsar load` over everything it speaks beside plain MQTT 3.1.1 on TCP: MQTT 5, WebSocket, TLS, and
// servers that only send back what they get.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { startEchoServer } from '#loadgen/test/echo-server.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startMosquittoWires } from '#loadgen/test/mosquitto-wires.ts';
import { type RunningCommand, startWsar } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const skip = needPrograms('mosquitto', 'openssl');
const engine = chooseEngine('auto').engine;

const SMALL = ['--connections', '40', '--rate', '200/s', '--duration', '1s'];

function startLoad(t: TestContext, target: string, ...more: string[]): RunningCommand {
  return startWsar(t, [
    ...[
      'load',
      '--scenario',
      'one-to-one',
      '--target',
      target,
      '--json',
      '--lateness-max',
      '60s',
      ...SMALL,
      ...more,
    ],
  ]);
}

function summaryOf(run: RunningCommand): LoadSummary {
  return JSON.parse(run.stdout().trimEnd().split('\n').at(-1) ?? '') as LoadSummary;
}

/** Everybody in, every message there and acknowledged, everybody out. */
async function assertWhole(run: RunningCommand, protocol: string): Promise<LoadSummary> {
  assert.equal(await run.exit(), 0, run.stderr());
  const summary = summaryOf(run);
  const { connections, messages } = summary;
  assert.equal(summary.protocol, protocol);
  assert.deepEqual([connections.loggedIn, connections.failed, connections.lost], [40, 0, 0]);
  assert.ok(messages.planned > 100);
  assert.deepEqual(
    [messages.sent, messages.received, messages.acked, messages.unmatched],
    [messages.planned, messages.planned, messages.planned, 0],
  );
  return summary;
}

describe('wsar load over other wires', { concurrency: 2 }, () => {
  test('mosquitto: MQTT 5, WebSocket, TLS, and all of it at once', { skip }, async (t) => {
    const { tcp, tls, ws, wss, cert } = await startMosquittoWires(t);
    const at = (port: number): string => `127.0.0.1:${port}`;
    const cases: [string, string, string[]][] = [
      ['mqtt 5', `mqtt://${at(tcp)}`, ['--mqtt', '5']],
      ['mqtt 3.1.1 over ws', `mqtt://${at(ws)}`, ['--protocol', 'ws']],
      ['mqtt 5 over ws', `ws://${at(ws)}/mqtt`, ['--protocol', 'ws', '--mqtt', '5']],
      ['mqtt 3.1.1 over tls', `mqtts://${at(tls)}`, ['--cafile', cert]],
      ['mqtt 3.1.1 over tls', `mqtts://localhost:${tls}`, ['--cafile', cert, '--workers', '2']],
      ['mqtt 3.1.1 over tls', `mqtts://localhost:${tls}`, ['--cafile', cert, '--engine', 'net']],
      [
        'mqtt 5 over ws over tls',
        `wss://${at(wss)}`,
        ['--protocol', 'ws', '--mqtt', '5', '--insecure'],
      ],
    ];
    for (const [index, [protocol, target, more]] of cases.entries()) {
      const own = ['--first-user', String(index * 100)];
      const { engine: used } = await assertWhole(startLoad(t, target, ...own, ...more), protocol);
      assert.equal(used, more.includes('net') ? 'net' : engine);
    }
  });

  for (const [what, kind, more, protocol] of [
    ['tcp, length', 'tcp', [], 'echo length'],
    ['tcp, line', 'tcp', ['--framing', 'line'], 'echo line'],
    ['WebSocket', 'ws', [], 'echo over ws'],
  ] as const) {
    test(`echo over ${what}: the same report, whole and in pieces`, async (t) => {
      for (const pieceBytes of [Number.POSITIVE_INFINITY, 13]) {
        const { port } = await startEchoServer(t, kind, pieceBytes);
        const target = `${kind}://127.0.0.1:${port}`;
        const run = startLoad(t, target, '--payload', '200 B', '--keepalive', '1s', ...more);
        const { latencyUs, messages } = await assertWhole(run, protocol);
        assert.equal(latencyUs.count, messages.received);
      }
    });
  }

  const BAD: [string, (t: TestContext) => Promise<string>, string[], RegExp][] = [
    [
      'a server that sends nothing back',
      async (t) => `tcp://127.0.0.1:${(await startEchoServer(t, 'mute')).port}`,
      [],
      /accepts connections but sent nothing back within/,
    ],
    [
      'an MQTT server that speaks no WebSocket',
      async (t) => (await startFakeBroker(t)).url,
      ['--protocol', 'ws'],
      /broke the connection off|closed the connection/,
    ],
    [
      'a WebSocket server that speaks no MQTT',
      async (t) => `mqtt://127.0.0.1:${(await startEchoServer(t, 'ws')).port}`,
      ['--protocol', 'ws'],
      /\d chose the subprotocol \(none\)/,
    ],
    [
      'an MQTT server that speaks no TLS',
      async (t) => (await startFakeBroker(t)).url.replace('mqtt:', 'mqtts:'),
      [],
      /speaks no TLS|ECONNRESET|broke the connection off|closed the connection instead/,
    ],
  ];
  for (const [what, start, more, sentence] of BAD) {
    test(`${what}: one sentence, exit 4`, async (t) => {
      const run = startLoad(t, await start(t), ...more);
      assert.equal(await run.exit(), 4, run.stderr());
      assert.match(run.stderr(), sentence);
      assert.equal(summaryOf(run).valid, false);
    });
  }

  test('a certificate that nobody vouched for: one sentence, exit 4', { skip }, async (t) => {
    const { tls } = await startMosquittoWires(t);
    const run = startLoad(t, `mqtts://127.0.0.1:${tls}`);
    assert.equal(await run.exit(), 4);
    assert.match(
      run.stderr(),
      /has a certificate that is not trusted: self-signed certificate \(.*--cafile FILE names its authority/,
    );
  });

  test('options that do not fit the target are refused', async (t) => {
    const lines: [string[], RegExp][] = [
      [['--target', 'tcp://127.0.0.1'], /has no port/],
      [['--target', 'tcp://127.0.0.1:9', '--mqtt', '5'], /--mqtt is for MQTT targets/],
      [['--target', 'tcp://127.0.0.1:9', '--protocol', 'ws'], /--protocol is for MQTT/],
      [['--target', 'mqtt://127.0.0.1', '--framing', 'line'], /--framing is for tcp/],
      [['--target', 'mqtt://127.0.0.1', '--insecure'], /are for mqtts:\/\/ and wss:\/\//],
      [['--target', 'mqtts://127.0.0.1', '--cafile', '/nowhere.pem'], /cannot be read/],
      [['--target', 'ws://127.0.0.1:9', '--protocol', 'tcp'], /does not fit/],
    ];
    await Promise.all(
      lines.map(async ([args, sentence]) => {
        const run = startWsar(t, ['load', '--connections', '5', '--duration', '1s', ...args]);
        assert.equal(await run.exit(), 2, `${args}: ${run.stderr()}`);
        assert.match(run.stderr(), sentence);
      }),
    );
  });
});
