// Every key, once: what binds it, what it does and how help and footer name it. A key that is not here
// does nothing; a footer or help that says more than this table cannot exist.

/** What a person can ask for. */
export type Action =
  | 'quit'
  | 'help'
  | 'freeze'
  | 'control'
  | 'knobDown'
  | 'knobUp'
  | 'knobPrevious'
  | 'knobNext'
  | 'knobType'
  | 'knobUndo'
  | 'zoomIn'
  | 'zoomOut'
  | 'panelNext'
  | 'panelPrevious'
  | 'panelNumber'
  | 'back'
  | 'hostNext'
  | 'acknowledge'
  | 'redraw'
  | 'suspend';

export interface KeyBinding {
  action: Action;
  /** Names as the terminal layer reports them: 'q', 'C-c', 'left', 'space'. */
  keys: readonly string[];
  /** How the keys are written in help, and what they do; a binding without shares the line before it. */
  help?: [string, string];
  /** Key and word as the footer shows them; without it the key stands in help only. */
  footer?: [string, string];
}

export const KEY_TABLE: readonly KeyBinding[] = [
  {
    action: 'quit',
    keys: ['q', 'S-q', 'C-c'],
    help: ['q Ctrl-C', 'quit; the terminal is as it was before'],
    footer: ['q', 'quit'],
  },
  {
    action: 'help',
    keys: ['?', 'h'],
    help: ['? h', 'this page; any key closes it'],
    footer: ['?', 'help'],
  },
  {
    action: 'control',
    keys: ['k'],
    help: ['k', 'arm control, or disarm it; [CONTROL] above says it is armed'],
    footer: ['k', 'control'],
  },
  {
    action: 'knobDown',
    keys: ['[', 'left'],
    help: ['[ ]', 'turn the selected knob down, up (also left and right arrow)'],
    footer: ['[ ]', 'turn knob'],
  },
  { action: 'knobUp', keys: [']', 'right'] },
  {
    action: 'knobPrevious',
    keys: ['up'],
    help: ['up down', 'select a knob'],
  },
  { action: 'knobNext', keys: ['down'] },
  {
    action: 'knobType',
    keys: ['enter'],
    help: ['Enter', 'type a value for the selected knob; a large step asks for y'],
  },
  {
    action: 'knobUndo',
    keys: ['u'],
    help: ['u', 'undo the last turn made here'],
    footer: ['u', 'undo'],
  },
  {
    action: 'freeze',
    keys: ['space'],
    help: ['Space', 'freeze the picture to read it, and go on; nothing is lost'],
    footer: ['Space', 'freeze'],
  },
  {
    action: 'panelNumber',
    keys: ['1', '2', '3', '4', '5', '6', '7'],
    help: ['1-7', 'show one panel large; its number stands in its title'],
    footer: ['1-7', 'panel'],
  },
  {
    action: 'panelNext',
    keys: ['tab'],
    help: ['Tab', 'the next panel large, Shift-Tab the one before'],
  },
  { action: 'panelPrevious', keys: ['S-tab'] },
  { action: 'back', keys: ['escape', '0'], help: ['Esc 0', 'back to all panels'] },
  { action: 'zoomIn', keys: ['+', '='], help: ['+ -', 'charts show less time, more time'] },
  { action: 'zoomOut', keys: ['-'] },
  {
    action: 'acknowledge',
    keys: ['a'],
    help: ['a', 'acknowledge the alerts; each comes back when it rises again'],
  },
  { action: 'hostNext', keys: ['n'], help: ['n', 'show the next host, when several report'] },
  { action: 'redraw', keys: ['C-l'], help: ['Ctrl-L', 'draw the whole screen again'] },
  { action: 'suspend', keys: ['C-z'], help: ['Ctrl-Z', 'suspend; fg brings it back'] },
];

const BY_KEY = new Map(
  KEY_TABLE.flatMap((binding) => binding.keys.map((key) => [key, binding.action] as const)),
);

export function actionOf(key: string): Action | undefined {
  return BY_KEY.get(key);
}
