// What does not go together on the command line of `wsar load` is refused in one sentence, with exit 2, and not
// silently left out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { LOAD_OPTIONS } from '#loadgen/load-option-list.ts';
import { readOptions } from '#loadgen/read-options.ts';

const MQTT = '--target mqtt://127.0.0.1:1 --connections 100 --duration 1s';
const HTTP = '--target http://127.0.0.1:1 --connections 100 --duration 1s';

/** The words as commander hands them on. */
function given(line: string): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  const words = line.split(' ');
  while (words.length > 0) {
    const flag = words.shift()!;
    const spec = LOAD_OPTIONS.find(({ flags }) => flags.split(' ')[0] === flag);
    assert.ok(spec !== undefined, flag);
    const name = flag.slice(2).replace(/-[a-z]/g, (dash) => dash[1]!.toUpperCase());
    const value = spec.flags.includes('<') ? words.shift()! : true;
    const parsed = typeof value === 'string' && spec.parse ? spec.parse(value) : value;
    options[name] = spec.repeat ? [...((options[name] as unknown[]) ?? []), parsed] : parsed;
  }
  return options;
}

const REFUSED: [string, string, RegExp][] = [
  [MQTT, '--hosts 2 --virtual-hosts 2', /two ways to say one thing/],
  [MQTT, '--hosts 200', /100 users are fewer than 200 hosts/],
  [MQTT, '--virtual-hosts 2 --calibrate', /--calibrate measures the generator of one host/],
  [MQTT, '--virtual-hosts 2 --engine stack', /engine stack is for one host/],
  [MQTT, '--virtual-hosts 2 --sources 127.1.0.0/16', /virtual hosts have addresses of their own/],
  [MQTT, '--on-loss degrade', /--on-loss is for several hosts/],
  [MQTT, '--engine stack --ports window', /--ports is for kernel sockets/],
  [MQTT, '--upload 1KiB', /--upload is for http/],
  [MQTT, '--target ws://127.0.0.1:2', /differ in more than the port/],
  ...['--hosts 2', '--virtual-hosts 2', '--storm 50%@1s', '--find-max p99<1s', '--calibrate'].map(
    (option): [string, string, RegExp] => [
      HTTP,
      option,
      new RegExp(`^${option.split(' ')[0]} is not for http:// targets$`),
    ],
  ),
  ...['--ports kernel', '--keepalive 10s', '--receipts off', '--first-user 7', '--ramp 9/s'].map(
    (option): [string, string, RegExp] => [HTTP, option, /is not for http:\/\/ targets$/],
  ),
  ['--target http://127.0.0.1:1-2 --connections 1 --duration 1s', '--rate 1/s', /several ports/],
];

test('what does not go together is refused in one sentence', () => {
  for (const [line, more, sentence] of REFUSED) {
    assert.throws(
      () => readOptions(given(`${line} ${more}`)),
      (error) =>
        error instanceof WsarError &&
        ['WSAR_ERR_USAGE', 'WSAR_ERR_LIMIT'].includes(error.code) &&
        sentence.test(error.message) &&
        !error.message.includes('\n') &&
        error.hint !== '',
      `${line} ${more}`,
    );
  }
});

test('what goes together with several hosts is taken: storms, stages, rules, lists of ports', () => {
  const words =
    '--virtual-hosts 3 --storm 50%@1s --return beta:2s --fail-if p99>1s --on-loss replace --ports kernel';
  const options = readOptions(given(`${MQTT} --target mqtt://127.0.0.1:3-4 ${words}`));
  assert.deepEqual(options.hosts, { count: 3, isVirtual: true, policy: 'replace' });
  assert.deepEqual([options.storms.length, options.ports.kind], [1, 'kernel']);
  assert.deepEqual(options.target.ports, [1, 3, 4]);
  const stages = given('--target tcp://h:1 --connections 9 --hosts 2 --stages 9s@1..5/s');
  assert.equal(readOptions(stages).durationMs, 9000);
});
