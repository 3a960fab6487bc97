// The foreign packet sequences against the real command: cut in every way, over every transport. See
// docs/conformance.md.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setDefaultCACertificates } from 'node:tls';
import type { Cut } from '#reference-server/conformance/play-sequence.ts';
import { runSequences } from '#reference-server/conformance/run-sequences.ts';
import { readSequences } from '#reference-server/conformance/sequence-file.ts';
import { makeAuthority, makeCertificate } from '#reference-server/test/certificate.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';
import { startMosquitto } from '#test/mosquitto.ts';
import { sequencesFolder } from '#test/sequences-folder.ts';

/** What passes today, of 1,483. It only rises; what is missing stands in docs/conformance.md. */
const PASSED_MIN = 1483;
/** Debian's mosquitto 2.0.11, by three other runners. */
const MOSQUITTO_PASSED = { min: 630, max: 634 };

const folder = sequencesFolder();
const noFolder = skipUnless(
  folder === undefined ? ['folder of packet sequences'] : [],
  'set WSAR_MQTT_SEQUENCES (docs/conformance.md)',
);
const sequences = folder === undefined ? [] : readSequences(folder);

describe('packet sequences', { skip: noFolder, concurrency: true }, () => {
  for (const cut of ['packets', 'bytes', 'together'] satisfies Cut[]) {
    test(`cut into ${cut}`, async (t) => await judge(t, 'mqtt', ['--port', '0'], cut));
  }
  test('users of two workers, and every engine', async (t) => {
    await judge(t, 'mqtt', ['--port', '0', '--workers', '2'], 'packets');
    await judge(t, 'mqtt', ['--port', '0', '--engine', 'net'], 'packets');
    await judge(t, 'mqtt', ['--port', '0', '--engine', 'epoll'], 'packets');
  });
  test('over WebSocket', async (t) => {
    await judge(t, 'ws', ['--ws-port', '0'], 'packets');
    await judge(t, 'ws', ['--ws-port', '0'], 'bytes');
  });

  const noOpenssl = needPrograms('openssl');
  test('over TLS, and over WebSocket over TLS', { skip: noOpenssl }, async (t) => {
    const files = temporaryFolder(t);
    const authority = makeAuthority(files);
    const own = makeCertificate(files, authority, 'server', 'IP:127.0.0.1');
    setDefaultCACertificates([authority.cert]);
    const pair = ['--cert', own.certFile, '--key', own.keyFile];
    await judge(t, 'mqtts', ['--tls-port', '0', ...pair], 'packets');
    await judge(t, 'wss', ['--wss-port', '0', ...pair], 'packets');
  });

  const noMosquitto = needPrograms('mosquitto');
  test('the runner gives mosquitto its known score', { skip: noMosquitto }, async (t) => {
    const { url } = await startMosquitto(t);
    const verdicts = await runSequences(url, sequences, 'packets');
    const passed = verdicts.filter(({ flaw }) => flaw === undefined).length;
    const { min, max } = MOSQUITTO_PASSED;
    assert.ok(passed >= min && passed <= max, `${passed} passed`);
  });
});

/** Starts a server with one listener and plays all sequences. */
async function judge(t: TestContext, scheme: string, listen: string[], cut: Cut): Promise<void> {
  const size = listen.includes('--workers') ? [] : ['--workers', '1'];
  const server = startWsar(t, ['serve', '--profile', 'conformance', ...size, ...listen]);
  const [, url] = await server.line(new RegExp(`^ready (${scheme}://.*)\n`));
  const verdicts = await runSequences(url!, sequences, cut);
  const passed = verdicts.filter(({ flaw }) => flaw === undefined).length;
  t.diagnostic(`${scheme}, ${cut}: ${passed} of ${sequences.length}`);
  assert.ok(passed >= PASSED_MIN, `${passed} passed, ${PASSED_MIN} did before`);
  server.child.kill('SIGTERM');
  await server.exit();
}
