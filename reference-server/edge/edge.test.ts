// What a connection may do and what becomes of it, with one worker and with two (so that every user's
// home is sometimes here and sometimes elsewhere).

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as encode from '#core/wire/mqtt/encode.ts';
import { CLOSE_CAUSE, type CloseCause } from '#reference-server/statistics/close-cause.ts';
import { STAT, STAT_CLOSED } from '#reference-server/statistics/worker-stats.ts';
import { SimulatedClient } from '#reference-server/test/simulated-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const KIB = 1024;

function settle(cluster: SimulatedCluster, ...clients: SimulatedClient[]): void {
  for (let i = 0; i < 6; i++) {
    for (const client of clients) client.push();
    cluster.turn();
    for (const client of clients) client.read();
  }
}

function logIn(
  cluster: SimulatedCluster,
  uid: string,
  options: { worker?: number; qos?: number; clean?: boolean; keepAliveS?: number } = {},
): SimulatedClient {
  const { workers } = cluster;
  const client = new SimulatedClient(workers[(options.worker ?? 0) % workers.length]!);
  client.connect(uid, options.clean ?? false, options.keepAliveS ?? 0);
  client.subscribe(1, [`m/${uid}`], options.qos ?? 1);
  client.subscribe(2, [`r/${uid}`], 0);
  settle(cluster, client);
  assert.equal(client.connack?.code, 0);
  assert.deepEqual(client.subacks, [[options.qos ?? 1], [0]]);
  return client;
}

function closed(cluster: SimulatedCluster, cause: CloseCause): number {
  return cluster.stat(STAT_CLOSED + CLOSE_CAUSE[cause]);
}

