import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LabState } from '#tui/model/lab-state.ts';
import { printable, readBusMessage } from '#tui/model/message.ts';
import { recordedLab } from '#tui/test/recorded-lab.ts';

const TOPICS = [
  'wsar/l/h/server/row',
  'wsar/l/h/server/schema',
  'wsar/l/h/server/event',
  'wsar/l/knob/server/write.flush/state',
  'wsar/l/h/server/other',
  'wsar',
  '',
];

test('every message of a recorded run is understood', () => {
  for (const { topic, value } of recordedLab()) assert.ok(readBusMessage(topic, value), topic);
});

test('any JSON on any topic is understood or refused, and never throws, also not in the state', () => {
  fc.assert(
    fc.property(fc.constantFrom(...TOPICS), fc.jsonValue(), (topic, value) => {
      const message = readBusMessage(topic, value);
      if (message !== undefined) new LabState().apply(message, 1);
    }),
    { numRuns: 500 },
  );
});

test('a message of the right shape with one part exchanged never throws', () => {
  const recorded = recordedLab();
  fc.assert(
    fc.property(
      fc.nat(recorded.length - 1),
      fc.nat(20),
      fc.jsonValue(),
      (index, part, replacement) => {
        const { topic, value } = recorded[index]!;
        const keys = Object.keys(value);
        const damaged = { ...value, [keys[part % keys.length]!]: replacement };
        const message = readBusMessage(topic, damaged);
        if (message !== undefined) new LabState().apply(message, 1);
      },
    ),
    { numRuns: 500 },
  );
});

test('text of strangers cannot move the cursor or shift a column', () => {
  assert.equal(printable('a\x1b[2Jb\r\nc\x07'), 'a?[2Jb??c?');
  assert.equal(printable('漢字 🚀 e\u0301'), '?? ? e?');
  assert.equal(printable('turn → immediate ±3 µs'), 'turn → immediate ±3 µs');
  assert.equal(printable('x'.repeat(1000)).length, 200);
  const event = readBusMessage('wsar/l/h/s/event', {
    wallMs: 1,
    kind: 'note',
    text: '\x1b]0;x\x07',
  });
  assert.ok(event?.kind === 'event' && !event.event.text.includes('\x1b'));
});
