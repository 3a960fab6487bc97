// Everything the screen knows about a lab, fed by messages and bounded in every direction. It holds no
// clock and does no I/O; the view reads it and never writes.

import type { LabEvent } from '#core/bus/topic.ts';
import type { KnobState, KnobValue } from '#core/knob/knob.ts';
import type { Message } from '#tui/model/message.ts';
import { ABSENT } from '#tui/model/second-ring.ts';
import { SourceState } from '#tui/model/source-state.ts';

export const SOURCES_MAX = 64;
export const EVENTS_MAX = 500;
export const KNOBS_MAX = 64;
/** A source that was silent for longer than two ticks is stale. */
export const STALE_AFTER_US = 2_000_000;

export interface TimelineEvent extends LabEvent {
  host: string;
  source: string;
}

export interface KnobEntry {
  /** '<owner>/<name>'. */
  key: string;
  /** As people read it: '<owner>.<name>', and 'load.rate' rather than 'load.load.rate'. */
  label: string;
  owner: string;
  name: string;
  state: KnobState;
  /** A turn that was asked for here and is not answered yet. */
  pending?: KnobValue;
  /** Why the last turn asked for here did not happen. */
  failure?: string;
}

/** How the screen gets its data, in words for the header. */
export interface Link {
  state: 'starting' | 'live' | 'lost' | 'ended';
  /** 'lab' is followed on its bus; 'host' is a collector of our own. */
  mode: 'lab' | 'host';
  /** Name of the lab; '' for a host. */
  lab: string;
  runId: string;
  /** One line: why it is not live. */
  text: string;
}

export class LabState {
  link: Link = { state: 'starting', mode: 'host', lab: '', runId: '', text: '' };
  readonly #sources = new Map<string, SourceState>();
  readonly #knobs = new Map<string, KnobEntry>();
  #events: TimelineEvent[] = [];
  #timelineKey = '';
  /** Messages of a wrong shape. */
  malformed = 0;
  /** Messages for which there was no room. */
  refused = 0;
  /** Messages that were not shown because the screen was frozen for too long. */
  droppedFrozen = 0;

  get sources(): SourceState[] {
    return [...this.#sources.values()];
  }

  /** Oldest first. */
  get events(): readonly TimelineEvent[] {
    return this.#events;
  }

  /** By owner and name. */
  get knobs(): KnobEntry[] {
    return [...this.#knobs.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  knob(key: string): KnobEntry | undefined {
    return this.#knobs.get(key);
  }

  apply(message: Message, arrivedUs: number): void {
    switch (message.kind) {
      case 'schema':
        this.#source(message.host, message.source)?.takeSchema(message.metrics);
        break;
      case 'row':
        this.#source(message.host, message.source)?.takeRow(message.row, arrivedUs);
        break;
      case 'event':
        this.#takeEvent({ ...message.event, host: message.host, source: message.source });
        break;
      case 'knob':
        this.#takeKnob(message.owner, message.name, message.state);
    }
  }

  /** A new lab: nothing of the old one stays. */
  reset(link: Link): void {
    this.#sources.clear();
    this.#knobs.clear();
    this.#events = [];
    this.#timelineKey = '';
    this.malformed = 0;
    this.refused = 0;
    this.link = link;
  }

  /** All sources of a kind ('host', 'server', 'load'), in order of their hosts. */
  of(source: string): SourceState[] {
    return this.sources
      .filter((state) => state.source === source)
      .sort((a, b) => (a.host < b.host ? -1 : 1));
  }

  /**
   * The source whose seconds are the time axis: the collector, else the server, else any, as long as it
   * talks. When all are silent, the last one that led.
   */
  timeline(nowUs: number): SourceState | undefined {
    const rank = (state: SourceState): number =>
      ['host', 'server', 'load'].indexOf(state.source) + 1 || 9;
    const leader = this.sources
      .filter((state) => isFresh(state, nowUs))
      .sort((a, b) => rank(a) - rank(b))[0];
    if (leader !== undefined) this.#timelineKey = keyOf(leader.host, leader.source);
    return leader ?? this.#sources.get(this.#timelineKey);
  }

  /** Last second of the time axis, s; absent before the first row. */
  endSecond(nowUs: number): number {
    return this.timeline(nowUs)?.lastSecond ?? ABSENT;
  }

  /** How long ago the newest row came in, us; absent before the first one. */
  ageUs(nowUs: number): number {
    const newest = Math.max(...this.sources.map((state) => state.arrivedUs || 0), 0);
    return newest === 0 ? ABSENT : nowUs - newest;
  }

  /** A turn of this knob was asked for here. */
  markPending(key: string, value: KnobValue): void {
    const entry = this.#knobs.get(key);
    if (entry === undefined) return;
    entry.pending = value;
    delete entry.failure;
  }

  /** The turn asked for here is over; `failure` says why nothing turned. */
  markAnswered(key: string, failure?: string): void {
    const entry = this.#knobs.get(key);
    if (entry === undefined) return;
    delete entry.pending;
    if (failure !== undefined) entry.failure = failure;
  }

  #source(host: string, source: string): SourceState | undefined {
    const key = keyOf(host, source);
    const known = this.#sources.get(key);
    if (known !== undefined) return known;
    if (this.#sources.size >= SOURCES_MAX) {
      this.refused++;
      return undefined;
    }
    const added = new SourceState(host, source);
    this.#sources.set(key, added);
    return added;
  }

  /** Events of several sources arrive a little out of order; the time line is kept sorted. */
  #takeEvent(event: TimelineEvent): void {
    let at = this.#events.length;
    while (at > 0 && this.#events[at - 1]!.wallMs > event.wallMs) at--;
    this.#events.splice(at, 0, event);
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
  }

  #takeKnob(owner: string, name: string, state: KnobState): void {
    const key = `${owner}/${name}`;
    if (!this.#knobs.has(key) && this.#knobs.size >= KNOBS_MAX) {
      this.refused++;
      return;
    }
    const label = name.startsWith(`${owner}.`) ? name : `${owner}.${name}`;
    this.#knobs.set(key, { key, label, owner, name, state });
  }
}

export function isFresh(state: SourceState, nowUs: number): boolean {
  return nowUs - state.arrivedUs <= STALE_AFTER_US;
}

function keyOf(host: string, source: string): string {
  return `${host}/${source}`;
}
