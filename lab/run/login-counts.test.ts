import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type CountedLogins,
  countInKernelTable,
  judgeCounts,
  readSocketsInUse,
} from '#lab/run/login-counts.ts';
import { temporaryFolder } from '#test/command.ts';

const counted = (changes: Partial<CountedLogins>): CountedLogins => ({
  wanted: 20_000,
  generator: 20_000,
  server: 20_000,
  socketsBefore: 10,
  socketsAfter: 40_014,
  countInTable: () => assert.fail('the difference of the sockets is enough'),
  ...changes,
});

test('three counts that agree, with what is left explained', () => {
  assert.deepEqual(judgeCounts(counted({})), {
    wanted: 20_000,
    generator: 20_000,
    server: 20_000,
    sockets: 40_004,
    agree: true,
    sentence:
      'generator 20,000, server 20,000, sockets 40,004 for both ends (4 more: bus, store and other programs)',
  });
});

test('a generator or server that counts otherwise does not agree', () => {
  assert.equal(judgeCounts(counted({ generator: 19_999 })).agree, false);
  assert.equal(judgeCounts(counted({ server: null })).agree, false);
});

test('other programs blur the difference: the table of the kernel decides', () => {
  const blurred = counted({ socketsAfter: 90_000, countInTable: () => 40_000 });
  assert.equal(judgeCounts(blurred).agree, true);
  assert.match(judgeCounts(blurred).sentence, /table lists 40,000 ends of the server's port/);
  assert.equal(judgeCounts({ ...blurred, countInTable: () => 39_998 }).agree, false);
  assert.equal(judgeCounts({ ...blurred, countInTable: () => null }).agree, false);
});

test('without /proc two counts have to do, and the sentence says so', () => {
  const { agree, sentence } = judgeCounts(counted({ socketsAfter: null }));
  assert.equal(agree, true);
  assert.match(sentence, /sockets not counted/);
  assert.equal(readSocketsInUse('/nonexistent'), null);
  assert.equal(countInKernelTable(80, 1, '/nonexistent'), null);
});

test('known workload: 23 connections are 46 ends in the table of the kernel', {
  skip: process.platform === 'linux' ? false : 'needs /proc',
}, async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const clients = Array.from({ length: 23 }, () => createConnection(port, '127.0.0.1'));
  t.after(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  await Promise.all(clients.map((client) => once(client, 'connect')));
  assert.equal(countInKernelTable(port, 46), 46);
  assert.ok(readSocketsInUse()! >= 46);
});

test('the table as the kernel prints it', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'net'));
  const line = (local: string, remote: string, state: string): string =>
    `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 1\n`;
  const [server, client] = ['0100007F:1F90', '0200007F:C350'];
  writeFileSync(
    join(folder, 'net/tcp'),
    [
      '  sl  local_address rem_address   st\n',
      line(server, '00000000:0000', '0A'),
      line(server, client, '01'),
      line(client, server, '01'),
      line('0200007F:C351', server, '06'),
      line('0200007F:1F90', '0100007F:1F91', '01'),
    ].join(''),
  );
  assert.equal(countInKernelTable(8080, 2, folder), 2);
});

test('an entry that the kernel lists twice, as it may while sockets come and go, is one end', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'net'));
  const entry = (index: number): string =>
    `${String(index).padStart(4)}: 0100007F:1F90 0100007F:C350 01 00000000:00000000`;
  writeFileSync(join(folder, 'net/tcp'), `${entry(0)}\n${entry(1)}\n`);
  assert.equal(countInKernelTable(8080, 2, folder), 1);
});
