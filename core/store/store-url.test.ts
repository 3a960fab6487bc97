import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBusUrl } from '#core/bus/bus-url.ts';
import { parseStoreUrl } from '#core/store/store-url.ts';

test('user, token and database are taken out of the address', () => {
  assert.deepEqual(parseStoreUrl('http://wsar:to%2Fken@127.0.0.1:8123'), {
    bare: 'http://127.0.0.1:8123',
    username: 'wsar',
    password: 'to/ken',
    database: 'wsar',
  });
  assert.deepEqual(parseStoreUrl('https://db.example/history'), {
    bare: 'https://db.example',
    username: 'default',
    password: '',
    database: 'history',
  });
});

test('what is no address is refused without showing what was in it', () => {
  const bad = [
    '',
    '127.0.0.1:8123',
    'ftp://a:secret@h',
    'http://a:secret@h/x-y',
    'http://a:secret@h/a/b',
  ];
  for (const url of bad) {
    assert.throws(
      () => parseStoreUrl(url),
      (error: Error) => {
        assert.equal((error as { code?: string }).code, 'WSAR_ERR_USAGE');
        return !error.message.includes('secret');
      },
    );
  }
  for (const url of ['', 'localhost:1883', 'http://a:secret@h', 'mqtt://']) {
    assert.throws(
      () => parseBusUrl(url),
      (error: Error) => {
        assert.equal((error as { code?: string }).code, 'WSAR_ERR_USAGE');
        return !error.message.includes('secret');
      },
    );
  }
});
