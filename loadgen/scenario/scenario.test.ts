import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { loadScenario, scenarioText } from '#loadgen/scenario/scenario.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';

test('the named population has the published rate, and says what it assumes and leaves out', async () => {
  const scenario = await loadScenario('whatsapp-2014');
  assert.ok(Math.abs(scenario.messagesPerUserPerS - 2.33e-3) < 1e-5);
  const text = scenarioText(scenario);
  for (const line of [...scenario.assumptions, ...scenario.leftOut]) assert.ok(text.includes(line));
});

test('a scenario of one’s own is loaded and checked', async (t) => {
  const folder = temporaryFolder(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const good =
    "export const scenario = { name: 'own', messagesPerUserPerS: 10, arrivals: 'constant', " +
    'payloadBytes: 50, keepAliveMs: 1000, sources: [], assumptions: [], leftOut: [] };';
  assert.equal((await loadScenario(file('good.mjs', good))).name, 'own');
  const bad: [string, string, RegExp][] = [
    [file('none.mjs', 'export const x = 1;'), 'WSAR_ERR_FILE', /exports no 'scenario'/],
    [file('half.mjs', good.replace('50', "'50'")), 'WSAR_ERR_FILE', /'payloadBytes' is wrong/],
    [
      file('share.mjs', good.replace('};', ', groups: { share: 2 } };')),
      'WSAR_ERR_FILE',
      /'groups' is wrong/,
    ],
    [
      file(
        'world.mjs',
        good.replace('};', ", countries: [{ code: 'AA', share: 0.5, utcOffsetHours: 0 }] };"),
      ),
      'WSAR_ERR_FILE',
      /'countries' is wrong/,
    ],
    [file('broken.mjs', 'export const ='), 'WSAR_ERR_FILE', /cannot be loaded/],
    [
      join(folder, 'absent.ts'),
      'WSAR_ERR_FILE',
      /absent.ts cannot be loaded: there is no such file$/,
    ],
    ['telegram', 'WSAR_ERR_USAGE', /no scenario 'telegram'/],
    ['constructor', 'WSAR_ERR_USAGE', /no scenario/],
  ];
  for (const [name, code, sentence] of bad) {
    await assert.rejects(
      loadScenario(name),
      (error: unknown) =>
        error instanceof WsarError && error.code === code && sentence.test(error.message),
      name,
    );
  }
});

test('the command line goes before the scenario, and the assumptions are printed', async (t) => {
  const broker = await startFakeBroker(t);
  const run = startWsar(t, [
    ...['load', '--target', broker.url, '--json', '--scenario', 'whatsapp-2014', '--engine', 'net'],
    ...['--connections', '20', '--rate', '200/s', '--duration', '1s', '--lateness-max', '60s'],
  ]);
  assert.equal(await run.exit(), 0, run.stderr());
  assert.match(run.stderr(), /^scenario whatsapp-2014\n {2}source: /);
  assert.match(run.stderr(), /assumed: who begins to write to whom is uniform/);
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
  assert.deepEqual([summary.rateTargetPerS, summary.scenario], [200, 'whatsapp-2014']);
});