for (const count of [1, 2]) {
  describe(`${count} worker(s)`, () => {
    test('a message, its first and its second check mark', () => {
      const cluster = simulateCluster(count);
      const ann = logIn(cluster, 'ann');
      const bob = logIn(cluster, 'bob', { worker: 1 });
      ann.publish('m/bob', 1, 77, 'hello');
      settle(cluster, ann, bob);
      assert.deepEqual(ann.pubacks, [77]);
      assert.equal(bob.deliveries.length, 1);
      const { packetId, ...delivery } = bob.deliveries[0]!;
      assert.deepEqual(delivery, { topic: 'm/bob', text: 'hello', qos: 1, dup: false });
      assert.equal(ann.deliveries.length, 0);
      bob.puback(packetId);
      settle(cluster, ann, bob);
      assert.deepEqual(
        ann.deliveries.map(({ topic, text, qos }) => [topic, text, qos]),
        [['r/ann', 'bob 77', 0]],
      );
      assert.equal(cluster.stat(STAT.queued), 0);
      assert.equal(cluster.stat(STAT.delivered), 1);
      assert.equal(cluster.stat(STAT.receipts), 1);
    });

    test('what waits for a user who is away comes in order, with DUP only on what was sent before', () => {
      const cluster = simulateCluster(count);
      const ann = logIn(cluster, 'ann');
      logIn(cluster, 'bob').disconnect();
      for (let i = 1; i <= 30; i++) ann.publish('m/bob', 1, i, `no ${i}`);
      settle(cluster, ann);
      assert.equal(ann.pubacks.length, 30);
      const bob = logIn(cluster, 'bob', { worker: 1 });
      assert.equal(bob.connack?.present, true);
      // The window: twenty without an answer, no more.
      assert.equal(bob.deliveries.length, SMALL_LIMITS.windowMessagesMax);
      bob.hangUp(true);
      settle(cluster, ann);
      const again = logIn(cluster, 'bob');
      const first = again.deliveries.map(({ text, dup, packetId }) => [text, dup, packetId]);
      const before = bob.deliveries.map(({ text, packetId }) => [text, true, packetId]);
      assert.deepEqual(first, before);
      for (let i = 0; i < 30; i++) {
        again.puback(again.deliveries[i]!.packetId);
        settle(cluster, again);
      }
      assert.deepEqual(
        again.deliveries.map(({ text }) => text),
        Array.from({ length: 30 }, (_, i) => `no ${i + 1}`),
      );
      assert.equal(again.deliveries.filter(({ dup }) => dup).length, 20);
      assert.equal(cluster.stat(STAT.queued), 0);
    });

    test('a user nobody has seen yet gets a mailbox, up to a share of the table', () => {
      const cluster = simulateCluster(count, { ...SMALL_LIMITS, usersMax: 10 });
      const ann = logIn(cluster, 'ann', { clean: true });
      for (let i = 1; i <= 40; i++) ann.publish(`m/stranger-${i}`, 1, i, 'hi');
      settle(cluster, ann);
      assert.equal(ann.pubacks.length, 5 * count);
      assert.equal(cluster.stat(STAT.withheld), 40 - 5 * count);
      // Real users still get in.
      const stranger = logIn(cluster, `stranger-${ann.pubacks[0]}`);
      assert.deepEqual(
        stranger.deliveries.map(({ text, dup }) => [text, dup]),
        [['hi', false]],
      );
      assert.equal(stranger.connack?.present, false);
    });

    test('a full table of users answers CONNACK 0x03', () => {
      const cluster = simulateCluster(count, { ...SMALL_LIMITS, usersMax: 4 });
      const refused: SimulatedClient[] = [];
      for (let i = 0; i < 20; i++) {
        const client = new SimulatedClient(cluster.workers[i % count]!);
        client.connect(`user-${i}`, false);
        settle(cluster, client);
        if (client.connack?.code === 3) refused.push(client);
        else assert.equal(client.connack?.code, 0);
      }
      assert.ok(refused.length >= 20 - 4 * count && refused.every(({ isOpen }) => !isOpen));
      assert.equal(closed(cluster, 'usersFull'), refused.length);
    });

    test('a clean session leaves nothing behind, and throws away what was there', () => {
      const cluster = simulateCluster(count);
      const ann = logIn(cluster, 'ann');
      logIn(cluster, 'bob').disconnect();
      ann.publish('m/bob', 1, 1, 'for the old session');
      settle(cluster, ann);
      const clean = logIn(cluster, 'bob', { clean: true, worker: 1 });
      assert.equal(clean.connack?.present, false);
      assert.equal(clean.deliveries.length, 0);
      assert.equal(cluster.stat(STAT.discarded), 1);
      ann.publish('m/bob', 1, 2, 'not acknowledged');
      settle(cluster, ann, clean);
      assert.equal(clean.deliveries.length, 1);
      clean.disconnect();
      settle(cluster, ann);
      assert.equal(cluster.stat(STAT.discarded), 2);
      assert.equal(
        cluster.workers.reduce((sum, { home }) => sum + home.users.count, 0),
        1,
      );
    });

    test('the same client id again takes over', () => {
      const cluster = simulateCluster(count);
      const ann = logIn(cluster, 'ann');
      const old = logIn(cluster, 'bob');
      ann.publish('m/bob', 1, 1, 'x');
      settle(cluster, ann, old);
      const fresh = logIn(cluster, 'bob', { worker: 1 });
      assert.equal(old.isOpen, false);
      assert.equal(closed(cluster, 'takenOver'), 1);
      assert.deepEqual(
        fresh.deliveries.map(({ text, dup }) => [text, dup]),
        [['x', true]],
      );
      assert.equal(cluster.stat(STAT.sessions), 2);
      // The end of the old connection does not log the new one out.
      settle(cluster, fresh);
      ann.publish('m/bob', 1, 2, 'y');
      settle(cluster, ann, fresh);
      assert.equal(fresh.deliveries.length, 2);
    });

    test('a mailbox at its limit: the PUBACK stays out, and after the grace the sender is closed', () => {
      const cluster = simulateCluster(count, { ...SMALL_LIMITS, mailboxMessagesMax: 3 });
      logIn(cluster, 'bob').disconnect();
      const ann = logIn(cluster, 'ann', { worker: 1 });
      for (let id = 1; id <= 5; id++) ann.publish('m/bob', 1, id, 'x');
      settle(cluster, ann);
      assert.deepEqual(ann.pubacks, [1, 2, 3]);
      assert.equal(cluster.stat(STAT.withheld), 2);
      assert.ok(ann.isOpen);
      cluster.clock.advance(cluster.limits.withheldGraceMs + 100);
      settle(cluster, ann);
      assert.equal(ann.isOpen, false);
      assert.equal(closed(cluster, 'withheld'), 1);
    });

    test('QoS 0: delivered to who is there, dropped for who is away', () => {
      const cluster = simulateCluster(count);
      const ann = logIn(cluster, 'ann');
      const bob = logIn(cluster, 'bob', { worker: 1 });
      ann.publish('m/bob', 0, 0, 'now');
      settle(cluster, ann, bob);
      assert.deepEqual(
        bob.deliveries.map(({ text, qos }) => [text, qos]),
        [['now', 0]],
      );
      bob.disconnect();
      settle(cluster, ann);
      ann.publish('m/bob', 0, 0, 'later');
      ann.publish('m/nobody', 0, 0, 'never');
      settle(cluster, ann);
      assert.equal(cluster.stat(STAT.dropped), 2);
      assert.equal(cluster.stat(STAT.delivered), 1);
      assert.equal(ann.deliveries.length, 0);
    });

    test('a QoS 0 subscription gets stored messages without packet id, and the sender its receipt', () => {
      const cluster = simulateCluster(count);
      logIn(cluster, 'bob').disconnect();
      const ann = logIn(cluster, 'ann', { worker: 1 });
      for (let id = 1; id <= 50; id++) ann.publish('m/bob', 1, id, `no ${id}`);
      settle(cluster, ann);
      const bob = logIn(cluster, 'bob', { qos: 0, worker: 1 });
      settle(cluster, ann, bob);
      // The session's old QoS 1 subscription sends a first window before the new SUBSCRIBE is read.
      for (const { packetId } of bob.deliveries.filter(({ qos }) => qos === 1))
        bob.puback(packetId);
      settle(cluster, ann, bob);
      assert.deepEqual(
        [...new Set(bob.deliveries.map(({ text }) => text))],
        Array.from({ length: 50 }, (_, i) => `no ${i + 1}`),
      );
      assert.equal(cluster.stat(STAT.queued), 0);
      assert.equal(ann.deliveries.length, 50);
    });

    test('nobody subscribes to more than the own mailbox and receipts', () => {
      const cluster = simulateCluster(count);
      const ann = logIn(cluster, 'ann');
      ann.subscribe(9, ['m/bob', '#', 'm/+', 'r/bob', 'm/ann/x', 'm/', 'x/ann', 'm/ann'], 2);
      settle(cluster, ann);
      assert.deepEqual(ann.subacks.at(-1), [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]);
      assert.equal(cluster.stat(STAT.subscriptionsRefused), 7);
    });

    test('without a subscription nothing comes, and nothing is lost', () => {
      const cluster = simulateCluster(count);
      const ann = logIn(cluster, 'ann');
      const bob = logIn(cluster, 'bob', { worker: 1 });
      bob.unsubscribe(4, ['m/bob']);
      settle(cluster, bob);
      ann.publish('m/bob', 1, 1, 'x');
      settle(cluster, ann, bob);
      assert.equal(bob.deliveries.length, 0);
      bob.subscribe(5, ['m/bob'], 1);
      settle(cluster, bob);
      assert.equal(bob.deliveries.length, 1);
    });

    test('a message to a topic nobody can read is acknowledged and forgotten', () => {
      const cluster = simulateCluster(count);
      const ann = logIn(cluster, 'ann');
      for (const topic of ['news', 'm', 'm/', 'r/bob', `m/${'x'.repeat(65)}`, '$SYS/x']) {
        ann.publish(topic, 1, 5, 'x');
      }
      ann.publish('news', 0, 0, 'x');
      settle(cluster, ann);
      assert.equal(ann.pubacks.length, 6);
      assert.equal(cluster.stat(STAT.foreign), 7);
      assert.equal(cluster.stat(STAT.queued), 0);
    });

    test('everything in one write, and everything byte by byte, also before CONNACK', () => {
      for (const cuts of [[], Array.from({ length: 200 }, (_, i) => i)]) {
        const cluster = simulateCluster(count);
        const bob = logIn(cluster, 'bob');
        const out = new Uint8Array(1000);
        let end = encode.encodeConnect(out, 0, {
          clientId: 'ann',
          keepAliveS: 9,
          cleanSession: true,
        });
        end = encode.encodeSubscribe(out, end, 3, ['r/ann'], 0);
        const topic = Buffer.from('m/bob');
        for (let id = 1; id <= 3; id++) {
          const payload = Buffer.from(`no ${id}`);
          end = encode.encodePublish(
            out,
            end,
            topic,
            topic.length,
            1,
            id,
            false,
            false,
            payload,
            0,
            payload.length,
          );
        }
        end = encode.encodePingreq(out, end);
        const ann = new SimulatedClient(cluster.workers.at(-1)!);
        ann.sendBytes(out.slice(0, end), cuts);
        for (let i = 0; i < 40; i++) settle(cluster, ann, bob);
        assert.deepEqual(ann.pubacks, [1, 2, 3]);
        assert.equal(ann.pingresps, 1);
        assert.deepEqual(
          bob.deliveries.map(({ text }) => text),
          ['no 1', 'no 2', 'no 3'],
        );
        for (const { edge } of cluster.workers) assert.equal(edge.partials.usedBytes, 0);
      }
    });

    test('silence: before CONNECT, before its end, and past one and a half keep-alives', () => {
      const cluster = simulateCluster(count);
      const silent = new SimulatedClient(cluster.workers[0]!);
      const slow = new SimulatedClient(cluster.workers[0]!);
      slow.sendBytes(Uint8Array.of(0x10, 0x20, 0x00));
      const alive = logIn(cluster, 'alive', { keepAliveS: 10 });
      const dead = logIn(cluster, 'dead', { keepAliveS: 10 });
      const patient = logIn(cluster, 'patient');
      for (let second = 0; second < 20; second++) {
        cluster.clock.advance(1000);
        if (second % 9 === 0) alive.ping();
        settle(cluster, alive, dead, patient);
      }
      assert.deepEqual([silent.isOpen, slow.isOpen, dead.isOpen], [false, false, false]);
      assert.deepEqual([alive.isOpen, patient.isOpen], [true, true]);
      assert.equal(closed(cluster, 'loginTimeout'), 2);
      assert.equal(closed(cluster, 'keepAlive'), 1);
      assert.equal(cluster.stat(STAT.sessions), 2);
      assert.equal(alive.pingresps, 3);
    });

    test('a name for who has none, none for who cannot have one', () => {
      const cluster = simulateCluster(count);
      const answer = (uid: string, clean: boolean): number | undefined => {
        const client = new SimulatedClient(cluster.workers[0]!);
        client.connect(uid, clean);
        settle(cluster, client);
        assert.equal(client.isOpen, client.connack?.code === 0);
        return client.connack?.code;
      };
      assert.equal(answer('', true), 0);
      assert.equal(answer('', true), 0);
      assert.equal(answer('', false), 2);
      assert.equal(answer('a+b', true), 2);
      assert.equal(answer('#', true), 2);
      assert.equal(answer('x'.repeat(65), true), 2);
      assert.equal(answer('x'.repeat(64), true), 0);
      assert.equal(closed(cluster, 'clientId'), 4);
    });
  });
}

