import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '#core/clock/clock.ts';
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, Breaker, FAILURES_MAX } from '#tee-proxy/breaker.ts';

test('opens after failures in a row, probes with doubling intervals, closes on success', () => {
  const clock = new VirtualClock();
  const nowMs = (): number => clock.monoUs() / 1000;
  const breaker = new Breaker();
  for (let failure = 0; failure < FAILURES_MAX; failure++) {
    assert.ok(breaker.allows(nowMs()));
    breaker.failed(nowMs());
  }
  assert.ok(breaker.isOpen);
  const intervalsMs: number[] = [];
  let lastMs = nowMs();
  while (intervalsMs.length < 7) {
    clock.advance(10);
    if (!breaker.allows(nowMs())) continue;
    intervalsMs.push(nowMs() - lastMs);
    lastMs = nowMs();
    breaker.failed(nowMs());
  }
  assert.deepEqual(intervalsMs, [BACKOFF_MS_MIN, 200, 400, 800, BACKOFF_MS_MAX, 1000, 1000]);
  assert.deepEqual([breaker.tripped, breaker.probes], [1, 7]);
  breaker.succeeded();
  assert.ok(!breaker.isOpen && breaker.allows(nowMs()) && breaker.allows(nowMs()));
});

test('a success between failures keeps it closed', () => {
  const breaker = new Breaker();
  for (let round = 0; round < 10; round++) {
    for (let failure = 1; failure < FAILURES_MAX; failure++) breaker.failed(0);
    breaker.succeeded();
  }
  assert.ok(!breaker.isOpen && breaker.tripped === 0);
});

test('open: never two attempts within one backoff interval, always one within the longest', () => {
  const steps = fc.array(
    fc.record({
      waitMs: fc.integer({ min: 0, max: 400 }),
      outcome: fc.constantFrom('fails', 'never comes'),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const breaker = new Breaker();
      let nowMs = 0;
      for (let failure = 0; failure < FAILURES_MAX; failure++) breaker.failed(nowMs);
      let lastMs = nowMs;
      for (const { waitMs, outcome } of list) {
        nowMs += waitMs;
        const allowed = breaker.allows(nowMs);
        if (allowed) {
          assert.ok(nowMs - lastMs >= BACKOFF_MS_MIN);
          lastMs = nowMs;
          if (outcome === 'fails') breaker.failed(nowMs);
        } else assert.ok(nowMs - lastMs < BACKOFF_MS_MAX);
      }
    }),
  );
});
