// Contract: deadlines are never early and fire once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEveryEngine } from '#core/socket/test/engine-variant.ts';
import { Subject } from '#core/socket/test/subject.ts';

onEveryEngine((variant) => {
  test('a deadline fires once, not early; a moved one at its new time; a cleared one never', async (t) => {
    const server = new Subject(t, variant);
    const client = new Subject(t, variant);
    const port = server.listen();
    const [once, moved, cleared] = await Promise.all([0, 1, 2].map(() => client.connect(port)));
    const startMs = performance.now();
    client.reactor.setDeadline(once!.conn, 120);
    client.reactor.setDeadline(moved!.conn, 120);
    client.reactor.setDeadline(moved!.conn, 350);
    client.reactor.setDeadline(cleared!.conn, 120);
    client.reactor.setDeadline(cleared!.conn, 0);
    await client.until(() => once!.deadlines === 1, 'the first deadline');
    assert.ok(performance.now() - startMs >= 120);
    assert.equal(moved!.deadlines, 0);
    await client.until(() => moved!.deadlines === 1, 'the moved deadline');
    assert.ok(performance.now() - startMs >= 350);
    assert.equal(cleared!.deadlines, 0);
    assert.equal(client.stat('deadlines'), 2);
  });

  test('a deadline dies with its connection: the next owner of the number has none', async (t) => {
    const server = new Subject(t, variant, { capacity: 1 });
    const client = new Subject(t, variant, { capacity: 1 });
    const port = server.listen();
    const first = await client.connect(port);
    client.reactor.setDeadline(first.conn, 100);
    client.reactor.abort(first.conn);
    client.reactor.setDeadline(first.conn, 100);
    await client.until(() => !first.isOpen, 'gone');
    const second = await client.connect(port);
    assert.equal(second.conn, first.conn);
    client.reactor.setDeadline(second.conn, 250);
    await client.until(() => second.deadlines === 1, 'its own deadline');
    assert.equal(first.deadlines, 0);
    assert.equal(client.stat('deadlines'), 1);
  });

  test('a handler that sets its deadline again keeps getting it', async (t) => {
    const client = new Subject(
      t,
      variant,
      {},
      {
        onDeadline: (conn) => client.reactor.setDeadline(conn, 1),
      },
    );
    const server = new Subject(t, variant);
    const seen = await client.connect(server.listen());
    client.reactor.setDeadline(seen.conn, 1);
    await client.until(() => seen.deadlines >= 3, 'three deadlines');
  });

  test('onTurn is called again after the time it asked for', async (t) => {
    const turns: number[] = [];
    const subject = new Subject(
      t,
      variant,
      {},
      {
        onTurn: (nowUs) => {
          turns.push(nowUs);
          return turns.length < 5 ? 20_000 : Number.POSITIVE_INFINITY;
        },
      },
    );
    await subject.until(() => turns.length >= 5, 'five turns');
    assert.ok(turns[4]! > turns[0]!);
  });
});
