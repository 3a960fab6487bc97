// A program that behaves badly as a plug-in, in the way that its first argument names. For tests.

import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';

const [, , way, ...rest] = process.argv;
const say = (text) => writeSync(1, text);
const hello = 'wsar-plugin 1\nmetric a gauge 1 some value\nmetric c counter {x} some counter\n';
const forever = () => setInterval(() => {}, 1 << 30);
const eachTick = (answer) => process.stdin.on('data', answer).on('end', () => process.exit(0));

const WAYS = {
  /** Ten megabytes a second and more, of lines that are right. */
  flood() {
    say(hello);
    const block = 'value a 1\nvalue c 7\ncommit\n'.repeat(40_000);
    for (;;) say(block);
  },
  /** As much, of one line that never ends. */
  endless() {
    say(hello);
    const block = 'x'.repeat(1 << 20);
    for (;;) say(block);
  },
  /** Bytes of every kind, newlines among them, from a fixed start. */
  garbage() {
    const bytes = Buffer.alloc(1 << 16);
    let x = 12_345;
    const fill = () => {
      for (let i = 0; i < bytes.length; i++) {
        x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
        bytes[i] = x >>> 24;
      }
    };
    say(hello);
    setInterval(() => {
      fill();
      process.stdout.write(bytes);
      process.stdout.write('\nvalue a 5\ncommit\n');
    }, 20);
  },
  /** Numbers and names that are none, between those that are right. */
  lies() {
    say(hello);
    say('metric b{i=1}\tgauge 1 tab\nmetric b{i=x gauge 1 open\nmetric 1b gauge 1 digit\n');
    say('metric system.cpu.utilization gauge 1 a name of the collector itself\n');
    say(
      'metric a gauge By the same with another unit\nmetric A counter 1 the same for exporters\n',
    );
    say('metric d wave 1 no such kind\nmetric e gauge\nmetric \u001b[31mred gauge 1 terminal\n');
    eachTick(() => {
      say('value a 1e308\nvalue a NaN\nvalue a Infinity\nvalue a 0x10\nvalue a 1,5\nvalue a\n');
      say('value c -5\nvalue c 1e400\nvalue nothing 5\nvalue system.cpu.utilization 0.5\n');
      say('value a 42\nvalue c 18446744073709551615\ncommit 99999999999\ncommitted\n');
    });
  },
  /** A counter that goes back at every tick. */
  back() {
    say(hello);
    let c = 1000;
    eachTick(() => say(`value c ${(c -= 10)}\ncommit\n`));
  },
  /** A few values, then half of a line, and never the rest. */
  half() {
    say(hello);
    let ticks = 0;
    process.stdin.on('data', () => {
      ticks++;
      if (ticks <= 3) say('value a 1\ncommit\n');
      if (ticks === 4) say('value a 2\ncomm');
    });
  },
  /** More metrics than there may be. */
  many() {
    say(hello);
    for (let i = 0; i < 5000; i++) say(`metric m.x{i=${i}} gauge 1 one of very many\n`);
    eachTick(() => say('value m.x{i=0} 1\nvalue m.x{i=4999} 1\ncommit\n'));
  },
  silent: forever,
  exit() {
    process.stderr.write('no such queue\n');
    process.exit(3);
  },
  /** Lives, and does not want to die; nor do its children, one of which leaves the group. */
  stubborn() {
    process.on('SIGTERM', () => {});
    process.on('SIGHUP', () => {});
    const tag = rest[0];
    for (const detached of [false, true]) {
      spawn(process.execPath, [process.argv[1], 'child', tag], {
        detached,
        stdio: 'inherit',
      }).unref();
    }
    say(`${hello}value a 1\ncommit\n`);
    forever();
  },
  child() {
    process.on('SIGTERM', () => {});
    forever();
  },
  version() {
    say('wsar-plugin 2\nmetric a gauge 1 x\n');
    forever();
  },
};

WAYS[way]();
