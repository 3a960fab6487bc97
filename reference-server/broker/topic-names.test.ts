import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TopicName, TopicNames } from '#reference-server/broker/topic-names.ts';

test('names come back as bytes and text, are not those of the buffer, and are made once', () => {
  const names = new TopicNames();
  const packet = Buffer.from('..sensor/é/1..');
  const first = names.of(packet, 2, packet.length - 2);
  assert.equal(first.text, 'sensor/é/1');
  assert.deepEqual([...first.bytes], [...Buffer.from('sensor/é/1')]);
  packet.fill(0);
  assert.deepEqual([...first.bytes], [...Buffer.from('sensor/é/1')]);
  const again = Buffer.from('sensor/é/1');
  assert.equal(names.of(again, 0, again.length), first);
});

test('10,000 names that fight for 512 places are told apart, longer ones too', () => {
  const names = new TopicNames();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 10_000; i++) {
      const text = `t/${i}/${'x'.repeat(i % 200)}`;
      const bytes = Buffer.from(text);
      const name = names.of(bytes, 0, bytes.length);
      assert.equal(name.text, text);
      assert.equal(Buffer.compare(name.bytes, bytes), 0);
    }
  }
});

test('a publisher that goes on with ten topics makes ten names in 100,000 messages', () => {
  const names = new TopicNames();
  const topics = Array.from({ length: 10 }, (_, i) => Buffer.from(`site/${i}/value`));
  const made = new Set<TopicName>();
  for (let i = 0; i < 100_000; i++) {
    const topic = topics[i % 10]!;
    made.add(names.of(topic, 0, topic.length));
  }
  assert.equal(made.size, 10);
});
