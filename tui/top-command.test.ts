// `wsar top` as people use it: the real command in a real pseudo-terminal, watching a real bus, with
// every way in and every way out.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startWsar, temporaryFolder } from '#test/command.ts';
import { LAB } from '#tui/test/recorded-lab.ts';
import { announceLab, serveLab } from '#tui/test/served-lab.ts';
import { PtyCommand } from '#tui/test/terminal.ts';
import { childrenOf, ends, topOnLab } from '#tui/test/top-on-lab.ts';

const DOWN = '\x1b[B';

// They mostly wait: several at a time.
describe('wsar top', { concurrency: 4 }, () => {
  test('without a terminal: exit 2, one line, no escape code', async (t) => {
    const top = startWsar(t, ['top']);
    assert.equal(await top.exit(), 2);
    assert.equal(top.stdout(), '');
    assert.match(top.stderr(), /^wsar: stdout is not a terminal; .*\(WSAR_ERR_NO_TERMINAL\)\n$/);
    assert.ok(!top.stderr().includes('\x1b'));
  });

  test('a terminal that cannot move its cursor is none', async (t) => {
    const top = new PtyCommand(t, ['top'], { cols: 80, rows: 24, env: { TERM: 'dumb' } });
    assert.equal(await top.exit(), 2);
    assert.match(top.text(), /TERM is 'dumb', a terminal that cannot move its cursor/);
    assert.ok(!top.output.includes('\x1b'));
  });

  test('without a lab it starts a collector, shows this host, and ends it on q', async (t) => {
    const env = { WSAR_STATE_DIR: temporaryFolder(t) };
    const top = new PtyCommand(t, ['top'], { cols: 120, rows: 36, env });
    await top.shows(/no lab runs: this host only/);
    await top.shows(/\d\d:\d\d:\d\d +\d+ +\d+ +\d+ +\d+ +[\d ]+/);
    await top.shows(/\[LIVE\]/);
    await top.shows(/cpu user +% +[\d.]+/);
    const [collector] = childrenOf(top.pty.pid);
    assert.ok(collector, 'a collector was started');
    top.press('q');
    assert.equal(await top.exit(), 0);
    assert.equal(top.bufferType, 'normal');
    await ends(collector);
  });

  test('a lab that starts later is followed, and its end is said and stays on the screen', async (t) => {
    const folder = temporaryFolder(t);
    const top = new PtyCommand(t, ['top'], {
      cols: 120,
      rows: 36,
      env: { WSAR_STATE_DIR: folder },
    });
    await top.shows(/this host only/);
    const [collector] = childrenOf(top.pty.pid);
    const lab = await serveLab(t);
    const end = announceLab(folder, lab.url);
    // Knobs come last: when they are here, everything is subscribed.
    await top.shows(/▸ load\.rate/);
    lab.publishUntil(20);
    await top.shows(/\[LIVE\]/);
    await top.shows(/run run-7/);
    await ends(collector!);
    end();
    await top.shows(/\[LAB ENDED\]/);
    await top.shows(/!! lab recorded, run run-7, ended/);
    await top.shows(/target 2000/);
    top.press('q');
    assert.equal(await top.exit(), 0);
  });

  test('--once ends with the lab', async (t) => {
    const folder = temporaryFolder(t);
    const lab = await serveLab(t);
    const end = announceLab(folder, lab.url);
    const env = { WSAR_STATE_DIR: folder };
    const top = new PtyCommand(t, ['top', '--once'], { cols: 120, rows: 36, env });
    await top.shows(/lab recorded/);
    end();
    assert.equal(await top.exit(), 0);
    assert.equal(top.bufferType, 'normal');
  });

  test('the cells are where they belong, also after resizes, and q restores the terminal', async (t) => {
    const { top, lab } = await topOnLab(t);
    await top.shows(/20 ms|10 ms/);
    const head = top.lines()[3]!;
    const row = top.lines().findLast((line) => /^│\d\d:\d\d:\d\d +2000 /.test(line))!;
    assert.ok(row, top.text());
    const column = head.indexOf('conns') + 'conns'.length;
    assert.equal(row.slice(column - 4, column), '2000', 'numbers end below the end of their head');
    const y = top.lines().indexOf(row);
    const cell = top.terminal.buffer.active.getLine(y)!.getCell(column - 1)!;
    assert.equal(cell.getChars(), '0');
    assert.equal(cell.getWidth(), 1);
    assert.equal(top.lines()[2]!.slice(0, 20), '┌─ 1 sar, every 1 s ');

    top.resize(80, 24);
    await top.shows(/^(?!(.|\n)*3 connections)(.|\n)*2 decays/);
    top.resize(50, 10);
    await top.shows(/terminal too small: 50x10, need 60x15/);
    top.resize(200, 50);
    lab.publishNext();
    await top.shows(/3 connections.*\n(.*\n)*q quit/);
    assert.equal(top.lines()[49]!.slice(0, 6), 'q quit');
    top.press('q');
    assert.equal(await top.exit(), 0);
    assert.equal(top.bufferType, 'normal');
    assert.ok(top.output.endsWith('\x1b[?2026l') || top.output.includes('\x1b[?1049l'));
  });

  test('without colours, and in a locale without UTF-8, the picture is plain', async (t) => {
    const lab = await serveLab(t);
    const env = {
      WSAR_BUS_URL: lab.url,
      WSAR_LAB: LAB,
      LC_ALL: 'C',
      WSAR_STATE_DIR: temporaryFolder(t),
    };
    const top = new PtyCommand(t, ['top', '--no-color'], { cols: 120, rows: 36, env });
    await top.shows(/STARTING/);
    lab.publishUntil(20);
    await top.shows(/\[LIVE\]/);
    assert.match(top.text(), /^\+- 1 sar, every 1 s -+\+\+- 2 decays -+\+$/m);
    top.press('q');
    assert.equal(await top.exit(), 0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is the escape that is looked for
    assert.doesNotMatch(top.output, /\x1b\[[\d;]*[1-9][\d;]*m/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: everything but ASCII and escapes is wrong
    assert.match(top.output, /^[\x00-\x7f]*$/);
  });

  test('a knob is turned by key: armed with k, answered by its owner, a rule on the time line', async (t) => {
    const { top, lab } = await topOnLab(t);
    await top.shows(/▸ load\.rate/);
    top.press(']');
    await top.shows(/read-only: press k to arm control/);
    assert.equal(lab.knobs.get('load.rate'), 2000);
    top.press('k');
    await top.shows(/\[CONTROL\]/);
    top.press(']');
    await top.shows(/load\.rate is 3000/);
    assert.equal(lab.knobs.get('load.rate'), 3000);
    top.press(`${DOWN}]`);
    await top.shows(/server\.write\.flush is immediate/);
    assert.equal(lab.knobs.get('write.flush'), 'immediate');
    await top.shows(/knob +write\.flush turned from turn to immediate by top/);
    top.press('u');
    await top.shows(/server\.write\.flush is turn/);
    top.press('\x1b[A\r9000\r');
    await top.shows(/load\.rate: 3000 msg\/s → 9000 msg\/s is a large step/);
    top.press('y');
    await top.shows(/load\.rate is 9000/);
    assert.equal(lab.knobs.get('load.rate'), 9000);
    top.press('q');
    assert.equal(await top.exit(), 0);
  });

  test('frozen, the picture stands while rows come; moving again it shows them', async (t) => {
    const { top, lab } = await topOnLab(t);
    top.press(' ');
    await top.shows(/\[FROZEN 0 s\]/);
    const row = (): string | undefined =>
      top.lines().findLast((line) => /^│\d\d:\d\d:\d\d/.test(line));
    const before = row();
    lab.publishNext();
    await top.shows(/\[FROZEN 1 s\]/);
    assert.equal(row(), before);
    top.press(' ');
    await top.shows(/\[LIVE\]/);
    assert.notEqual(row(), before);
    top.press('q');
    await top.exit();
  });

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    test(`${signal} ends with ${code} and the terminal as it was`, async (t) => {
      const { top } = await topOnLab(t);
      process.kill(top.pty.pid, signal);
      assert.equal(await top.exit(), code);
      assert.equal(top.bufferType, 'normal');
    });
  }

  test('Ctrl-C quits like q; Ctrl-Z gives the terminal back and SIGCONT takes it again', async (t) => {
    const { top, lab } = await topOnLab(t);
    top.press('\x1a');
    await top.buffer('normal');
    await top.stopped();
    process.kill(top.pty.pid, 'SIGCONT');
    await top.buffer('alternate');
    lab.publishNext();
    await top.shows(/1 sar, every 1 s/);
    await top.shows(/\[LIVE\]/);
    top.press('\x03');
    assert.equal(await top.exit(), 0);
    assert.equal(top.bufferType, 'normal');
  });

  test('--plain writes lines without escape codes, to a pipe too', async (t) => {
    const lab = await serveLab(t);
    const env = { WSAR_BUS_URL: lab.url, WSAR_LAB: LAB, LC_ALL: 'C.UTF-8' };
    const top = startWsar(t, ['top', '--plain'], { env });
    await top.line(/# lab recorded live/);
    lab.publishUntil(20);
    await top.line(/time +conns.*\nUTC +conn/);
    await top.line(/\d\d:\d\d:\d\d +2000 +\d+/);
    await top.line(/── \d\d:\d\d:\d\d phase steady ──/);
    top.child.kill('SIGTERM');
    assert.equal(await top.exit(), 143);
    assert.ok(!top.stdout().includes('\x1b'));
    for (const line of top.stdout().split('\n')) assert.ok([...line].length <= 80, line);
  });
});
