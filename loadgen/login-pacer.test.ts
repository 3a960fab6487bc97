import assert from 'node:assert/strict';
import test from 'node:test';
import { LoginPacer } from '#loadgen/login-pacer.ts';

test('logins start no faster than the rate, after a pause too', () => {
  const pacer = new LoginPacer(100_000, 1000);
  let started = 0;
  for (let nowUs = 0; nowUs < 1e6; nowUs += 100) {
    while (pacer.waitUs(nowUs) === 0) {
      pacer.started(nowUs);
      pacer.succeeded(nowUs, 50);
      started++;
    }
  }
  assert.ok(started >= 990 && started <= 1011, `${started} in one second`);
  let burst = 0;
  while (pacer.waitUs(10e6) === 0) {
    pacer.started(10e6);
    pacer.succeeded(10e6, 50);
    burst++;
  }
  assert.ok(burst <= 11, `${burst} at once after nine seconds of pause`);
  assert.ok(pacer.waitUs(10e6) > 0 && pacer.waitUs(10e6) <= 1000);
});

test('the window grows with success and bounds what is under way', () => {
  const pacer = new LoginPacer(200, Number.POSITIVE_INFINITY);
  assert.equal(pacer.window, 64);
  for (let i = 0; i < 64; i++) {
    assert.equal(pacer.waitUs(0), 0);
    pacer.started(0);
  }
  assert.equal(pacer.waitUs(0), Number.POSITIVE_INFINITY);
  for (let i = 0; i < 1000; i++) {
    pacer.succeeded(i, 100);
    pacer.started(i);
  }
  assert.equal(pacer.window, 200);
  assert.equal(pacer.underWay, 64);
});

test('a failure or a slow login halves the window, once for each second of trouble', () => {
  const pacer = new LoginPacer(64, Number.POSITIVE_INFINITY);
  for (let i = 0; i < 30; i++) pacer.started(0);
  pacer.failed(5e6);
  pacer.failed(5.1e6);
  pacer.succeeded(5.2e6, 950_000);
  assert.equal(pacer.window, 32);
  pacer.failed(6.1e6);
  assert.equal(pacer.window, 16);
  for (let i = 0; i < 10; i++) pacer.failed((8 + 2 * i) * 1e6);
  assert.equal(pacer.window, 16, 'it never closes');
});
