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

/** What the head line says, the most worthy first; what does not fit is left out from the end. */
function headParts(scene: Scene, truth: Truth): Line[] {
  const { link, events, malformed, refused, droppedFrozen, sources } = scene.state;
  const what = link.mode === 'lab' ? `lab ${link.lab}` : 'this host';
  const phase = events.findLast(({ kind }) => kind === 'phase');
  const missed = sources.reduce((sum, source) => sum + source.missed, 0);
  const wrong = malformed + refused + droppedFrozen;
  const parts: Line[] = [
    [span('wsar top', ROLE.title), span('  '), span(what)],
    [span('data ', ROLE.dim), span(`${secondsText(truth.ageUs)} old`)],
    [span('missed ', ROLE.dim), span(`${missed} rows`, missed > 0 ? ROLE.warn : ROLE.text)],
  ];
  if (phase !== undefined && link.mode === 'lab') {
    const sinceS = Math.max(0, (scene.moment.wallMs - phase.wallMs) / 1000);
    parts.push([span('phase ', ROLE.dim), span(`${phase.text} ${clockText(sinceS)}`)]);
  }
  if (wrong > 0) parts.push([span('bad messages ', ROLE.dim), span(String(wrong), ROLE.warn)]);
  if (link.runId !== '') parts.push([span('run ', ROLE.dim), span(link.runId)]);
  if (scene.host !== undefined) parts.push([span('host ', ROLE.dim), span(scene.host.host)]);
  parts.push([span('self ', ROLE.dim), span(`${scene.moment.selfPercent.toFixed(1)} %cpu`)]);
  parts.push([span(`${timeText(scene.moment.wallMs)} UTC`, ROLE.dim)]);
  return parts;
}

export function bannerLine(scene: Scene, status: Status, cols: number): CellGrid {
  const grid = new CellGrid(cols, 1);
  const { link } = scene.state;
  if (status === 'LOST' || status === 'LAB ENDED') {
    grid.put(0, 0, fit(`!! ${link.text}`, cols, scene.theme.signs.ellipsis), ROLE.banner);
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
  const keys = KEY_TABLE.flatMap(({ footer }): Line[] =>
    footer === undefined ? [] : [[span(footer[0], ROLE.key), span(` ${footer[1]}`, ROLE.dim)]],
  );
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

/** As many whole parts as fit, two spaces apart. */
function fitParts(parts: Line[], cols: number): Line {
  const line: Line = [];
  let used = 0;
  for (const part of parts) {
    const gap = line.length === 0 ? 0 : 2;
    if (used + gap + colsOf(part) > cols) continue;
    if (gap > 0) line.push(span('  '));
    line.push(...part);
    used += gap + colsOf(part);
  }
  return line;
}

function colsOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + [...text].length, 0);
}

function secondsText(us: number): string {
  if (!Number.isFinite(us)) return '-';
  return us < 100e6 ? `${(us / 1e6).toFixed(1)} s` : clockText(us / 1e6);
}