test('a client that sends and never reads answers is not read further, and nothing grows', () => {
  const cluster = simulateCluster(1);
  const greedy = logIn(cluster, 'greedy');
  const { reactor } = cluster.workers[0]!;
  const connection = greedy.connection;
  connection.isSlow = true;
  const pings = new Uint8Array(4 * KIB);
  for (let at = 0; at < pings.length; at += 2) pings[at] = 0xc0;
  for (let i = 0; i < 100; i++) greedy.sendBytes(pings);
  assert.ok(connection.isPaused);
  assert.ok(reactor.outputBytes(connection.conn) <= 72 * KIB);
  assert.ok(greedy.isOpen);
  // It reads at last: the rest is read and answered too.
  for (let i = 0; i < 200; i++) {
    cluster.clock.advance(25);
    settle(cluster, greedy);
  }
  assert.equal(greedy.pingresps, 100 * 2 * KIB);
});

test('a slow reader: QoS 0 and receipts are dropped, stored messages wait in the mailbox', () => {
  const cluster = simulateCluster(1);
  const ann = logIn(cluster, 'ann');
  const bob = logIn(cluster, 'bob');
  bob.connection.isSlow = true;
  const text = 'x'.repeat(KIB);
  for (let id = 1; id <= 100; id++) {
    ann.publish('m/bob', 0, 0, text);
    ann.publish('m/bob', 1, id, text);
  }
  settle(cluster, ann);
  assert.equal(ann.pubacks.length, 100);
  assert.ok(cluster.stat(STAT.dropped) >= 60);
  assert.ok(bob.connection.output.length <= 80 * KIB, String(bob.connection.output.length));
  assert.equal(cluster.stat(STAT.queued), 100);
  bob.connection.isSlow = false;
  settle(cluster, ann, bob);
  let acknowledged = 0;
  while (acknowledged < bob.deliveries.length) {
    const { qos, packetId } = bob.deliveries[acknowledged++]!;
    if (qos === 1) bob.puback(packetId);
    settle(cluster, bob);
  }
  assert.equal(cluster.stat(STAT.queued), 0);
  assert.equal(bob.deliveries.filter((delivery) => delivery.qos === 1).length, 100);
});

