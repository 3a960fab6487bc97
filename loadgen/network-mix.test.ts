import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { networkOf, parseNetworkMix } from '#loadgen/network-mix.ts';

test('a mix says who is on what', () => {
  const mix = parseNetworkMix(
    '10%: rtt 80ms jitter 20ms loss 1% down 2Mbit up 256kbit window 8KiB; 20%: 3g loss 3% read 1KiB; rest: none',
  );
  assert.deepEqual(
    mix.map(({ share }) => Math.round(share * 100)),
    [10, 20, 70],
  );
  const { text, share, ...first } = mix[0]!;
  assert.deepEqual(first, {
    roundTripMs: 80,
    jitterMs: 20,
    lossRatio: 0.01,
    downBytesPerS: 250_000,
    upBytesPerS: 32_000,
    windowBytes: 8192,
    readBytesPerS: Number.POSITIVE_INFINITY,
  });
  const { roundTripMs, lossRatio, downBytesPerS, readBytesPerS } = mix[1]!;
  assert.deepEqual(
    [roundTripMs, lossRatio, downBytesPerS, readBytesPerS],
    [300, 0.03, 200_000, 1024],
  );
  assert.equal(mix[2]!.roundTripMs, 0);
  assert.equal(parseNetworkMix('phone')[0]!.roundTripMs, 80);
});

test('one in ten is one in ten, and the same ones whatever is asked when', () => {
  const mix = parseNetworkMix('10%: phone; 90%: none');
  for (const seed of [1, 2, 99]) {
    const users = Array.from({ length: 50_000 }, (_, user) => networkOf(mix, seed, user));
    const phones = users.filter((network) => network === 0).length;
    assert.ok(Math.abs(phones - 5000) < 5 * Math.sqrt(4500), `seed ${seed}: ${phones}`);
    assert.equal(networkOf(mix, seed, 777), users[777]);
  }
});

test('what is no mix is refused in one sentence', () => {
  for (const [text, sentence] of [
    ['', /says nothing/],
    ['10%:; rest: none', /says nothing/],
    ['modem', /no network 'modem'/],
    ['10%: phone', /10 % together/],
    ['60%: phone; 60%: none', /120 % together/],
    ['rest: phone; rest: none', /together/],
    ['phone; none', /no share/],
    ['100%: rtt 80ms color red', /'color' is nothing/],
    ['100%: rtt 80', /no unit/],
    ['rtt 10ms jitter 20ms', /jitter is larger/],
    ['rtt 9s', /too long/],
    ['loss 100%', /loses everything/],
    ['down 2Mb', /no bandwidth/],
    ['up 7kbit', /link that slow/],
    ['window 100B', /receive window of 100 B/],
    ['read 1B', /reads so little/],
  ] as const) {
    assert.throws(
      () => parseNetworkMix(text),
      (error: unknown) => error instanceof WsarError && sentence.test(error.message),
      text,
    );
  }
});
