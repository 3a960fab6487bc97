import assert from 'node:assert/strict';
import test from 'node:test';
import { parseTcpWords } from '#loadgen/tcp-words.ts';

test('words of --tcp', () => {
  assert.deepEqual(parseTcpWords('sack off'), { sack: false });
  assert.deepEqual(parseTcpWords(' timestamps on  scaling off sack on '), {
    timestamps: true,
    scaling: false,
    sack: true,
  });
  const keepAlive = (text: string) => parseTcpWords(`keepalive ${text}`).keepAlive;
  assert.deepEqual(keepAlive('20s'), { idleS: 20, intervalS: 20, questionsMax: 9 });
  assert.deepEqual(keepAlive('2h'), { idleS: 7200, intervalS: 75, questionsMax: 9 });
});

test('what are no words of --tcp is said in one sentence', () => {
  for (const [text, message] of [
    ['', /no list of words/],
    ['sack', /no list of words/],
    ['sack yes', /sack is 'on' or 'off', not 'yes'/],
    ['nagle on', /'nagle' is nothing/],
    ['keepalive 100ms', /keepalive is 1 s to 10 h/],
    ['keepalive 11h', /keepalive is 1 s to 10 h/],
  ] as const) {
    assert.throws(() => parseTcpWords(text), { code: 'WSAR_ERR_USAGE', message }, text);
  }
  assert.throws(() => parseTcpWords('keepalive soon'));
});
