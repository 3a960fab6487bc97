import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import {
  MessageHeader,
  PAYLOAD_BYTES_MIN,
  USERS_MAX,
  UserPackets,
  uidOf,
} from '#loadgen/user-packets.ts';

/** The packets that another MQTT implementation reads from the bytes. */
function parse(bytes: Uint8Array): mqttPacket.Packet[] {
  const parser = mqttPacket.parser({ protocolVersion: 4 });
  const packets: mqttPacket.Packet[] = [];
  parser.on('packet', (packet) => packets.push(packet));
  parser.parse(Buffer.from(bytes));
  return packets;
}

const users = fc.integer({ min: 0, max: USERS_MAX - 1 });

test('the login of any user is a CONNECT and a SUBSCRIBE to his mailbox and receipts', () => {
  const packets = new UserPackets({
    level: 4,
    keepAliveS: 60,
    isCleanSession: true,
    receipts: true,
    payloadBytes: 64,
    run: 1,
    uidOffset: 0,
  });
  fc.assert(
    fc.property(users, (user) => {
      packets.writeLogin(user);
      const [connect, subscribe, ...more] = parse(packets.login);
      const uid = uidOf(user);
      assert.equal(more.length, 0);
      assert.ok(connect?.cmd === 'connect' && subscribe?.cmd === 'subscribe');
      assert.deepEqual(
        [connect.clientId, connect.keepalive, connect.clean, connect.protocolVersion],
        [uid, 60, true, 4],
      );
      assert.deepEqual(
        subscribe.subscriptions.map(({ topic, qos }) => [topic, qos]),
        [
          [`m/${uid}`, 1],
          [`r/${uid}`, 0],
        ],
      );
    }),
  );
});

test('people subscribe to their group and contacts too, and their will tells that they are gone', () => {
  const ties = {
    groupOf: (user: number): number => (user % 2 === 0 ? user / 2 : -1),
    contactOf: (user: number, contact: number): number => user + 1 + contact,
  };
  for (const level of [4, 5]) {
    const packets = new UserPackets(
      {
        ...{ level, keepAliveS: 60, isCleanSession: true, receipts: false, payloadBytes: 64 },
        ...{ run: 1, uidOffset: 0, contacts: 2, announces: true },
      },
      ties,
    );
    for (const user of [8, 9]) {
      packets.writeLogin(user);
      const parser = mqttPacket.parser({ protocolVersion: level });
      const said: mqttPacket.Packet[] = [];
      parser.on('packet', (packet) => said.push(packet));
      parser.parse(Buffer.from(packets.login));
      const [connect, subscribe] = said;
      assert.ok(connect?.cmd === 'connect' && subscribe?.cmd === 'subscribe' && said.length === 2);
      assert.deepEqual(
        [connect.will?.topic, String(connect.will?.payload), connect.will?.qos],
        [`p/${uidOf(user)}`, 'offline', 0],
      );
      const group: [string, number][] = user === 8 ? [[`g/${uidOf(4)}`, 1]] : [];
      assert.deepEqual(
        subscribe.subscriptions.map(({ topic, qos }) => [topic, qos]),
        [
          [`m/${uidOf(user)}`, 1],
          ...group,
          [`p/${uidOf(user + 1)}`, 0],
          [`p/${uidOf(user + 2)}`, 0],
        ],
      );
      assert.equal(packets.groupFilterOf(user), user === 8 ? 1 : -1);
    }
  }
});

test('a second population has users of its own', () => {
  const packets = new UserPackets({
    level: 4,
    keepAliveS: 60,
    isCleanSession: true,
    receipts: true,
    payloadBytes: 64,
    run: 1,
    uidOffset: 5000,
  });
  packets.writeLogin(7);
  packets.writePublish(7, 8, 1, 0, 0, 0);
  const connect = parse(packets.login)[0];
  const publish = parse(packets.publish)[0];
  assert.ok(connect?.cmd === 'connect' && publish?.cmd === 'publish');
  assert.deepEqual([connect.clientId, publish.topic], [uidOf(5007), `m/${uidOf(5008)}`]);
});

test('without receipts only the mailbox is subscribed', () => {
  const packets = new UserPackets({
    level: 4,
    keepAliveS: 0,
    isCleanSession: true,
    receipts: false,
    payloadBytes: 64,
    run: 1,
    uidOffset: 0,
  });
  packets.writeLogin(3);
  const subscribe = parse(packets.login)[1];
  assert.ok(subscribe?.cmd === 'subscribe');
  assert.deepEqual(
    subscribe.subscriptions.map(({ topic }) => topic),
    [`m/${uidOf(3)}`],
  );
});

test('a message says where it goes, and its payload comes back as it was written', () => {
  fc.assert(
    fc.property(
      users,
      users,
      fc.integer({ min: 1, max: 65_535 }),
      fc.integer({ min: 0, max: 2 ** 45 }),
      fc.double({ min: 0, max: 1e13, noNaN: true }),
      fc.integer({ min: PAYLOAD_BYTES_MIN, max: 20_000 }),
      (sender, receiver, packetId, index, dueUs, payloadBytes) => {
        const run = 0xfedcba98;
        const packets = new UserPackets({
          level: 4,
          keepAliveS: 60,
          isCleanSession: true,
          receipts: true,
          payloadBytes,
          run,
          uidOffset: 0,
        });
        packets.writePublish(sender, receiver, packetId, index, dueUs, dueUs + 17.5);
        const [publish] = parse(packets.publish);
        assert.ok(publish?.cmd === 'publish');
        assert.deepEqual(
          [publish.topic, publish.qos, publish.messageId, publish.payload.length],
          [`m/${uidOf(receiver)}`, 1, packetId, payloadBytes],
        );
        const payload = publish.payload as Buffer;
        const header = new MessageHeader(run);
        assert.ok(header.read(payload, 0, payload.length));
        assert.deepEqual(
          [header.index, header.intendedUs, header.sentUs, header.sender],
          [index, dueUs, dueUs + 17.5, sender],
        );
        assert.equal(new MessageHeader(run - 1).read(payload, 0, payload.length), false);
      },
    ),
  );
});

test('strange payloads are not ours', () => {
  const header = new MessageHeader(7);
  assert.equal(header.read(new Uint8Array(10), 0, 10), false);
  assert.equal(header.read(new Uint8Array(100), 0, 100), false);
});

test('ping and disconnect are what the standard says', () => {
  const packets = new UserPackets({
    level: 4,
    keepAliveS: 60,
    isCleanSession: true,
    receipts: true,
    payloadBytes: 64,
    run: 1,
    uidOffset: 0,
  });
  assert.deepEqual(
    [parse(packets.ping)[0]?.cmd, parse(packets.disconnect)[0]?.cmd],
    ['pingreq', 'disconnect'],
  );
});
