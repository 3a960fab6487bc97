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

test('a word of a knob that cannot be shown as it is makes the message malformed', () => {
  const state = (value: unknown, values: unknown[]): unknown => ({
    def: { name: 'k', type: { kind: 'enum', values }, unit: '', default: 'a', help: '' },
    value,
    appliedWallMs: 1,
    by: 'x',
    id: '',
  });
  const read = (value: unknown): unknown => readBusMessage('wsar/l/knob/o/k/state', value);
  assert.ok(read(state('a', ['a', 'b'])));
  assert.equal(read(state('a\x1b[2J', ['a'])), undefined);
  assert.equal(read(state('a', ['a', '\x07'])), undefined);
  assert.equal(read(state('a', Array<string>(65).fill('a'))), undefined);
});

test('what is kept of a message is bounded', () => {
  const values = Object.fromEntries(Array.from({ length: 20_001 }, (_, i) => [`m${i}`, i]));
  const row = { wallMs: 1, tick: 1, missedTicks: 0, intervalUs: 1, values };
  assert.equal(readBusMessage('wsar/l/h/s/row', row), undefined);
  const event = {
    wallMs: 1,
    kind: 'knob',
    text: 'x',
    data: { old: 'a', value: 'b', blob: 'x'.repeat(1e6) },
  };
  const message = readBusMessage('wsar/l/h/s/event', event);
  assert.ok(JSON.stringify(message).length < 200);
});