test('a slow reader with a QoS 0 subscription gets its mailbox as fast as it reads', () => {
  const cluster = simulateCluster(2);
  const ann = logIn(cluster, 'ann');
  const bob = logIn(cluster, 'bob', { qos: 0, worker: 1 });
  bob.connection.isSlow = true;
  for (let id = 1; id <= 300; id++) ann.publish('m/bob', 1, id, `${id} `.padEnd(KIB, '.'));
  settle(cluster, ann);
  assert.equal(ann.pubacks.length, 300);
  assert.ok(bob.connection.output.length <= 80 * KIB);
  for (let i = 0; i < 100; i++) {
    cluster.clock.advance(25);
    settle(cluster, ann, bob);
  }
  assert.deepEqual(
    bob.deliveries.map(({ text }) => Number.parseInt(text, 10)),
    Array.from({ length: 300 }, (_, i) => i + 1),
  );
  assert.equal(cluster.stat(STAT.queued), 0);
});

test('a link that is behind: its publishers wait, nothing is lost', () => {
  const limits = {
    ...SMALL_LIMITS,
    linkBacklogBytesSoftMax: KIB,
    linkBacklogBytesMax: 64 * KIB,
  };
  const cluster = simulateCluster(2, limits, 1024);
  const [first, second] = cluster.workers as [
    (typeof cluster.workers)[0],
    (typeof cluster.workers)[0],
  ];
  const users = ['ann', 'bob', 'cid', 'dan', 'eve'].map((uid) =>
    logIn(cluster, uid, { worker: 0 }),
  );
  const home = second.home;
  const isRemote = (uid: string): boolean => {
    const bytes = Buffer.from(uid);
    return home.users.find(bytes, 0, bytes.length, home.users.hashOf(bytes, 0, bytes.length)) >= 0;
  };
  const remote = ['ann', 'bob', 'cid', 'dan', 'eve'].filter(isRemote);
  assert.ok(remote.length > 0 && remote.length < 5);
  const sender = users[0]!;
  // The second worker stands still; the first goes on.
  for (let id = 1; id <= 30; id++) sender.publish(`m/${remote[0]}`, 1, id, 'x'.repeat(200));
  for (let i = 0; i < 5; i++) first.reactor.turn();
  for (let id = 31; id <= 60; id++) sender.publish(`m/${remote[0]}`, 1, id, 'x'.repeat(200));
  assert.ok(sender.connection.isPaused);
  assert.ok(cluster.stat(STAT.throttled) >= 1);
  for (let i = 0; i < 60; i++) {
    cluster.clock.advance(25);
    settle(cluster, ...users);
  }
  assert.equal(sender.pubacks.length, 60);
  assert.equal(sender.connection.isPaused, false);
  assert.equal(cluster.stat(STAT.withheld), 0);
});

