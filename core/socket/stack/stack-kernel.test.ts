// Engine stack against the TCP of the kernel, over a real TUN device in a namespace of its own.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { NetReactor } from '#core/socket/net/net-reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import { enterOwnNamespace, stackObstacle } from '#core/socket/stack/test/own-namespace.ts';
import { stackVariant } from '#core/socket/stack/test/stack-variant.ts';
import type { EngineVariant } from '#core/socket/test/engine-variant.ts';
import { pattern, Subject } from '#core/socket/test/subject.ts';

const skip = stackObstacle();
if (skip === false) enterOwnNamespace();
const MIB = 1024 * 1024;
const LARGE = { outputBytesMax: 2 * MIB, outputBytesTotalMax: 64 * MIB };
const net: EngineVariant = {
  name: 'net',
  isRing: false,
  create: (options) => new NetReactor(settleOptions(options)),
};

suite('engine stack and the kernel', { skip }, () => {
  test('an echo of 1 byte to 1 MiB comes back as it was', async (t) => {
    const server = new Subject(t, net, LARGE, {
      onData: (conn, bytes, start, end) => {
        assert.ok(server.reactor.send(conn, bytes, start, end));
      },
      onEnd: (conn) => server.reactor.close(conn),
    });
    const client = new Subject(t, stackVariant(), LARGE);
    const port = server.listen();
    for (const count of [1, 2, 31, 1023, 1459, 1460, 1461, 4097, 65_536, MIB]) {
      const sent = pattern(count, count);
      const seen = await client.connect(port);
      assert.ok(client.send(seen, sent));
      await client.until(() => seen.receivedBytes >= count, `${count} bytes`);
      assert.ok(client.bytesOf(seen).equals(sent), `${count} bytes are the same`);
      client.reactor.close(seen.conn);
      await client.until(() => !seen.isOpen, 'closed');
    }
    assert.equal(server.stat('txBytes'), client.stat('rxBytes'));
  });
});
