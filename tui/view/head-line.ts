// The three lines that are always there: the truth line (what is watched, how old the data is, what was
// missed, what watching costs), the banner (alerts) and the footer (keys, or what is being typed).

import { STALE_AFTER_US } from '#tui/model/lab-state.ts';
import { alertsOf } from '#tui/view/alert-rule.ts';
import { CellGrid, fit, type Line, span } from '#tui/view/cell-grid.ts';
import { selectedKnob } from '#tui/view/key-action.ts';
import { KEY_TABLE } from '#tui/view/key-table.ts';
import { clockText, timeText, unitText } from '#tui/view/number-text.ts';
import { knobValueText } from '#tui/view/panel/knobs-panel.ts';
import type { Scene } from '#tui/view/scene.ts';
import { ROLE } from '#tui/view/theme.ts';

/** What the head line tells of the data: true time of now, also while the picture is frozen. */
export interface Truth {
  /** Monotonic time of now, us. */
  nowUs: number;
  /** Age of the newest row, us; absent before the first one. */
  ageUs: number;
  /** How long the picture has been frozen, s; absent when it moves. */
  frozenS: number;
}

const PART_GAP = 2;

/** The word that stands for the whole picture. */
export type Status = 'STARTING' | 'LIVE' | 'STALE' | 'FROZEN' | 'LOST' | 'LAB ENDED';

export function statusOf(scene: Scene, truth: Truth): Status {
  const { state } = scene.state.link;
  if (Number.isFinite(truth.frozenS)) return 'FROZEN';
  if (state === 'ended') return 'LAB ENDED';
  if (state === 'lost') return 'LOST';
  if (!Number.isFinite(truth.ageUs)) return 'STARTING';
  return truth.ageUs > STALE_AFTER_US ? 'STALE' : 'LIVE';
}

export function headLine(scene: Scene, truth: Truth, cols: number): CellGrid {
  const grid = new CellGrid(cols, 1);
  const status = statusOf(scene, truth);
  const right = [
    span(`[${statusText(status, truth)}]`, status === 'LIVE' ? ROLE.good : ROLE.bad),
    span(' '),
    scene.view.control ? span('[CONTROL]', ROLE.warn) : span('[READ-ONLY]', ROLE.dim),
  ];
  const rightCols = colsOf(right);
  grid.putLine(0, 0, fitParts(headParts(scene, truth), cols - rightCols - 1));
  grid.putLine(cols - rightCols, 0, right);
  return grid;
}

function statusText(status: Status, truth: Truth): string {
  if (status === 'FROZEN') return `FROZEN ${clockText(truth.frozenS)}`;
  return status === 'STALE' ? `STALE ${secondsText(truth.ageUs)}` : status;
}

/** A piece of the head line; where room is short, the highest ranks go first. */
interface Part {
  line: Line;
  rank: number;
}

function headParts(scene: Scene, truth: Truth): Part[] {
  const { link, events, malformed, refused, droppedFrozen, sources } = scene.state;
  // A lab that is named like its run begins with the time, which stands in every row anyway.
  const lab = link.lab.replace(/^\d{8}-\d{6}-/, '');
  const what = link.mode === 'lab' ? `lab ${lab}` : 'this host';
  const phase = events.findLast(({ kind }) => kind === 'phase');
  const missed = sources.reduce((sum, source) => sum + source.missed, 0);
  const wrong = malformed + refused + droppedFrozen;
  const parts: Part[] = [
    { rank: 6, line: [span('wsar top', ROLE.title)] },
    { rank: 0, line: [span(what, ROLE.title)] },
    { rank: 1, line: named('data', `${secondsText(truth.ageUs)} old`) },
  ];
  const add = (rank: number, line: Line): void => void parts.push({ rank, line });
  const missedRole = missed > 0 ? ROLE.warn : ROLE.text;
  add(missed > 0 ? 2 : 4, [span('missed ', ROLE.dim), span(`${missed} rows`, missedRole)]);
  if (wrong > 0) add(3, [span('bad messages ', ROLE.dim), span(String(wrong), ROLE.warn)]);
  if (phase !== undefined && link.mode === 'lab') {
    const sinceS = Math.max(0, (scene.moment.wallMs - phase.wallMs) / 1000);
    add(3, named('phase', `${phase.text} ${clockText(sinceS)}`));
  }
  if (link.runId !== '' && link.runId !== lab) add(5, named('run', link.runId));
  if (scene.host !== undefined) add(7, named('host', scene.host.host));
  add(7, named('self', `${scene.moment.selfPercent.toFixed(1)} %cpu`));
  add(8, [span(`${timeText(scene.moment.wallMs)} UTC`, ROLE.dim)]);
  return parts;
}

