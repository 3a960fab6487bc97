// `npm run fuzz`: hostile packets for the decoders and for the whole server, as many as asked for.
//
//   --target NAME       'codec', 'server' or 'both' (default)
//   --executions N      of each target (default 1e6)
//   --seed N            default: from the clock; printed
//
// One line each ten million, one at the end; a finding ends it with the seed, the number of the execution and
// the packet, and exit code 10. See docs/conformance.md.

import { parseArgs } from 'node:util';
import { CodecTarget } from '#scripts/fuzz/codec-target.ts';
import { ServerTarget } from '#scripts/fuzz/server-target.ts';

const PROGRESS = 10_000_000;
const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'both' },
    executions: { type: 'string', default: '1e6' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const executions = Number(values.executions);
const seed = Number(values.seed);
if (!Number.isInteger(executions) || !Number.isInteger(seed)) {
  process.stderr.write('fuzz: --executions and --seed are whole numbers\n');
  process.exit(2);
}
for (const name of values.target === 'both' ? ['codec', 'server'] : [values.target]) {
  const target = name === 'codec' ? new CodecTarget(seed) : new ServerTarget(seed);
  const start = performance.now();
  const say = (done: number): void => {
    const seconds = (performance.now() - start) / 1000;
    const rate = Math.round(done / seconds);
    process.stdout.write(
      `${name}, seed ${seed}: ${done} executions in ${seconds.toFixed(1)} s, ${rate}/s\n`,
    );
  };
  for (let done = 1; done <= executions; done++) {
    try {
      target.execute();
    } catch (error) {
      const { mutator } = target;
      const packet = Buffer.from(mutator.bytes.subarray(0, mutator.length)).toString('hex');
      process.stdout.write(
        `${name}, seed ${seed}, execution ${done}, level ${mutator.level}: ${packet}\n`,
      );
      process.stdout.write(`${(error as Error).stack}\n`);
      process.exit(10);
    }
    if (done % PROGRESS === 0 || done === executions) say(done);
  }
}
