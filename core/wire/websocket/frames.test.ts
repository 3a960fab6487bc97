// Frames of both roles against each other, cut at every place, and against bytes of RFC 6455 itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { acceptFor, judgeUpgrade, upgradeRequest } from '#core/wire/websocket/client-handshake.ts';
import {
  CLOSE_CODE,
  FRAME_HEAD_BYTES_MAX,
  type FrameSink,
  MASK_BYTES,
  putClose,
  putFrameHead,
  putMaskedClose,
  putMaskedFrame,
  putMaskedPong,
  putPong,
  WebSocketFrames,
} from '#core/wire/websocket/frames.ts';

/** Takes `bytes` in pieces; returns payload, pings, and how it ended. */
function read(peer: 'client' | 'server', bytes: Uint8Array, pieceBytes: number) {
  const frames = new WebSocketFrames(2, peer);
  frames.open(1);
  const seen = { payload: [] as number[], pings: [] as number[][], closing: 0, code: 0 };
  const sink: FrameSink = {
    payload(_conn, from, start, end) {
      seen.payload.push(...from.subarray(start, end));
      return true;
    },
    ping(_conn, from, start, end) {
      seen.pings.push([...from.subarray(start, end)]);
      return true;
    },
    closing(_conn, code) {
      seen.closing = code;
    },
  };
  for (let at = 0; at < bytes.length && seen.code === 0; at += pieceBytes) {
    const piece = bytes.slice(at, at + pieceBytes);
    seen.code = frames.take(1, piece, 0, piece.length, sink);
  }
  return seen;
}

function serverFrame(payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(FRAME_HEAD_BYTES_MAX + payload.length);
  const at = putFrameHead(out, payload.length);
  out.set(payload, at);
  return out.slice(0, at + payload.length);
}

function clientFrame(mask: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(FRAME_HEAD_BYTES_MAX + MASK_BYTES + payload.length);
  return out.slice(0, putMaskedFrame(out, mask, payload, 0, payload.length));
}

test('what one role writes the other reads, whatever the lengths, masks and cuts', () => {
  const piece = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 5 }),
      fc.integer(),
      fc.integer({ min: 1, max: 400 }),
      (payloads, mask, cut) => {
        const whole = payloads.flatMap((payload) => [...payload]);
        const up = Buffer.concat(payloads.map((payload) => clientFrame(mask, payload)));
        const down = Buffer.concat(payloads.map(serverFrame));
        assert.deepEqual(read('client', up, cut).payload, whole);
        assert.deepEqual(read('server', down, cut).payload, whole);
      },
    ),
  );
});

test('long frames: 16 and 64 bits of length', () => {
  for (const length of [125, 126, 65_535, 65_536, 70_000]) {
    const payload = new Uint8Array(length).map((_, i) => i % 251);
    assert.deepEqual(read('client', clientFrame(0x12345678, payload), 1000).payload, [...payload]);
    assert.deepEqual(read('server', serverFrame(payload), 1000).payload, [...payload]);
  }
});

test('a frame of the wrong role is a protocol error', () => {
  const payload = Uint8Array.of(1, 2, 3);
  assert.equal(read('server', clientFrame(7, payload), 100).code, CLOSE_CODE.protocolError);
  assert.equal(read('client', serverFrame(payload), 100).code, CLOSE_CODE.protocolError);
});

test('pings are handed on with their contents, pongs are not, a close tells its code', () => {
  const out = new Uint8Array(64);
  const contents = Uint8Array.of(9, 8, 7);
  const pong = out.slice(0, putPong(out, contents, 0, 3));
  // Opcode 9 is a ping; the rest is the same.
  const ping = pong.slice();
  ping[0] = 0x89;
  const close = out.slice(0, putClose(out, 1001));
  const seen = read('server', Buffer.concat([ping, pong, close]), 1);
  assert.deepEqual([seen.pings, seen.closing, seen.code], [[[9, 8, 7]], 1001, 0]);
  const own = Buffer.concat([
    out.slice(0, putMaskedPong(out, 5, contents, 0, 3)),
    out.slice(0, putMaskedClose(out, 0xffffffff, 1000)),
  ]);
  assert.equal(read('client', own, 2).closing, 1000);
});

test('text frames are refused: MQTT is binary', () => {
  assert.equal(read('server', Uint8Array.of(0x81, 1, 0x41), 10).code, CLOSE_CODE.unacceptable);
});

test('the handshake of the standard (RFC 6455, 1.3)', () => {
  const key = 'dGhlIHNhbXBsZSBub25jZQ==';
  const accept = acceptFor(key);
  assert.equal(accept, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  const request = upgradeRequest({ host: 'h:1', path: '/mqtt', protocol: 'mqtt', key });
  assert.match(request, /^GET \/mqtt HTTP\/1\.1\r\nHost: h:1\r\n/);
  assert.ok(request.endsWith('Sec-WebSocket-Protocol: mqtt\r\n\r\n'));
  const answer = (lines: string[]): string => [...lines, '', ''].join('\r\n');
  const good = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `sec-websocket-accept: ${accept}`,
    'Sec-WebSocket-Protocol: mqtt',
  ];
  const judged = judgeUpgrade(`${answer(good)}xyz`, accept, 'mqtt');
  assert.deepEqual(judged, { end: answer(good).length, flaw: '' });
  assert.equal(judgeUpgrade('HTTP/1.1 101', accept, 'mqtt'), undefined);
  const flaw = (lines: string[]) => judgeUpgrade(answer(lines), accept, 'mqtt')?.flaw;
  assert.match(
    flaw(['HTTP/1.1 404 Not Found'])!,
    /refused the upgrade to WebSocket: HTTP\/1\.1 404/,
  );
  assert.match(flaw(good.slice(0, 3))!, /^sent a wrong Sec-WebSocket-Accept$/);
  assert.match(flaw(good.slice(0, 4))!, /subprotocol \(none\)/);
  assert.match(judgeUpgrade('x'.repeat(9000), accept, 'mqtt')!.flaw, /never ends/);
});
