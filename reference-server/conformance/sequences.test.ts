// The foreign packet sequences against the real command, cut in every way. See docs/conformance.md.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Cut } from '#reference-server/conformance/play-sequence.ts';
import { runSequences } from '#reference-server/conformance/run-sequences.ts';
import { readSequences } from '#reference-server/conformance/sequence-file.ts';
import { startServer } from '#reference-server/test/running-server.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';
import { startMosquitto } from '#test/mosquitto.ts';
import { sequencesFolder } from '#test/sequences-folder.ts';

/** What passes today, of 1,483. It only rises; what is missing stands in docs/conformance.md. */
const PASSED_MIN = 234;
/** Debian's mosquitto 2.0.11, by three other runners. */
const MOSQUITTO_PASSED = { min: 630, max: 634 };

const folder = sequencesFolder();
const noFolder = skipUnless(
  folder === undefined ? ['folder of packet sequences'] : [],
  'set WSAR_MQTT_SEQUENCES (docs/conformance.md)',
);

describe('packet sequences', { skip: noFolder, concurrency: true }, () => {
  const sequences = folder === undefined ? [] : readSequences(folder);

  for (const cut of ['packets', 'bytes', 'together'] satisfies Cut[]) {
    test(`cut into ${cut}: at least ${PASSED_MIN} of ${sequences.length}`, async (t) => {
      const server = await startServer(t, ['--profile', 'conformance', '--workers', '1']);
      const verdicts = await runSequences(server.url, sequences, cut);
      const passed = verdicts.filter(({ flaw }) => flaw === undefined).length;
      t.diagnostic(`${passed} passed`);
      assert.ok(passed >= PASSED_MIN, `${passed} passed`);
    });
  }

  const noMosquitto = needPrograms('mosquitto');
  test('the runner gives mosquitto its known score', { skip: noMosquitto }, async (t) => {
    const { url } = await startMosquitto(t);
    const verdicts = await runSequences(url, sequences, 'packets');
    const passed = verdicts.filter(({ flaw }) => flaw === undefined).length;
    const { min, max } = MOSQUITTO_PASSED;
    assert.ok(passed >= min && passed <= max, `${passed} passed`);
  });
});
