// The chain before the edge, without sockets: whatever a connection begins with and however it is cut, the edge
// sees the same bytes or the end, and nothing is kept of a connection that is gone.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CLOSE_REASON, type ReactorHandler } from '#core/socket/reactor.ts';
import { putMaskedFrame } from '#core/wire/websocket/frames.ts';
import { createWorkerStats } from '#reference-server/statistics/worker-stats.ts';
import { StillReactor } from '#reference-server/test/still-reactor.ts';
import type { Prelude } from '#reference-server/transport/listener.ts';
import { Places } from '#reference-server/transport/places.ts';
import { writeProxyHeader } from '#reference-server/transport/proxy-header.ts';
import { Transports } from '#reference-server/transport/transports.ts';

const CONN = 3;
const SECRET = Buffer.alloc(32, 's');
const REQUEST = Buffer.from(
  'GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Protocol: mqtt\r\n\r\n',
);

interface Seen {
  bytes: string;
  ended: boolean;
  name: string | undefined;
}

/** Plays a connection whose bytes come in pieces that end at `cuts`; what the edge saw of it. */
function play(prelude: Prelude, stream: Buffer, cuts: number[]): Seen {
  const seen: Seen = { bytes: '', ended: false, name: undefined };
  const nothing = (): void => {};
  const edge: ReactorHandler = {
    onAccept: nothing,
    onConnect: nothing,
    onData(_, bytes, start, end) {
      assert.ok(!seen.ended, 'nothing comes behind the end');
      seen.bytes += Buffer.from(bytes.subarray(start, end)).toString('hex');
    },
    onEnd(conn) {
      seen.ended = true;
      transports.close(conn);
    },
    onDrain: nothing,
    onClose: nothing,
    onDeadline: nothing,
    onWake: nothing,
    onTurn: () => Number.POSITIVE_INFINITY,
  };
  const options = {
    connections: 8,
    places: new Places(Places.memory(), 8),
    resets: false,
    outputBytesMax: 1000,
    origins: [],
    stats: createWorkerStats(),
  };
  const transports = new Transports(edge, options);
  transports.attach(new StillReactor());
  transports.expect(0, prelude);
  transports.onAccept(CONN, 0);
  const ends = [...new Set([...cuts.map((cut) => cut % (stream.length + 1)), stream.length])];
  let start = 0;
  for (const end of ends.sort((a, b) => a - b)) {
    // A fresh copy: what is kept must have been copied, and what is unmasked changes.
    const piece = Buffer.from(stream.subarray(start, end));
    transports.onData(CONN, piece, 0, piece.length);
    piece.fill(0xee);
    start = end;
  }
  seen.name = transports.certifiedName(CONN);
  transports.onClose(CONN, CLOSE_REASON.orderly, 0);
  assert.equal(transports.certifiedName(CONN), undefined);
  return seen;
}

test('a name counts from the front only: any process of this host could be a proxy', () => {
  const header = writeProxyHeader({ commonName: 'ann' });
  for (const secret of [undefined, SECRET]) {
    const stream = Buffer.concat([secret ?? Buffer.alloc(0), header]);
    const { name } = play({ place: 0, secret, proxyHeader: true, webSocket: false }, stream, []);
    assert.equal(name, secret === undefined ? undefined : 'ann');
  }
});

const preludes = fc.record({
  place: fc.constant(0),
  secret: fc.constantFrom(undefined, SECRET),
  proxyHeader: fc.constant(true),
  webSocket: fc.boolean(),
});
const cuts = fc.array(fc.nat(2000), { maxLength: 60 });

describe('the chain before the edge', () => {
  test('preludes of every kind, in any pieces: the edge sees the payload', () => {
    fc.assert(
      fc.property(
        preludes,
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(),
        cuts,
        (prelude, payload, mask, where) => {
          const frame = new Uint8Array(payload.length + 20);
          const framed = frame.subarray(0, putMaskedFrame(frame, mask, payload, 0, payload.length));
          const stream = Buffer.concat([
            prelude.secret ?? Buffer.alloc(0),
            writeProxyHeader({ commonName: 'ann' }),
            ...(prelude.webSocket ? [REQUEST, framed] : [payload]),
          ]);
          const bytes = Buffer.from(payload).toString('hex');
          const { bytes: seen, ended } = play(prelude, stream, where);
          assert.deepEqual([seen, ended], [bytes, false]);
        },
      ),
    );
  });

  test('any bytes: the same end, however they are cut', () => {
    const begin = fc.constantFrom(Buffer.alloc(0), SECRET, writeProxyHeader(), REQUEST);
    fc.assert(
      fc.property(
        preludes,
        fc.array(begin, { maxLength: 3 }),
        fc.uint8Array({ maxLength: 700 }),
        cuts,
        (prelude, begins, rest, where) => {
          const stream = Buffer.concat([...begins, rest]);
          const whole = play(prelude, stream, []);
          assert.deepEqual(play(prelude, stream, where), whole);
        },
      ),
      { numRuns: 500 },
    );
  });
});
