import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTerminal } from '#core/host/terminal.ts';

test('colours: as many as the terminal has, none when they are switched off', () => {
  const colours = (env: NodeJS.ProcessEnv): number => readTerminal(env).colours;
  assert.equal(colours({ TERM: 'xterm-256color' }), 256);
  assert.equal(colours({ TERM: 'XTERM-256COLOR' }), 256);
  assert.equal(colours({ TERM: 'screen' }), 16);
  assert.equal(colours({ TERM: 'xterm', COLORTERM: 'truecolor' }), 256);
  assert.equal(colours({ TERM: 'vt100' }), 0);
  assert.equal(colours({ TERM: 'xterm-256color', NO_COLOR: '1' }), 0);
  assert.equal(colours({ TERM: 'xterm-256color', NO_COLOR: '' }), 256);
  assert.equal(colours({ TERM: 'dumb', COLORTERM: 'truecolor' }), 0);
});

test('a terminal without a name, and the one called dumb, cannot move the cursor', () => {
  assert.equal(readTerminal({}).canMove, false);
  assert.equal(readTerminal({ TERM: 'dumb' }).canMove, false);
  assert.equal(readTerminal({ TERM: 'linux' }).canMove, true);
});

test('the locale decides on UTF-8: LC_ALL before LC_CTYPE before LANG; the kernel console has none', () => {
  const isUtf8 = (env: NodeJS.ProcessEnv): boolean =>
    readTerminal({ TERM: 'xterm', ...env }).isUtf8;
  assert.ok(isUtf8({ LANG: 'de_DE.UTF-8' }));
  assert.ok(isUtf8({ LANG: 'C', LC_CTYPE: 'C.utf8' }));
  assert.ok(!isUtf8({ LANG: 'de_DE.UTF-8', LC_ALL: 'C' }));
  assert.ok(!isUtf8({ LANG: 'de_DE.UTF-8', TERM: 'linux' }));
  assert.ok(!isUtf8({}));
  assert.ok(isUtf8({ LC_ALL: '', LANG: 'C.UTF-8' }));
});
