import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LabState } from '#tui/model/lab-state.ts';
import { stateAfter } from '#tui/test/recorded-lab.ts';
import { type Effect, type Key, pressKey, selectedKnob } from '#tui/view/key-action.ts';
import { KEY_TABLE } from '#tui/view/key-table.ts';
import { initialView, type ViewState } from '#tui/view/view-state.ts';

const { state, nowUs } = stateAfter(20);

/** Presses keys one after the other; returns the view and the effects. */
function press(
  names: string[],
  start: Partial<ViewState> = {},
  of: LabState = state,
): { view: ViewState; effects: Effect[] } {
  let view: ViewState = { ...initialView(false), ...start };
  const effects: Effect[] = [];
  for (const name of names) {
    const outcome = pressKey(view, keyOf(name), of, nowUs);
    view = outcome.view;
    if (outcome.effect !== undefined) effects.push(outcome.effect);
  }
  return { view, effects };
}

const keyOf = (name: string): Key => ({ name, text: name.length === 1 ? name : '' });
const type = (text: string): string[] => [...text];

test('no key is bound twice, and every key that turns up in help is bound', () => {
  const keys = KEY_TABLE.flatMap((binding) => binding.keys);
  assert.equal(new Set(keys).size, keys.length);
  for (const { help, footer } of KEY_TABLE) {
    if (footer !== undefined) assert.ok(help, 'what the footer shows, help explains');
  }
});

test('read-only: knob keys turn nothing and say how to arm', () => {
  for (const key of ['[', ']', 'left', 'right', 'enter', 'u']) {
    const { view, effects } = press([key]);
    assert.deepEqual(effects, []);
    assert.match(view.notice?.text ?? '', /press k to arm/);
  }
});

test('k says whether there is a knob to turn', () => {
  const noticeOf = (of: LabState): string => press(['k'], {}, of).view.notice!.text;
  assert.equal(noticeOf(state), 'control armed: [ and ] turn the selected knob of the running lab');
  const alone = noticeOf(new LabState());
  assert.equal(alone, 'control armed, but there are no knobs: they appear while a lab runs');
});

test('k arms, ] turns the selected knob, u takes it back', () => {
  const { view, effects } = press(['k', 'down', 'down', 'down', ']', 'u']);
  assert.ok(view.control);
  assert.equal(selectedKnob(view, state)?.key, 'server/write.flush');
  const before = state.knob('server/write.flush')!.state.value;
  const other = before === 'turn' ? 'immediate' : 'turn';
  const turned = press(['k', 'down', 'down', 'down', other === 'immediate' ? ']' : '[', 'u']);
  assert.deepEqual(turned.effects, [
    { kind: 'turn', knob: 'server/write.flush', value: other },
    { kind: 'turn', knob: 'server/write.flush', value: before },
  ]);
  assert.ok(effects.length >= 0);
});

test('fast presses step on from what was asked for', () => {
  const own = stateAfter(20).state;
  const first = press(['k', ']'], {}, own);
  assert.deepEqual(first.effects, [{ kind: 'turn', knob: 'load/load.rate', value: 3000 }]);
  own.markPending('load/load.rate', 3000);
  const second = press([']'], { control: true }, own);
  assert.deepEqual(second.effects, [{ kind: 'turn', knob: 'load/load.rate', value: 5000 }]);
});

test('a typed value turns; a large step asks first; Esc and any key but y leave it', () => {
  const armed = { control: true };
  assert.deepEqual(press(['enter', ...type('2500'), 'enter'], armed).effects, [
    { kind: 'turn', knob: 'load/load.rate', value: 2500 },
  ]);
  const large = ['enter', ...type('9000'), 'enter'];
  assert.deepEqual(press(large, armed).effects, []);
  assert.deepEqual(press([...large, 'y'], armed).effects, [
    { kind: 'turn', knob: 'load/load.rate', value: 9000 },
  ]);
  assert.deepEqual(press([...large, 'q'], armed).effects, [], 'q answers the question with no');
  assert.deepEqual(press(['enter', ...type('9'), 'escape'], armed).effects, []);
  assert.match(press(['enter', ...type('ma'), 'enter'], armed).view.notice?.text ?? '', /'ma'/);
  const corrected = press(['enter', ...type('25009'), 'backspace', 'enter'], armed);
  assert.deepEqual(corrected.effects, [{ kind: 'turn', knob: 'load/load.rate', value: 2500 }]);
});

test('Ctrl-C quits also out of a prompt, a question and help', () => {
  for (const before of [[], ['?'], ['enter', '7'], ['enter', ...type('99999'), 'enter']]) {
    const { effects } = press([...before, 'C-c'], { control: true });
    assert.deepEqual(effects.at(-1), { kind: 'quit' });
  }
});

test('any key closes help and does nothing else', () => {
  const { view, effects } = press(['?', 'q']);
  assert.equal(view.help, false);
  assert.deepEqual(effects, []);
});

test('panels: a number shows one and again all; Tab goes round; Esc goes back', () => {
  assert.equal(press(['4']).view.panel, 'latency');
  assert.equal(press(['4', '4']).view.panel, undefined);
  assert.equal(press(['tab']).view.panel, 'sar');
  assert.equal(press(Array<string>(8).fill('tab')).view.panel, undefined);
  assert.equal(press(['S-tab']).view.panel, 'events');
  assert.equal(press(['3', 'escape']).view.panel, undefined);
});

test('without a lab every knob key says that there is none', () => {
  const empty = new LabState();
  for (const key of ['k', '[', ']', 'enter', 'u', 'up', 'down']) {
    const { effects, view } = press(['k', key], {}, empty);
    assert.deepEqual(effects, []);
    if (key !== 'k' && key !== 'up' && key !== 'down') assert.match(view.notice!.text, /no knobs/);
  }
});

test('any sequence of keys leaves a view that can be pressed on', () => {
  const keys = [
    ...KEY_TABLE.flatMap((binding) => binding.keys),
    'x',
    'y',
    'backspace',
    'M-q',
    'f5',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...keys), { maxLength: 40 }), (sequence) => {
      const { view } = press(sequence);
      assert.ok(view.undo.length <= 20);
      assert.ok((view.prompt?.text.length ?? 0) <= 24);
    }),
  );
});
