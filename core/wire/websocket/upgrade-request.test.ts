// The opening handshake of a WebSocket: the vector of RFC 6455, and everything that has to be refused.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { UpgradeRequest } from '#core/wire/websocket/upgrade-request.ts';

const GOOD = [
  'GET /mqtt HTTP/1.1',
  'Host: server.example',
  'Upgrade: websocket',
  'Connection: keep-alive, Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: chat, mqtt',
  'Sec-WebSocket-Version: 13',
];

function ask(lines: string[], origins: string[] = [], pieceBytes = 1e6): UpgradeRequest {
  const request = new UpgradeRequest(origins, ['mqtt', 'mqttv3.1']);
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  for (let at = 0; at < bytes.length && request.status === 0; at += pieceBytes) {
    request.take(bytes, at, Math.min(bytes.length, at + pieceBytes));
  }
  return request;
}

/** The good request with one line replaced, or left away. */
function but(name: string, line?: string): string[] {
  const rest = GOOD.filter((good) => !good.startsWith(`${name}:`));
  return line === undefined ? rest : [...rest, line];
}

describe('the opening handshake', () => {
  test("the standard's own example, in one piece and byte by byte", () => {
    for (const pieceBytes of [1, 7, 1e6]) {
      const { status, answer } = ask(GOOD, [], pieceBytes);
      assert.equal(status, 101);
      assert.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
      assert.match(answer, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
      assert.match(answer, /\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n$/);
    }
  });

  test('what follows the request is left', () => {
    const request = new UpgradeRequest([], ['mqtt']);
    const head = Buffer.from(`${GOOD.join('\r\n')}\r\n\r\n`);
    assert.equal(
      request.take(Buffer.concat([head, Buffer.alloc(9)]), 0, head.length + 9),
      head.length,
    );
  });

  test('names and tokens in any case, several lines of a list, cookies of any length', () => {
    const loud = GOOD.map((line, index) =>
      index === 0 ? line : line.replace(/^[^:]+/, (name) => name.toUpperCase()),
    );
    assert.equal(ask(loud).status, 101);
    assert.equal(ask(but('Upgrade', 'Upgrade: WebSocket')).status, 101);
    const split = [...but('Connection'), 'Connection: keep-alive', 'Connection: upgrade'];
    assert.equal(ask(split).status, 101);
    assert.equal(ask([...GOOD, `Cookie: ${'x'.repeat(3000)}`]).status, 101);
    assert.equal(
      ask(but('Sec-WebSocket-Protocol', 'Sec-WebSocket-Protocol: mqttv3.1')).status,
      101,
    );
  });

  const refusals: [string, string[], number, RegExp][] = [
    ['POST', ['POST / HTTP/1.1', ...GOOD.slice(1)], 400, /GET/],
    ['HTTP/1.0', ['GET / HTTP/1.0', ...GOOD.slice(1)], 400, /HTTP\/1\.1/],
    ['no HTTP', ['hello', ...GOOD.slice(1)], 400, /no HTTP/],
    ['no Host', but('Host'), 400, /Host/],
    ['no Upgrade', but('Upgrade'), 400, /MQTT over WebSocket/],
    ['no Connection', but('Connection'), 400, /MQTT over WebSocket/],
    ['no version', but('Sec-WebSocket-Version'), 426, /version 13/],
    ['version 8', but('Sec-WebSocket-Version', 'Sec-WebSocket-Version: 8'), 426, /version 13/],
    ['no key', but('Sec-WebSocket-Key'), 400, /Key/],
    ['a short key', but('Sec-WebSocket-Key', 'Sec-WebSocket-Key: YWJj'), 400, /Key/],
    ['two keys', [...GOOD, GOOD[4]!], 400, /two headers sec-websocket-key/],
    ['no subprotocol', but('Sec-WebSocket-Protocol'), 400, /'mqtt'/],
    ['others', but('Sec-WebSocket-Protocol', 'Sec-WebSocket-Protocol: chat'), 400, /'mqtt'/],
    ['a folded line', [...GOOD, ' more'], 400, /no header/],
    ['a space before the colon', [...GOOD, 'X : y'], 400, /no header/],
    ['a NUL', [...GOOD, 'X: \0'], 400, /character/],
    ['an LF without CR', [...GOOD, 'X: y\nZ: z'], 400, /without CR/],
    ['a CR alone', [...GOOD, 'X: y\rz'], 400, /CR/],
    ['a long Host', but('Host', `Host: ${'x'.repeat(600)}`), 431, /too long/],
    ['a long request', [...GOOD, ...Array(40).fill(`X: ${'y'.repeat(200)}`)], 431, /too long/],
  ];
  for (const [name, lines, status, reason] of refusals) {
    test(`${name}: ${status}`, () => {
      for (const pieceBytes of [1, 1e6]) {
        const request = ask(lines, [], pieceBytes);
        assert.equal(request.status, status);
        assert.match(request.answer, reason);
        assert.match(request.answer, new RegExp(`^HTTP/1\\.1 ${status} [A-Z].*\r\n`));
        assert.match(request.answer, /\r\nConnection: close\r\n/);
      }
    });
  }

  test('a page of another origin is refused unless it is listed', () => {
    const page = [...GOOD, 'Origin: https://evil.example'];
    assert.equal(ask(page).status, 403);
    assert.equal(ask(page, ['https://good.example']).status, 403);
    assert.equal(ask(page, ['https://evil.example']).status, 101);
    assert.equal(ask(page, ['*']).status, 101);
  });

  test('any bytes end in a status, and however they are cut in the same one', () => {
    const line = fc.oneof(fc.constantFrom(...GOOD), fc.string({ maxLength: 40 }));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const whole = ask(lines);
        const cut = ask(lines, [], 1);
        assert.ok([0, 101, 400, 403, 426, 431].includes(whole.status));
        assert.deepEqual([cut.status, cut.reason], [whole.status, whole.reason]);
      }),
    );
  });
});