test('ten thousand claims of 256 MiB cost what was sent', () => {
  const limits = { ...SMALL_LIMITS, connectionsMax: 10_000, partialBytesMax: 64 << 20 };
  const cluster = simulateCluster(1, limits);
  const clients = Array.from({ length: 10_000 }, () => new SimulatedClient(cluster.workers[0]!));
  for (const [i, client] of clients.entries()) {
    // Half claim a CONNECT of 256 MiB, half begin one of 4000 bytes and stop.
    client.sendBytes(
      i % 2 === 0
        ? Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f, 0x00)
        : Uint8Array.of(0x10, 0xa0, 0x1f, 0x00, 0x04, 0x4d),
    );
  }
  assert.ok(cluster.workers[0]!.edge.partials.usedBytes <= 5_000 * 16);
  cluster.turn();
  assert.equal(closed(cluster, 'tooLarge'), 5_000);
  cluster.clock.advance(5_100);
  cluster.turn();
  assert.equal(closed(cluster, 'loginTimeout'), 5_000);
  assert.equal(cluster.workers[0]!.edge.partials.usedBytes, 0);
  assert.equal(cluster.workers[0]!.reactor.connections, 0);
});

test('each kind of malformed input closes its own connection with its own cause', () => {
  const connect = (level: number, flags: number, ...rest: number[]): number[] => {
    const body = [0, 4, 77, 81, 84, 84, level, flags, 0, 0, ...rest];
    return [0x10, body.length, ...body];
  };
  const login = connect(4, 2, 0, 1, 120);
  const cases: [CloseCause, number[]][] = [
    ['connectExpected', [0xc0, 0]],
    ['connectTwice', [...login, ...login]],
    ['firstByte', [0x00, 0]],
    ['firstByte', [...login, 0xf1, 0]],
    ['unexpectedPacket', [...login, 0xf0, 0]],
    ['unexpectedPacket', [...login, 0x20, 2, 0, 0]],
    ['unexpectedPacket', [...login, 0xd0, 0]],
    ['lengthOverlong', [0x10, 0x80, 0x80, 0x80, 0x80, 1]],
    ['tooLarge', [0x10, 0xff, 0x7f]],
    ['tooLarge', [...login, 0x30, 0xff, 0xff, 0x7f]],
    ['truncated', [0x10, 3, 0, 4, 77]],
    ['truncated', [...login, 0x40, 1, 0]],
    ['trailing', connect(4, 2, 0, 1, 120, 0)],
    ['trailing', [...login, 0xc0, 1, 0]],
    ['text', connect(4, 2, 0, 1, 0)],
    ['text', [...login, 0x30, 4, 0, 2, 0xc3, 0x28]],
    ['protocolName', [0x10, 7, 0, 4, 77, 81, 84, 88, 4]],
    ['connectFlags', connect(4, 3, 0, 1, 120)],
    ['packetId', [...login, 0x32, 5, 0, 1, 97, 0, 0]],
    ['packetId', [...login, 0x82, 6, 0, 0, 0, 1, 97, 0]],
    ['topic', [...login, 0x30, 3, 0, 1, 0x23]],
    ['topic', [...login, 0x82, 7, 0, 1, 0, 2, 97, 0x23, 0]],
    ['qos', [...login, 0x36, 5, 0, 1, 97, 0, 1]],
    ['qos', [...login, 0x82, 6, 0, 1, 0, 1, 97, 3]],
    ['noFilter', [...login, 0x82, 2, 0, 1]],
    ['qos2', [...login, 0x34, 5, 0, 1, 97, 0, 1]],
    ['protocolLevel', connect(6, 2, 0, 1, 120)],
    ['protocolLevel', [0x10, 14, 0, 6, 77, 81, 73, 115, 100, 112, 4, 2, 0, 0, 0, 0]],
    ['disconnect', [...login, 0xe0, 0]],
  ];
  const cluster = simulateCluster(2);
  const bystander = logIn(cluster, 'bystander');
  for (const [cause, bytes] of cases) {
    const before = closed(cluster, cause);
    const bad = new SimulatedClient(cluster.workers[0]!);
    bad.sendBytes(Uint8Array.from(bytes));
    settle(cluster, bad);
    assert.equal(bad.isOpen, false, `${cause} ${bytes}`);
    assert.equal(closed(cluster, cause), before + 1, `${cause} ${bytes}`);
    if (cause === 'protocolLevel') assert.deepEqual(bad.connack, { present: false, code: 1 });
    assert.ok(bystander.isOpen);
  }
  bystander.ping();
  settle(cluster, bystander);
  assert.equal(bystander.pingresps, 1);
  assert.equal(cluster.stat(STAT.sessions), 1);
});
