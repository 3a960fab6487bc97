// What a key does to the view: a pure function from the view before to the view after, plus at most one
// effect for the outside (turn a knob, quit). Prompts and questions take the keys first.

import type { KnobValue } from '#core/knob/knob.ts';
import { isLargeStep, readKnobValue, stepKnob } from '#tui/model/knob-step.ts';
import type { KnobEntry, LabState } from '#tui/model/lab-state.ts';
import { alertsOf } from '#tui/view/alert-rule.ts';
import { type Action, actionOf } from '#tui/view/key-table.ts';
import {
  PANEL_NAMES,
  type PanelName,
  SECONDS_PER_DOT,
  type ViewState,
} from '#tui/view/view-state.ts';

export type Effect =
  | { kind: 'quit' }
  | { kind: 'redraw' }
  | { kind: 'suspend' }
  | { kind: 'turn'; knob: string; value: KnobValue };

export interface Key {
  /** As in tui/view/key-table.ts. */
  name: string;
  /** The character that was typed, if it was one. */
  text: string;
}

export interface Outcome {
  view: ViewState;
  effect?: Effect;
}

const NOTICE_US = 4_000_000;
const PROMPT_LENGTH_MAX = 24;
const UNDO_MAX = 20;

export function pressKey(view: ViewState, key: Key, state: LabState, nowUs: number): Outcome {
  const action = actionOf(key.name);
  if (key.name === 'C-c') return { view, effect: { kind: 'quit' } };
  if (action === 'suspend' || action === 'redraw') return { view, effect: { kind: action } };
  if (view.prompt !== undefined) return typeInto(view, view.prompt, key, state, nowUs);
  if (view.confirm !== undefined) return answer(view, view.confirm, key, state, nowUs);
  if (view.help) return { view: { ...view, help: false } };
  return action === undefined ? { view } : act(view, action, key, state, nowUs);
}

/** The knob that keys turn: the selected one, or the first. */
export function selectedKnob(view: ViewState, state: LabState): KnobEntry | undefined {
  return (view.knob === undefined ? undefined : state.knob(view.knob)) ?? state.knobs[0];
}

function act(view: ViewState, action: Action, key: Key, state: LabState, nowUs: number): Outcome {
  switch (action) {
    case 'quit':
      return { view, effect: { kind: 'quit' } };
    case 'help':
      return { view: { ...view, help: true } };
    case 'freeze':
      return { view: toggleFreeze(view, nowUs) };
    case 'control':
      return { view: toggleControl(view, state, nowUs) };
    case 'knobPrevious':
      return { view: selectKnob(view, state, -1) };
    case 'knobNext':
      return { view: selectKnob(view, state, 1) };
    case 'knobUp':
      return step(view, state, 1, nowUs);
    case 'knobDown':
      return step(view, state, -1, nowUs);
    case 'knobType':
      return openPrompt(view, state, nowUs);
    case 'knobUndo':
      return undo(view, state, nowUs);
    case 'zoomIn':
      return { view: { ...view, zoom: Math.max(0, view.zoom - 1) } };
    case 'zoomOut':
      return { view: { ...view, zoom: Math.min(SECONDS_PER_DOT.length - 1, view.zoom + 1) } };
    case 'panelNext':
      return { view: showPanel(view, nextPanel(view.panel, 1)) };
    case 'panelPrevious':
      return { view: showPanel(view, nextPanel(view.panel, -1)) };
    case 'panelNumber':
      return { view: togglePanel(view, PANEL_NAMES[Number(key.name) - 1]!) };
    case 'back':
      return { view: showPanel(view, undefined) };
    case 'hostNext':
      return { view: { ...view, host: view.host + 1 } };
    case 'acknowledge':
      return { view: acknowledge(view, state, nowUs) };
    case 'redraw':
    case 'suspend':
      return { view, effect: { kind: action } };
  }
}

function toggleFreeze(view: ViewState, nowUs: number): ViewState {
  const { frozenSinceUs, ...moving } = view;
  return frozenSinceUs === undefined ? { ...view, frozenSinceUs: nowUs } : moving;
}

function toggleControl(view: ViewState, state: LabState, nowUs: number): ViewState {
  const armed =
    state.knobs.length === 0
      ? ', but there are no knobs: they appear while a lab runs'
      : ': [ and ] turn the selected knob of the running lab';
  const text = view.control ? 'read-only: keys turn no knob' : `control armed${armed}`;
  return withNotice({ ...view, control: !view.control }, text, nowUs);
}

function acknowledge(view: ViewState, state: LabState, nowUs: number): ViewState {
  const ids = alertsOf(state, nowUs).map(({ id }) => id);
  return { ...view, acknowledged: new Set(ids) };
}

/** Shows one line in the footer for a few seconds. */
export function withNotice(view: ViewState, text: string, nowUs: number): ViewState {
  return { ...view, notice: { text, untilUs: nowUs + NOTICE_US } };
}

