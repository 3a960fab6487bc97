// What a server costs that nobody uses: three threads, their code and the rings of 2.5 million connections.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { startServer } from '#reference-server/test/running-server.ts';
import { temporaryFolder } from '#test/command.ts';
import { skipUnless } from '#test/foreign-part.ts';

const MIB = 1024 ** 2;
const skip = chooseEngine('auto').engine === 'ring' ? false : skipUnless(['io_uring'], 'allow it');

test('an idle server of two workers for 2.5 million has at most 160 MB resident', {
  skip,
}, async (t) => {
  const env = { NODE_COMPILE_CACHE: temporaryFolder(t) };
  const size = ['--connections', '2500000', '--users', '2500000'];
  const residentBytes = async (): Promise<number> => {
    const server = await startServer(t, ['--lab', '--workers', '2', ...size], { env });
    await server.values(() => true);
    const status = readFileSync(`/proc/${server.command.child.pid}/status`, 'latin1');
    server.command.child.kill('SIGTERM');
    assert.equal(await server.command.exit(), 143);
    return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1024;
  };
  // The first start compiles; the next one finds that done, in its workers too.
  const first = await residentBytes();
  const second = await residentBytes();
  t.diagnostic(
    `${(first / MIB).toFixed(0)} MiB at the first start, ${(second / MIB).toFixed(0)} then`,
  );
  assert.ok(second < 160e6, `${second} bytes`);
});
