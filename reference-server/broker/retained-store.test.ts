import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_BROKER_LIMITS } from '#reference-server/broker/broker-limits.ts';
import { Message } from '#reference-server/broker/message.ts';
import { RetainedStore } from '#reference-server/broker/retained-store.ts';
import { NEVER } from '#reference-server/broker/session.ts';

test('a look at all of them sees each once, and ends, however fast they change meanwhile', () => {
  const store = new RetainedStore(DEFAULT_BROKER_LIMITS);
  const put = (topic: string): void => {
    const payload = Buffer.from('x');
    store.put(new Message(Buffer.from(topic), new Uint8Array(), payload, 0, true, NEVER), 0);
  };
  for (const topic of ['a', 'b', 'c']) put(topic);
  const seen: string[] = [];
  for (const { topic } of store.messages()) {
    seen.push(Buffer.from(topic).toString());
    // The one that was seen is published again, and so stands last; another is new.
    put(seen.at(-1)!);
    put(`new ${seen.length}`);
    assert.ok(seen.length < 10, `${seen}`);
  }
  assert.deepEqual(seen, ['a', 'b', 'c']);
});
