import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ReadStream, WriteStream } from 'node:tty';
import { systemClock } from '#core/clock/clock.ts';
import { runScreen } from '#tui/app.ts';
import { FakeTerminal, fakeKeyboard } from '#tui/test/fake-terminal.ts';
import { LAB } from '#tui/test/recorded-lab.ts';
import { serveLab } from '#tui/test/served-lab.ts';
import { EmulatedScreen } from '#tui/test/terminal.ts';
import { type Theme, themeOf } from '#tui/view/theme.ts';

function setEnvironment(t: TestContext, values: Record<string, string>): void {
  const before = { ...process.env };
  Object.assign(process.env, values);
  t.after(() => {
    for (const name of Object.keys(values)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
}

test('a bug while a frame is made gives the terminal back first, and then surfaces', async (t) => {
  const lab = await serveLab(t);
  setEnvironment(t, { WSAR_BUS_URL: lab.url, WSAR_LAB: LAB });
  const terminal = new FakeTerminal(120, 36);
  const emulated = new EmulatedScreen(120, 36);
  const signs = themeOf('braille').signs;
  let isBroken = false;
  const theme: Theme = {
    symbols: 'braille',
    get signs() {
      if (isBroken) throw new Error('a bug of the view');
      return signs;
    },
  };
  const listeners = process.listenerCount('SIGTSTP');
  const running = runScreen({
    root: '/nowhere',
    clock: systemClock,
    signal: new AbortController().signal,
    input: fakeKeyboard() as unknown as ReadStream,
    output: terminal as unknown as WriteStream,
    theme,
    colours: 256,
    control: false,
    once: false,
  });
  while (!terminal.written.includes('STARTING')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await emulated.write(terminal.take());
  assert.equal(emulated.bufferType, 'alternate');
  isBroken = true;
  lab.publishUntil(3);
  await assert.rejects(running, /a bug of the view/);
  await emulated.write(terminal.take());
  assert.equal(emulated.bufferType, 'normal');
  assert.equal(process.listenerCount('SIGTSTP'), listeners, 'nothing stays behind');
});

test('at most ten frames a second, however many messages come', async (t) => {
  const lab = await serveLab(t);
  setEnvironment(t, { WSAR_BUS_URL: lab.url, WSAR_LAB: LAB });
  const terminal = new FakeTerminal(120, 36);
  const abort = new AbortController();
  const running = runScreen({
    root: '/nowhere',
    clock: systemClock,
    signal: abort.signal,
    input: fakeKeyboard() as unknown as ReadStream,
    output: terminal as unknown as WriteStream,
    theme: themeOf('braille'),
    colours: 256,
    control: false,
    once: false,
  });
  while (!terminal.written.includes('STARTING')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  terminal.take();
  const startUs = systemClock.monoUs();
  for (let i = 0; i < 40; i++) {
    lab.publishUntil(20);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const elapsedS = (systemClock.monoUs() - startUs) / 1e6;
  const frames = terminal.take().split('\x1b[?2026h').length - 1;
  abort.abort('SIGTERM');
  assert.equal(await running, 0);
  t.diagnostic(`${frames} frames in ${elapsedS.toFixed(2)} s`);
  assert.ok(frames <= Math.ceil(elapsedS * 10) + 1, `${frames} frames in ${elapsedS} s`);
});