function named(name: string, text: string): Line {
  return [span(`${name} `, ROLE.dim), span(text)];
}

export function bannerLine(scene: Scene, status: Status, cols: number): CellGrid {
  const grid = new CellGrid(cols, 1);
  const { link } = scene.state;
  if (status === 'LOST' || status === 'LAB ENDED') {
    const run = link.runId === '' || link.runId === link.lab ? '' : `, run ${link.runId},`;
    const ended = `lab ${link.lab}${run} ended; its last picture stays, q quits`;
    const text = `!! ${status === 'LOST' ? link.text : ended}`;
    grid.put(0, 0, fit(text, cols, scene.theme.signs.ellipsis), ROLE.banner);
    return grid;
  }
  const raised = alertsOf(scene.state, scene.moment.nowUs);
  const alerts = raised.filter(({ id }) => !scene.view.acknowledged.has(id));
  if (alerts.length === 0) {
    const known = raised.length > 0 ? `${raised.length} acknowledged` : 'no alerts';
    const text = link.text === '' ? known : link.text;
    grid.put(0, 0, fit(text, cols, scene.theme.signs.ellipsis), ROLE.dim);
    return grid;
  }
  const more = alerts.length > 1 ? `  (+${alerts.length - 1} more)` : '';
  const hint = '  a: acknowledge';
  const room = cols - more.length - hint.length;
  const text = fit(`!! ${alerts[0]!.text}`, room, scene.theme.signs.ellipsis);
  const end = grid.put(0, 0, text, ROLE.banner);
  grid.put(end, 0, more, ROLE.warn);
  grid.putRight(cols, 0, hint, ROLE.dim);
  return grid;
}

export function footerLine(scene: Scene, truth: Truth, cols: number): CellGrid {
  const grid = new CellGrid(cols, 1);
  const { view, theme } = scene;
  const asked = questionText(scene);
  if (asked !== undefined) {
    grid.put(0, 0, fit(asked, cols, theme.signs.ellipsis), ROLE.warn);
    return grid;
  }
  if (view.notice !== undefined && view.notice.untilUs > truth.nowUs) {
    grid.put(0, 0, fit(view.notice.text, cols, theme.signs.ellipsis), ROLE.warn);
    return grid;
  }
  const knob = selectedKnob(view, scene.state);
  const shown =
    knob === undefined
      ? []
      : [
          span(`${theme.signs.selected} ${knob.label} `, ROLE.selected),
          span(knobValueText(knob.pending ?? knob.state.value, knob.state.def)),
        ];
  const knobCols = colsOf(shown);
  const keys = KEY_TABLE.flatMap(({ footer }, rank): Part[] => {
    if (footer === undefined) return [];
    return [{ rank, line: [span(footer[0], ROLE.key), span(` ${footer[1]}`, ROLE.dim)] }];
  });
  grid.putLine(0, 0, fitParts(keys, cols - knobCols - (knobCols > 0 ? 1 : 0)));
  grid.putLine(cols - knobCols, 0, shown);
  return grid;
}

/** What is being typed or asked. */
function questionText({ view, state, theme }: Scene): string | undefined {
  if (view.prompt !== undefined) {
    const knob = state.knob(view.prompt.knob);
    const unit = unitText(knob?.state.def.unit ?? '');
    return `${knob?.label} = ${view.prompt.text}_ ${unit}  (Enter turns it, Esc leaves it)`;
  }
  if (view.confirm === undefined) return undefined;
  const knob = state.knob(view.confirm.knob);
  if (knob === undefined) return undefined;
  const { def, value } = knob.state;
  const step = `${knobValueText(value, def)} ${theme.signs.arrow} ${knobValueText(view.confirm.value, def)}`;
  return `${knob.label}: ${step} is a large step; y turns it, any other key does not`;
}

/** As many whole parts as fit, two spaces apart: chosen by rank, shown in their order. */
function fitParts(parts: Part[], cols: number): Line {
  const chosen = new Set<Part>();
  let used = -PART_GAP;
  for (const part of [...parts].sort((a, b) => a.rank - b.rank)) {
    if (used + PART_GAP + colsOf(part.line) > cols) continue;
    used += PART_GAP + colsOf(part.line);
    chosen.add(part);
  }
  const shown = parts.filter((part) => chosen.has(part));
  const gap = span(' '.repeat(PART_GAP));
  return shown.flatMap(({ line }, index) => (index === 0 ? line : [gap, ...line]));
}

function colsOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + [...text].length, 0);
}

function secondsText(us: number): string {
  if (!Number.isFinite(us)) return '-';
  return us < 100e6 ? `${(us / 1e6).toFixed(1)} s` : clockText(us / 1e6);
}
