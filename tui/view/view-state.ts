// What the person at the keyboard chose: which panel is large, which knob is selected, whether control
// is armed. Pure data; tui/view/key-action.ts changes it.

import type { KnobValue } from '#core/knob/knob.ts';

/** The panels, in the order of their number keys. */
export const PANEL_NAMES = [
  'sar',
  'decays',
  'connections',
  'latency',
  'queues',
  'knobs',
  'events',
] as const;

export type PanelName = (typeof PANEL_NAMES)[number];

export interface ViewState {
  /** Knobs may be turned. Off at the start, so that a slip of a finger disturbs no experiment. */
  control: boolean;
  help: boolean;
  /** Monotonic time at which the picture was frozen, us. */
  frozenSinceUs?: number;
  /** The one panel that is shown large. */
  panel?: PanelName;
  /** Key of the selected knob; the first one when absent or gone. */
  knob?: string;
  /** Which host is shown, counted through all that report. */
  host: number;
  /** Index into SECONDS_PER_DOT. */
  zoom: number;
  /** A value being typed for a knob. */
  prompt?: { knob: string; text: string };
  /** A large step that waits for y or n. */
  confirm?: { knob: string; value: KnobValue };
  /** One line about the last key, until `untilUs`. */
  notice?: { text: string; untilUs: number };
  /** Alerts that were acknowledged; they come back when they rise again. */
  acknowledged: ReadonlySet<string>;
  /** What each knob was before it was turned here, newest last. */
  undo: readonly { knob: string; value: KnobValue }[];
}

export const SECONDS_PER_DOT = [1, 2, 5] as const;

export function initialView(control: boolean): ViewState {
  return { control, help: false, host: 0, zoom: 0, acknowledged: new Set(), undo: [] };
}
