// What does not go together on the command line of `wsar load` is refused in one sentence, with exit 2, and not
// silently left out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { requireCeiling } from '#loadgen/ceiling/ceiling-reach.ts';
import { LOAD_OPTIONS } from '#loadgen/load-option-list.ts';
import { rateAt } from '#loadgen/rate-plan.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { fillIn } from '#loadgen/scenario/fill-in.ts';
import { scenario as whatsapp } from '#loadgen/scenario/whatsapp-2014.ts';

const MQTT = '--target mqtt://127.0.0.1:1 --connections 100 --duration 1s';
const ECHO = '--target tcp://127.0.0.1:1 --connections 100 --duration 1s';
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
  [MQTT, '--spike 35%@peak/30s/5m', /a spike at the peak needs a day/],
  [MQTT, '--storm 50%@10s', /--storm begins after 10 s, when the steady phase of 1 s is over/],
  [MQTT, '--spike 35%@1s/1s/1s', /--spike begins after 1 s, when the steady phase of 1 s/],
  [ECHO, '--sessions kept', /^--sessions is for MQTT targets$/],
  [ECHO, '--receipts client', /^--receipts is for MQTT targets$/],
  [HTTP, '--lateness-max 1s', /^--lateness-max is not for http:\/\/ targets$/],
  [HTTP, '--fail-if lateness.p99>1s', /^'lateness.p99 > 1s' cannot be judged at http/],
  [HTTP, '--memory watched', /^--memory is not for http:\/\/ targets$/],
  [HTTP, '--drain 1s', /^--drain is not for http:\/\/ targets$/],
  [HTTP, '--sessions kept', /^--sessions is not for http:\/\/ targets$/],
  [HTTP, '--workers 2', /^--workers is not for http:\/\/ targets$/],
  [MQTT, '--upload 1KiB', /--upload is for http/],
  [MQTT, '--target ws://127.0.0.1:2', /differ in more than the port/],
  ...['--hosts 2', '--virtual-hosts 2', '--storm 50%@1s', '--find-max p99<1s', '--seed 2'].map(
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
    '--virtual-hosts 3 --storm 50%@500ms --return beta:2s --fail-if p99>1s --on-loss replace --ports kernel';
  const options = readOptions(given(`${MQTT} --target mqtt://127.0.0.1:3-4 ${words}`));
  assert.deepEqual(options.hosts, { count: 3, isVirtual: true, policy: 'replace' });
  assert.deepEqual([options.storms.length, options.ports.kind], [1, 'kernel']);
  assert.deepEqual(options.target.ports, [1, 3, 4]);
  const stages = given('--target tcp://h:1 --connections 9 --hosts 2 --stages 9s@1..5/s');
  assert.equal(readOptions(stages).durationMs, 9000);
});

test('a spike at the peak begins when the world of the scenario is busiest', () => {
  const options = given(`${MQTT} --rate 100/s --day 24m --spike 35%@peak/30s/5m`);
  const scenario = readOptions(fillIn({ ...options, duration: 24 * 60_000 }, whatsapp));
  // Alone in one time zone it is 21 h; with the hours of fifteen countries nearly 20 h in Greenwich.
  assert.ok(Math.abs(scenario.ratePlan.spikes[0]!.startMs / 60_000 - 19.9) < 0.1);
  const plain = readOptions({ ...options, duration: 24 * 60_000 });
  assert.equal(plain.ratePlan.spikes[0]!.startMs, 21 * 60_000);
  const { ratePlan } = scenario;
  const peakPerS = rateAt(ratePlan, ratePlan.spikes[0]!.startMs + 30_000);
  assert.ok(Math.abs(peakPerS / (100 * 1.55 * 1.35) - 1) < 0.02, `${peakPerS}`);
});

test('a scenario leaves out what a model or several hosts cannot have, and the command line goes first', () => {
  const open = readOptions(fillIn(given(MQTT), whatsapp));
  assert.ok(Math.abs(open.ratePerS - 0.2327) < 1e-3, 'as often as a hundred people wrote');
  assert.ok(open.people?.groups !== undefined && open.sessions !== undefined);
  assert.deepEqual([open.payloadBytes, open.payloadFactors.length], [96, 16]);
  const closed = readOptions(fillIn(given(`${MQTT} --model closed`), whatsapp));
  assert.deepEqual([closed.people, closed.sessions, closed.ratePerS], [undefined, undefined, 0]);
  const hosts = readOptions(fillIn(given(`${MQTT} --hosts 2`), whatsapp));
  assert.ok(hosts.people !== undefined && hosts.sessions !== undefined);
  const said = readOptions(fillIn(given(`${MQTT} --rate 7/s --payload 64B --media 0%`), whatsapp));
  assert.deepEqual(
    [said.ratePerS, said.payloadBytes, said.payloadFactors, said.mediaRatio],
    [7, 64, [1], 0],
  );
  const echo = readOptions(fillIn(given(MQTT.replace('mqtt:', 'tcp:')), whatsapp));
  assert.deepEqual([echo.people, echo.sessions, echo.mediaRatio], [undefined, undefined, 0]);
});

test('an http:// target takes an option or refuses it: none is left out in silence', () => {
  const taken = LOAD_OPTIONS.map(({ flags }) => flags.split(' ')[0]!.slice(2)).filter((option) => {
    const name = option.replace(/-[a-z]/g, (dash) => dash[1]!.toUpperCase());
    try {
      readOptions({ ...given(HTTP), [name]: given(HTTP)[name] ?? [] });
      return true;
    } catch (error) {
      assert.ok(error instanceof WsarError && error.message.includes(`--${option}`), `${error}`);
      return false;
    }
  });
  assert.deepEqual(taken.sort(), [
    ...['calibrate', 'connections', 'duration', 'fail-if', 'hlog', 'i-own-this-target', 'json'],
    ...['rate', 'target', 'upload'],
  ]);
});

test('a ceiling with TLS needs the OpenSSL of this process', () => {
  assert.throws(
    () => requireCeiling(true, 'no symbols'),
    /cannot measure a ceiling with TLS here: no symbols/,
  );
  requireCeiling(false, 'no symbols');
  requireCeiling(true, undefined);
});
