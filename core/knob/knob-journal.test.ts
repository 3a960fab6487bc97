import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KnobJournal } from '#core/knob/knob-journal.ts';
import { temporaryFolder } from '#test/command.ts';

/** An id that no process has: above the largest that the kernel gives. */
const DEAD_PID = 2 ** 22 + 1;

test('the first value of a knob is recorded, later ones change nothing, closing leaves no file', (t) => {
  const file = join(temporaryFolder(t), 'deep', 'knobs.ndjson');
  const journal = new KnobJournal(file);
  assert.equal(journal.readUnclosed(), undefined);
  journal.record('a', 'first', 1);
  journal.record('b', 2, 2);
  journal.record('a', 'second', 3);
  assert.deepEqual(
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line)),
    [
      { knob: 'a', old: 'first', wallMs: 1 },
      { knob: 'b', old: 2, wallMs: 2 },
    ],
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
  journal.close();
  assert.equal(existsSync(file), false);
  journal.close();
});

test('a journal that was cut or damaged anywhere gives its whole lines and never throws', (t) => {
  const file = join(temporaryFolder(t), 'knobs');
  const lines = [
    JSON.stringify({ pid: DEAD_PID, startTicks: 1 }),
    JSON.stringify({ knob: 'a', old: 'x', wallMs: 1 }),
    JSON.stringify({ knob: 'b', old: 7.5, wallMs: 2 }),
  ];
  const text = `${lines.join('\n')}\n`;
  const ends = [1, 2, 3].map((count) => lines.slice(0, count).join('\n').length + 1);
  for (let length = 0; length <= text.length; length++) {
    writeFileSync(file, text.slice(0, length));
    const unclosed = new KnobJournal(file).readUnclosed();
    const whole = ends.filter((end) => end <= length).length;
    assert.equal(unclosed?.entries.length, Math.max(0, whole - 1), `cut at ${length}`);
  }
  writeFileSync(file, `\0\0garbage\n${lines[1]}\n{"knob":5}\n[1]\nnull\n${lines[2]}\n`);
  const entries = new KnobJournal(file).readUnclosed()?.entries;
  assert.deepEqual(
    entries?.map(({ knob }) => knob),
    ['a', 'b'],
  );
});

test('the journal of a living process is not touched; of a dead one or its namesake it is', async (t) => {
  const file = join(temporaryFolder(t), 'knobs');
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  t.after(() => void other.kill('SIGKILL'));
  await once(other, 'spawn');
  const entry = JSON.stringify({ knob: 'a', old: 'x', wallMs: 1 });
  writeFileSync(file, `${JSON.stringify({ pid: other.pid, startTicks: null })}\n${entry}\n`);
  assert.throws(() => new KnobJournal(file).readUnclosed(), {
    code: 'WSAR_ERR_SYSTEM',
    message: new RegExp(`in use by process ${other.pid}`),
  });
  // The same number, but a process that started at another time.
  writeFileSync(file, `${JSON.stringify({ pid: other.pid, startTicks: 1 })}\n${entry}\n`);
  assert.equal(new KnobJournal(file).readUnclosed()?.entries.length, 1);
});

test('entries that could not be put back stay for the next start, beside new ones', (t) => {
  const file = join(temporaryFolder(t), 'knobs');
  const journal = new KnobJournal(file);
  journal.keep([{ knob: 'a', old: 'x', wallMs: 1 }]);
  journal.record('a', 'y', 2);
  journal.record('b', 'z', 3);
  journal.close();
  const { entries } = new KnobJournal(file).readUnclosed()!;
  assert.deepEqual(
    entries.map(({ knob, old }) => [knob, old]),
    [
      ['a', 'x'],
      ['b', 'z'],
    ],
  );
});
