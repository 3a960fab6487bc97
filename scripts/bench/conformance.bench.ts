// `npm run conformance -- --target mqtt://127.0.0.1:1883`: plays the foreign packet sequences against any
// server and prints what failed. See docs/conformance.md.
//
//   --target URL      mqtt://, mqtts://, ws:// or wss:// (required)
//   --cut HOW         packets (default), bytes, together; may be repeated
//   --sequences DIR   folder of sequence files (default: $WSAR_MQTT_SEQUENCES, else the one beside the clone)
//   --only TEXT       only sequences whose name contains TEXT
//   --quiet           the score without what failed

import type { Cut } from '#reference-server/conformance/play-sequence.ts';
import { runSequences } from '#reference-server/conformance/run-sequences.ts';
import { readSequences } from '#reference-server/conformance/sequence-file.ts';
import { benchOptions, flag, text, words } from '#scripts/bench/bench-options.ts';
import { sequencesFolder } from '#test/sequences-folder.ts';

const values = benchOptions('conformance', {
  target: text('URL', 'mqtt://, mqtts://, ws:// or wss:// (required)'),
  cut: words<Cut>('how packets are cut', ['packets', 'bytes', 'together'], ['packets']),
  sequences: text('DIR', 'folder of sequence files'),
  only: text('TEXT', 'only sequences whose name contains TEXT'),
  quiet: flag('the score without what failed'),
});
const folder = values.sequences ?? sequencesFolder();
if (values.target === undefined || folder === undefined) {
  process.stderr.write('conformance: --target URL and a folder of sequences are needed\n');
  process.exit(2);
}
const sequences = readSequences(folder).filter(({ name }) => name.includes(values.only ?? ''));
let failures = 0;
for (const cut of values.cut) {
  const start = performance.now();
  const verdicts = await runSequences(values.target, sequences, cut);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const failed = verdicts.filter(({ flaw }) => flaw !== undefined);
  failures += failed.length;
  if (!values.quiet) {
    for (const { name, flaw } of failed) process.stdout.write(`${name}: ${flaw}\n`);
  }
  const passed = verdicts.length - failed.length;
  process.stdout.write(`${cut}: ${passed} of ${verdicts.length} in ${seconds} s\n`);
}
// A WebSocket that waits for its closing handshake would hold the process.
process.exit(failures === 0 ? 0 : 10);
