import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import { jsonProgress, textProgress } from '#lab/run/progress.ts';

/** The escape code that moves the cursor up. */
const UP = new RegExp(`${String.fromCharCode(27)}\\[\\d+A`, 'g');

function walk(columns: number | null, isUtf8 = true): string {
  const clock = new VirtualClock(Date.UTC(2026, 10, 23, 9, 15, 2));
  let text = '';
  const progress = textProgress({ clock, write: (part) => (text += part), columns, isUtf8 });
  progress.start('server', 'starting');
  clock.advance(800);
  progress.end('done', 'ready on 127.0.0.1:1883');
  progress.start('blocks', '12 pairs');
  for (let block = 1; block <= 7; block++) {
    clock.advance(6000);
    progress.update(`block ${block}`);
  }
  progress.end('failed', 'the server was lost');
  return text;
}

test('in a log: one line a phase with its time, and a sign of life in a long one', () => {
  assert.equal(
    walk(null),
    '09:15:02 ✓ server     ready on 127.0.0.1:1883 (0.8 s)\n' +
      '09:15:32 … blocks     block 5 (30.0 s)\n' +
      '09:15:44 ✗ blocks     the server was lost (42.0 s)\n',
  );
});

test('on a terminal: the list is drawn again in place, no line wider than the terminal', () => {
  const text = walk(24);
  const frames = text.split(UP);
  const last = frames.at(-1)!.replaceAll('\u001b[2K', '');
  assert.equal(last, '✓ server     ready on 1…\n✗ blocks     the server…\n');
  // Each frame goes up by as many lines as the one before it drew.
  assert.deepEqual(
    [...text.matchAll(UP)].map(([up]) => Number(up.slice(2, -1))),
    [1, 1, 2, 2, 2, 2, 2, 2, 2, 2],
  );
});

test('where only ASCII shows there is only ASCII', () => {
  assert.ok([...walk(24, false)].every((sign) => sign.codePointAt(0)! < 128));
  assert.match(walk(null, false), /^09:15:02 \+ server/);
});

test('with --json: one object a change', () => {
  const clock = new VirtualClock(1_700_000_000_000);
  let text = '';
  const progress = jsonProgress(clock, (part) => (text += part));
  progress.start('bus', 'starting');
  progress.end('left-out', 'none');
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(lines, [
    { kind: 'phase', wall_ms: 1_700_000_000_000, phase: 'bus', state: 'running', text: 'starting' },
    { kind: 'phase', wall_ms: 1_700_000_000_000, phase: 'bus', state: 'left-out', text: 'none' },
  ]);
});
