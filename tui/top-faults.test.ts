// `wsar top` when what it watches, or where it is shown, misbehaves. Apart from the other tests of the
// command because these wait for time-outs.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { topic } from '#core/bus/topic.ts';
import { temporaryFolder } from '#test/command.ts';
import { HOST, LAB } from '#tui/test/recorded-lab.ts';
import { PtyCommand } from '#tui/test/terminal.ts';
import { childrenOf, ends, topOnLab } from '#tui/test/top-on-lab.ts';

// They mostly wait: several at a time.
describe('wsar top among faults', { concurrency: 4 }, () => {
  test('an unknown set of symbols, and a bus that does not answer, are said before the screen changes', async (t) => {
    const wrong = new PtyCommand(t, ['top', '--symbols', 'dots'], { cols: 100, rows: 24 });
    assert.equal(await wrong.exit(), 2);
    assert.match(wrong.text(), /'dots' is no set of symbols; use one of braille, block, ascii/);
    const env = { WSAR_BUS_URL: 'mqtt://u:t@127.0.0.1:1', WSAR_STATE_DIR: temporaryFolder(t) };
    const lost = new PtyCommand(t, ['top'], { cols: 100, rows: 24, env });
    assert.equal(await lost.exit(), 4);
    assert.match(lost.text(), /WSAR_ERR_UNREACHABLE/);
    assert.ok(!lost.output.includes('\x1b[?1049h'));
  });

  test('malformed messages are counted, silence is STALE, the end of the bus is LOST, and q still works', async (t) => {
    const { top, lab } = await topOnLab(t);
    for (const value of [null, 7, 'x', [], { wallMs: 'now', values: 3 }, { values: {} }]) {
      lab.bus.publish(topic.row(LAB, HOST, 'server'), value);
    }
    lab.bus.publish(topic.event(LAB, HOST, 'server'), {
      wallMs: 1,
      kind: 'party',
      text: '\x1b[2J',
    });
    lab.bus.publish(topic.knobState(LAB, 'server', 'write.flush'), {
      def: { type: { kind: 'enum' } },
    });
    await top.shows(/bad messages 8/);
    await top.shows(/\[STALE \d\.\d s\]/);
    await lab.close();
    await top.shows(/\[LOST\]/);
    await top.shows(/the bus of the lab does not answer any more|cannot be used/);
    top.press('q');
    assert.equal(await top.exit(), 0);
    assert.equal(top.bufferType, 'normal');
  });

  test('a terminal that is closed ends the screen and its collector', async (t) => {
    const env = { WSAR_STATE_DIR: temporaryFolder(t) };
    const top = new PtyCommand(t, ['top'], { cols: 120, rows: 36, env });
    await top.shows(/\[LIVE\]/);
    const { pid } = top.pty;
    const [collector] = childrenOf(pid);
    top.hangUp();
    await ends(pid);
    await ends(collector!);
  });

  test('a collector that dies is said and started again', async (t) => {
    const env = { WSAR_STATE_DIR: temporaryFolder(t) };
    const top = new PtyCommand(t, ['top'], { cols: 120, rows: 36, env });
    await top.shows(/\[LIVE\]/);
    const [collector] = childrenOf(top.pty.pid);
    process.kill(collector!, 'SIGKILL');
    await top.shows(/\[LOST\](.|\n)*the collector ended \(SIGKILL\); trying again/);
    await top.shows(/\[LIVE\]/);
    assert.notEqual(childrenOf(top.pty.pid)[0], collector);
    top.press('q');
    assert.equal(await top.exit(), 0);
  });
});
