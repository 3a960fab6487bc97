// Events: what happened, newest at the bottom like every log. The kind is a word before the text.

import { fit, type Line, span } from '#tui/view/cell-grid.ts';
import { timeText } from '#tui/view/number-text.ts';
import type { Scene } from '#tui/view/scene.ts';
import { ROLE, type Role } from '#tui/view/theme.ts';

const KIND_ROLES: Record<string, Role> = {
  knob: ROLE.rule,
  phase: ROLE.good,
  block: ROLE.good,
  alert: ROLE.bad,
  lost: ROLE.bad,
  gap: ROLE.warn,
};
const KIND_COLS = 5;

/** One line an event, as many as fit. */
export function eventLines(scene: Scene, cols: number, rows: number): Line[] {
  const { signs } = scene.theme;
  return scene.state.events.slice(-Math.max(1, rows)).map(({ wallMs, kind, source, text }) => {
    const head = `${timeText(wallMs)} `;
    const word = `${kind.padEnd(KIND_COLS)} `;
    const room = cols - head.length - word.length;
    // A knob or a phase is the lab's, whoever said it.
    const said =
      kind === 'knob' || kind === 'phase' || kind === 'block' ? text : `${source}: ${text}`;
    const rest = fit(said, room, signs.ellipsis);
    return [span(head, ROLE.dim), span(word, KIND_ROLES[kind] ?? ROLE.text), span(rest)];
  });
}
