import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutputQueue, type OutputSink } from '#collector/report/output-queue.ts';
import { VirtualClock } from '#core/clock/clock.ts';

/** A reader that takes `room` bytes and then none until it is given more. */
function reader() {
  const state = { room: Infinity, read: '', isGone: false };
  const sink: OutputSink = {
    close() {},
    write(bytes) {
      if (state.isGone) return -1;
      const taken = Math.min(bytes.length, state.room);
      state.room -= taken;
      state.read += Buffer.from(bytes.subarray(0, taken)).toString();
      return taken;
    },
  };
  return { state, sink };
}

function queue(bytesMax: number) {
  const clock = new VirtualClock();
  const { state, sink } = reader();
  let closed = 0;
  const output = new OutputQueue({ sink, clock, bytesMax, onClosed: () => closed++ });
  return { clock, state, output, closed: () => closed };
}

test('a reader that keeps up gets everything at once, and nothing is dropped', async () => {
  const { state, output } = queue(10);
  for (let i = 0; i < 100; i++) output.write('a row of more than ten bytes\n');
  assert.equal(state.read.length, 2900);
  assert.equal(output.dropped, 0);
  await output.close(1000);
});

test('what a stopped reader does not take waits; beyond the bound rows are dropped whole and told once', () => {
  const { clock, state, output } = queue(10);
  state.room = 3;
  for (let i = 0; i < 5; i++) output.write(`row${i}\n`);
  assert.equal(state.read, 'row');
  assert.equal(output.dropped, 3);
  assert.equal(output.takeLoss(), 0, 'no room to tell it');
  state.room = Infinity;
  clock.advance(100);
  assert.equal(state.read, 'row0\nrow1\n', 'no row is torn');
  assert.equal(output.takeLoss(), 3);
  assert.equal(output.takeLoss(), 0);
  output.write('row5\n');
  assert.equal(state.read, 'row0\nrow1\nrow5\n');
});

test('a reader that is gone ends it once, and later rows go nowhere', () => {
  const { state, output, closed } = queue(10);
  output.write('a\n');
  state.isGone = true;
  output.write('b\n');
  output.write('c\n');
  assert.equal(closed(), 1);
  assert.equal(state.read, 'a\n');
});

test('closing waits for a reader that comes back, not for one that does not', async () => {
  for (const comesBack of [true, false]) {
    const { clock, state, output } = queue(100);
    state.room = 0;
    output.write('the averages\n');
    const closed = output.close(1000);
    if (comesBack) state.room = Infinity;
    clock.advance(comesBack ? 100 : 1000);
    await closed;
    assert.equal(state.read, comesBack ? 'the averages\n' : '');
  }
});
