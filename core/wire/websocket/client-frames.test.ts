// WebSocket frames: what a client may send arrives whole however it is cut, what it may not is answered
// with the code of RFC 6455, and no stream of bytes does anything else.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  CLOSE_CODE,
  type FrameSink,
  putClose,
  putFrameHead,
  putPong,
  WebSocketFrames,
} from '#core/wire/websocket/frames.ts';

const CONN = 1;

/** A client's frame. */
function frame(opcode: number, payload: Uint8Array, isLast = true, mask = [1, 2, 3, 4]): Buffer {
  const { length } = payload;
  const head = [opcode | (isLast ? 0x80 : 0)];
  if (length < 126) head.push(0x80 | length);
  else if (length < 0x1_0000) head.push(0xfe, length >> 8, length & 0xff);
  else head.push(0xff, 0, 0, 0, 0, 0, length >>> 16, (length >> 8) & 0xff, length & 0xff);
  return Buffer.from([...head, ...mask, ...payload.map((byte, at) => byte ^ mask[at % 4]!)]);
}

class Collector implements FrameSink {
  payloads = '';
  pings: string[] = [];
  closed: number | undefined;

  payload(conn: number, bytes: Uint8Array, start: number, end: number): boolean {
    assert.equal(conn, CONN);
    assert.ok(end > start, 'nothing is handed on only when there is something');
    this.payloads += Buffer.from(bytes.subarray(start, end)).toString('hex');
    return true;
  }

  ping(_: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.pings.push(Buffer.from(bytes.subarray(start, end)).toString('hex'));
    return true;
  }

  closing(_: number, code: number): void {
    this.closed = code;
  }
}

/** Feeds `stream` in pieces that end at `cuts`; the result is the first code that is not 0. */
function feed(stream: Buffer, cuts: number[], sink: FrameSink): number {
  const frames = new WebSocketFrames(2, 'client');
  frames.open(CONN);
  const ends = [...new Set([...cuts.map((cut) => cut % (stream.length + 1)), stream.length])];
  let start = 0;
  for (const end of ends.sort((a, b) => a - b)) {
    // A copy with something around it: the codec changes what it was given, and nothing beside it.
    const bytes = Buffer.concat([
      Buffer.from([7, 7]),
      stream.subarray(start, end),
      Buffer.from([7]),
    ]);
    const code = frames.take(CONN, bytes, 2, bytes.length - 1, sink);
    assert.deepEqual([bytes[0], bytes[1], bytes.at(-1)], [7, 7, 7]);
    if (code !== 0) return code;
    start = end;
  }
  return 0;
}

describe('frames of clients', () => {
  const mask = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });
  const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 });
  const ping = fc.uint8Array({ maxLength: 125 });
  const message = fc.record({ pieces, mask, ping: fc.option(ping) });
  const cuts = fc.array(fc.nat(5000), { maxLength: 40 });

  test('fragments, pings between them and any cut: the same payload', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), cuts, (messages, where) => {
        const parts: Buffer[] = [];
        for (const one of messages) {
          for (const [index, piece] of one.pieces.entries()) {
            const isLast = index === one.pieces.length - 1;
            parts.push(frame(index === 0 ? 2 : 0, piece, isLast, one.mask));
            if (one.ping !== null)
              parts.push(frame(9, one.ping, true, one.mask), frame(10, one.ping));
          }
        }
        const sink = new Collector();
        assert.equal(feed(Buffer.concat(parts), where, sink), 0);
        const payload = messages.flatMap((one) => one.pieces.map((piece) => [...piece])).flat();
        assert.equal(sink.payloads, Buffer.from(payload).toString('hex'));
        const pings = messages.flatMap((one) => one.pieces.map(() => one.ping));
        const sent = pings.filter((bytes) => bytes !== null);
        assert.deepEqual(
          sink.pings,
          sent.map((bytes) => Buffer.from(bytes).toString('hex')),
        );
      }),
    );
  });

  test('any bytes: a known code or nothing', () => {
    const known = new Set<number>([0, ...Object.values(CLOSE_CODE)]);
    const start = fc.constantFrom(
      '',
      '82fe',
      '8280',
      '89fd',
      '88fd',
      '82ff00000000',
      '0280',
      '0080',
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 600 }), cuts, (head, bytes, where) => {
        const stream = Buffer.concat([Buffer.from(head, 'hex'), bytes]);
        const whole = new Collector();
        const cut = new Collector();
        const code = feed(stream, [], whole);
        assert.ok(known.has(code), String(code));
        assert.equal(feed(stream, where, cut), code);
        assert.deepEqual(cut, whole);
      }),
      { numRuns: 500 },
    );
  });

  test('64 KiB and one byte, in one frame', () => {
    const sink = new Collector();
    const payload = Buffer.alloc(65_537, 'wsar');
    assert.equal(feed(frame(2, payload), [70, 65_000], sink), 0);
    assert.equal(sink.payloads, payload.toString('hex'));
  });

  const { protocolError, unacceptable, badText, tooLarge } = CLOSE_CODE;
  const violations: [string, string, number][] = [
    ['no mask', '8201', protocolError],
    ['a reserved bit', 'c2', protocolError],
    ['text [MQTT-6.0.0-1]', '81', unacceptable],
    ['opcode 3', '83', protocolError],
    ['opcode 11', '8b', protocolError],
    ['a continuation of nothing', '80', protocolError],
    ['a new message within a message', '028000000000 82', protocolError],
    ['a ping in fragments', '09', protocolError],
    ['a ping of 126 bytes', '89fe', protocolError],
    ['125 bytes with a length of two', '82fe007d00000000', protocolError],
    ['65,535 bytes with a length of eight', '82ff000000000000ffff00000000', protocolError],
    ['a length below zero', '82ff800000000000000000000000', protocolError],
    ['a length of 2^32', '82ff000000010000000000000000', tooLarge],
    ['a frame larger than any packet', '82ff000000001000000500000000', tooLarge],
    ['a close with half a code', '88810000000003', protocolError],
    ['a close with a code that is never sent', '88820000000003ed', protocolError],
    ['a close whose reason is no UTF-8', '88830000000003e8ff', badText],
  ];
  for (const [name, hex, code] of violations) {
    test(`${name}: ${code}`, () => {
      const stream = Buffer.from(hex.replace(/ /g, ''), 'hex');
      assert.equal(feed(stream, [], new Collector()), code);
      assert.equal(feed(stream, Array.from(stream.keys()), new Collector()), code);
    });
  }

  test('a close is told with its code, and what follows is not read', () => {
    for (const [hex, code] of [
      ['888000000000', 1000],
      ['88820000000003e9', 1001],
    ] as const) {
      const sink = new Collector();
      assert.equal(
        feed(Buffer.concat([Buffer.from(hex, 'hex'), frame(2, Buffer.from('x'))]), [], sink),
        0,
      );
      assert.deepEqual([sink.closed, sink.payloads], [code, '']);
    }
  });
});

test('frames of the server', () => {
  const out = new Uint8Array(300);
  const head = (length: number): string =>
    Buffer.from(out.subarray(0, putFrameHead(out, length))).toString('hex');
  assert.equal(head(0), '8200');
  assert.equal(head(125), '827d');
  assert.equal(head(126), '827e007e');
  assert.equal(head(65_535), '827effff');
  assert.equal(head(65_536), '827f0000000000010000');
  const text = (length: number): string => Buffer.from(out.subarray(0, length)).toString('hex');
  assert.equal(text(putPong(out, Buffer.from('abc'), 1, 3)), '8a026263');
  assert.equal(text(putClose(out, 1002)), '880203ea');
});
