// Slabs and segments of this kernel: a workload that is known, and text that is known.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { parseSlabs, readSlabs, slabGrowth } from '#lab/ladder/slab-info.ts';
import { parseTcpSegments, readTcpSegments, segmentsOfServer } from '#lab/ladder/tcp-segments.ts';
import { skipUnless } from '#test/foreign-part.ts';

const TEXT = `slabinfo - version: 2.1
# name  <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables ... : slabdata ...
TCP                  900    910   2368   13    8 : tunables    0    0    0 : slabdata     70     70      0
:a-0000128           100    128    128   32    1 : tunables    0    0    0 : slabdata      4      4      0
`;

test('a slab takes its pages, used or not', () => {
  const slabs = parseSlabs(TEXT);
  assert.deepEqual(
    [...slabs],
    [
      ['TCP', 70 * 8 * 4096],
      [':a-0000128', 4 * 4096],
    ],
  );
  const after = new Map([...slabs, ['TCP', 170 * 8 * 4096], ['new', 4096]]);
  assert.deepEqual(slabGrowth(slabs, after, 1000), [
    { name: 'TCP', bytesPerUser: (100 * 8 * 4096) / 1000 },
    { name: 'new', bytesPerUser: 4.096 },
  ]);
  assert.deepEqual(readSlabs('/proc/no-such-file'), new Map());
});

const isReadable = readSlabs().size > 0;
const skip = skipUnless(isReadable ? [] : ['the right to read /proc/slabinfo'], 'run as root');

test('a thousand connections are seen in the slab TCP and in the segments', { skip }, async () => {
  const count = 1000;
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const segments = readTcpSegments()!;
  const sockets = Array.from({ length: count }, () => connectTo(port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  while (accepted.length < count) await once(server, 'connection');
  const bytes = readSlabs().get('TCP')!;
  // SYN, SYN-ACK and ACK of each; other programs send too.
  const sent = segmentsOfServer(segments, readTcpSegments()!, true);
  for (const socket of [...sockets, ...accepted]) socket.destroy();
  server.close();
  assert.ok(sent >= 3 * count, `${sent} segments`);
  // Two ends of 2 KiB and more each; what others have comes on top.
  assert.ok(bytes > count * 2 * 2048, `${bytes} bytes`);
});

test('the wire of the server: what is sent, and with clients elsewhere also what comes', () => {
  const names = 'Tcp: RtoAlgorithm InSegs OutSegs\n';
  const look = (inside: number, out: number) =>
    parseTcpSegments(`Ip: x\nIp: 1\n${names}Tcp: 1 ${inside} ${out}\n`)!;
  assert.equal(segmentsOfServer(look(10, 20), look(110, 50), true), 30);
  assert.equal(segmentsOfServer(look(10, 20), look(110, 50), false), 130);
  assert.equal(parseTcpSegments('Ip: x\n'), undefined);
});
