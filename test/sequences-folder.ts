// Where the foreign packet sequences are (docs/conformance.md): they are another project's data and no part
// of this one.

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '#test/command.ts';

/** The folder named by WSAR_MQTT_SEQUENCES, or `<neighbour>/data/mqtt-sequences` beside the clone. */
export function sequencesFolder(): string | undefined {
  const named = process.env['WSAR_MQTT_SEQUENCES'];
  if (named !== undefined) return existsSync(named) ? named : undefined;
  const beside = dirname(ROOT);
  // Not by globSync, which passes over links to folders.
  return readdirSync(beside)
    .sort()
    .map((name) => join(beside, name, 'data', 'mqtt-sequences'))
    .find((folder) => existsSync(folder));
}