function nextPanel(panel: PanelName | undefined, direction: 1 | -1): PanelName | undefined {
  // One place more than there are panels: all of them together.
  const count = PANEL_NAMES.length + 1;
  const index = panel === undefined ? 0 : PANEL_NAMES.indexOf(panel) + 1;
  return PANEL_NAMES[((index + direction + count) % count) - 1];
}

function togglePanel(view: ViewState, panel: PanelName): ViewState {
  return showPanel(view, view.panel === panel ? undefined : panel);
}

function showPanel(view: ViewState, panel: PanelName | undefined): ViewState {
  const { panel: _, ...rest } = view;
  return panel === undefined ? rest : { ...rest, panel };
}

function selectKnob(view: ViewState, state: LabState, direction: 1 | -1): ViewState {
  const { knobs } = state;
  if (knobs.length === 0) return view;
  const index = knobs.findIndex(({ key }) => key === selectedKnob(view, state)?.key) + direction;
  return { ...view, knob: knobs[Math.min(knobs.length - 1, Math.max(0, index))]!.key };
}

/** The knob that may be turned now, or a view that says why none may. */
function turnable(
  view: ViewState,
  state: LabState,
  nowUs: number,
): { knob: KnobEntry } | { knob: undefined; view: ViewState } {
  const knob = selectedKnob(view, state);
  if (knob === undefined) {
    const text = 'no knobs here: they appear while a lab runs';
    return { knob: undefined, view: withNotice(view, text, nowUs) };
  }
  if (!view.control) {
    const text = `read-only: press k to arm control, then turn ${knob.label}`;
    return { knob: undefined, view: withNotice(view, text, nowUs) };
  }
  return { knob };
}

function step(view: ViewState, state: LabState, direction: 1 | -1, nowUs: number): Outcome {
  const allowed = turnable(view, state, nowUs);
  if (allowed.knob === undefined) return { view: allowed.view };
  const { knob } = allowed;
  // Fast presses go on from what was asked for last, not from what is applied already.
  const from = knob.pending ?? knob.state.value;
  const value = stepKnob(knob.state.def.type, from, direction);
  if (value === from) {
    return { view: withNotice(view, `${knob.label} is at the end of its range`, nowUs) };
  }
  return turn(view, knob, value);
}

function turn(view: ViewState, knob: KnobEntry, value: KnobValue): Outcome {
  const undone = [...view.undo, { knob: knob.key, value: knob.state.value }].slice(-UNDO_MAX);
  return {
    view: { ...view, knob: knob.key, undo: undone },
    effect: { kind: 'turn', knob: knob.key, value },
  };
}

function undo(view: ViewState, state: LabState, nowUs: number): Outcome {
  const allowed = turnable(view, state, nowUs);
  if (allowed.knob === undefined) return { view: allowed.view };
  const last = view.undo.at(-1);
  if (last === undefined) return { view: withNotice(view, 'nothing was turned here yet', nowUs) };
  return {
    view: { ...view, knob: last.knob, undo: view.undo.slice(0, -1) },
    effect: { kind: 'turn', ...last },
  };
}

function openPrompt(view: ViewState, state: LabState, nowUs: number): Outcome {
  const allowed = turnable(view, state, nowUs);
  if (allowed.knob === undefined) return { view: allowed.view };
  return { view: { ...view, prompt: { knob: allowed.knob.key, text: '' } } };
}

function typeInto(
  view: ViewState,
  prompt: NonNullable<ViewState['prompt']>,
  key: Key,
  state: LabState,
  nowUs: number,
): Outcome {
  const { prompt: _, ...closed } = view;
  if (key.name === 'escape') return { view: closed };
  if (key.name === 'enter') return submit(closed, prompt, state, nowUs);
  const text =
    key.name === 'backspace'
      ? prompt.text.slice(0, -1)
      : (prompt.text + (/^[\x20-\x7e]$/.test(key.text) ? key.text : '')).slice(
          0,
          PROMPT_LENGTH_MAX,
        );
  return { view: { ...view, prompt: { ...prompt, text } } };
}

function submit(
  view: ViewState,
  prompt: NonNullable<ViewState['prompt']>,
  state: LabState,
  nowUs: number,
): Outcome {
  const knob = state.knob(prompt.knob);
  if (knob === undefined || prompt.text.trim() === '') return { view };
  const value = readKnobValue(knob.state.def.type, prompt.text);
  if (value === undefined) {
    return { view: withNotice(view, `${knob.label} does not take '${prompt.text}'`, nowUs) };
  }
  if (isLargeStep(knob.state.value, value)) {
    return { view: { ...view, confirm: { knob: knob.key, value } } };
  }
  return turn(view, knob, value);
}

function answer(
  view: ViewState,
  confirm: NonNullable<ViewState['confirm']>,
  key: Key,
  state: LabState,
  nowUs: number,
): Outcome {
  const { confirm: _, ...closed } = view;
  const knob = state.knob(confirm.knob);
  if (key.name !== 'y' || knob === undefined) {
    return { view: withNotice(closed, 'not turned', nowUs) };
  }
  return turn(closed, knob, confirm.value);
}
