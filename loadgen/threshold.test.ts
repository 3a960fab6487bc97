import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { createTimings } from '#loadgen/interval-timings.ts';
import { judge, judgedText, parseThreshold } from '#loadgen/threshold.ts';

const timings = createTimings();
for (let i = 1; i <= 2000; i++) {
  timings.latency.record(i);
  timings.service.record(10 * i);
}
const figures = {
  connections: { target: 1000, failed: 11, lost: 0 },
  messages: { planned: 2000, lost: 3, errors: 0 },
  rateAchievedPerS: 4900,
  cpuUsPerMessage: 31.5,
};

test('rules over times, counts, shares, rates and cost', () => {
  const cases: [string, boolean | null][] = [
    ['latency.p99 > 1ms', true],
    ['p99>2ms', false],
    ['p50 < 1002us', true],
    ['service.max >= 20ms', true],
    ['latency.mean <= 1ms', false],
    ['latency.mean <= 1.001ms', true],
    ['lateness.p50 > 1us', null],
    ['p99.9 > 1us', null],
    ['p999 > 1us', null],
    ['p99.5 > 1us', true],
    ['messages.lost > 0', true],
    ['messages.lost > 0.15%', false],
    ['messages.lost >= 0.15%', true],
    ['connections.failed > 1%', true],
    ['connections.failed > 1.1%', false],
    ['rate.achieved < 5000/s', true],
    ['cpu.per_message > 30us', true],
  ];
  for (const [text, expected] of cases) {
    assert.equal(judge(parseThreshold(text), figures, timings).isTrue, expected, text);
  }
});

test('what is no rule is refused with what would be one', () => {
  const bad: [string, string][] = [
    ['', 'WSAR_ERR_USAGE'],
    ['latency.p99', 'WSAR_ERR_USAGE'],
    ['latency.p99 > 50', 'WSAR_ERR_QUANTITY'],
    ['latency.p99 = 50ms', 'WSAR_ERR_USAGE'],
    ['p100 > 5ms', 'WSAR_ERR_USAGE'],
    ['speed.p99 > 5ms', 'WSAR_ERR_USAGE'],
    ['messages.cloned > 5', 'WSAR_ERR_USAGE'],
    ['messages.lost > many', 'WSAR_ERR_QUANTITY'],
    ['messages.lost > -1', 'WSAR_ERR_QUANTITY'],
    ['rate.achieved < 5', 'WSAR_ERR_QUANTITY'],
    ['constructor > 5', 'WSAR_ERR_USAGE'],
  ];
  for (const [text, code] of bad) {
    assert.throws(
      () => parseThreshold(text),
      (error: unknown) =>
        error instanceof WsarError && error.code === code && error.hint.length > 0,
      text,
    );
  }
});

test('what a rule was judged by is told with its unit', () => {
  const told = (rule: string, value: number | null): string => judgedText({ rule, value });
  assert.equal(told('latency.p99 > 50ms', 73_215), '73215 us');
  assert.equal(told('messages.lost > 0.1%', 0.002), '0.2%');
  assert.equal(told('messages.lost > 0', 3), '3');
  assert.equal(told('rate.achieved < 4900/s', 4800), '4800/s');
  assert.equal(told('p99.9 > 1s', null), '-');
});
