// The owner's side of knobs: takes turns from the bus one after the other, checks them, writes the old
// value to the journal, applies, reads back, and answers with the retained state and an event. A value
// that does not read back is taken back: a knob that only seems turned would spoil an experiment.

import { assert } from '#core/assert.ts';
import type { Bus } from '#core/bus/bus.ts';
import { type LabEvent, topic } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';
import type { KnobDef, KnobState, KnobValue } from '#core/knob/knob.ts';
import { type JournalEntry, KnobJournal, type UnclosedJournal } from '#core/knob/knob-journal.ts';
import { refusalOf } from '#core/knob/knob-value.ts';

export interface OfferedKnob {
  def: KnobDef;
  /** What holds now, asked of the part that obeys it and not remembered. */
  read(): KnobValue;
  apply(value: KnobValue): void | Promise<void>;
}

export interface OfferKnobsOptions {
  bus: Bus;
  lab: string;
  host: string;
  /** 'server', 'load' or 'tee'; also the source of the events. */
  owner: string;
  /** Where old values are kept while knobs are turned; one a process. */
  journalFile: string;
  clock: Clock;
  knobs: OfferedKnob[];
}

/** Turns that wait while another is applied. */
const WAITING_MAX = 32;
const APPLY_TIMEOUT_MS = 5000;
/** Names and ids of strangers are cut to this. */
const LABEL_LENGTH_MAX = 64;

/**
 * Offers knobs on the bus until closed. What a killed predecessor left turned is put back first. A clean
 * `close` removes the journal and leaves the values as they are.
 * @throws WsarError WSAR_ERR_SYSTEM when another living process uses the journal, WSAR_ERR_UNREACHABLE
 * when the bus does not take the subscription.
 */
export async function offerKnobs(options: OfferKnobsOptions): Promise<{ close(): Promise<void> }> {
  const owner = new KnobOwner(options);
  await owner.open();
  return { close: () => owner.close() };
}

class KnobOwner {
  readonly #options: OfferKnobsOptions;
  readonly #knobs = new Map<string, OfferedKnob>();
  readonly #journal: KnobJournal;
  readonly #appliedWallMs = new Map<string, number>();
  readonly #startWallMs: number;
  #turns: Promise<void> = Promise.resolve();
  #waiting = 0;
  #isClosed = false;

  constructor(options: OfferKnobsOptions) {
    this.#options = options;
    this.#startWallMs = options.clock.wallMs();
    this.#journal = new KnobJournal(options.journalFile);
    for (const knob of options.knobs) {
      const { name } = knob.def;
      assert(/^[A-Za-z0-9._-]+$/.test(name), `a knob's name can stand in a topic: ${name}`);
      assert(!this.#knobs.has(name), `a knob is offered once: ${name}`);
      this.#knobs.set(name, knob);
    }
  }

  async open(): Promise<void> {
    const { bus, lab, owner } = this.#options;
    const unclosed = this.#journal.readUnclosed();
    if (unclosed !== undefined) this.#turns = this.#putBack(unclosed);
    const filter = topic.knobSet(lab, owner, '+');
    await bus.subscribe(filter, (name, value) => this.#take(name.split('/')[4]!, value));
    await this.#turns;
    for (const knob of this.#knobs.values()) this.#answer(knob, { id: '', by: 'start' });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#turns;
    this.#journal.close();
    const { bus, lab, owner } = this.#options;
    for (const name of this.#knobs.keys()) {
      bus.publish(topic.knobState(lab, owner, name), undefined, { retain: true, qos: 1 });
    }
  }

  /** A turn came in: it waits for those before it. */
  #take(name: string, message: unknown): void {
    if (this.#isClosed) return;
    const knob = this.#knobs.get(name);
    const set = readSet(message);
    if (knob === undefined) {
      const names = [...this.#knobs.keys()].join(', ');
      this.#tell(`${this.#options.owner} has no knob ${name}; it has ${names}`, { knob: name });
      return;
    }
    if (this.#waiting >= WAITING_MAX) {
      this.#refuse(knob, set, `${WAITING_MAX} turns are waiting already`);
      return;
    }
    this.#waiting++;
    this.#turns = this.#turns.then(() => this.#turn(knob, set)).finally(() => this.#waiting--);
  }

  async #turn(knob: OfferedKnob, set: AskedTurn): Promise<void> {
    const refused = refusalOf(knob.def, set.value);
    if (refused !== undefined) {
      this.#refuse(knob, set, refused);
      return;
    }
    const { name } = knob.def;
    const value = set.value as KnobValue;
    const old = knob.read();
    const wallMs = this.#options.clock.wallMs();
    try {
      this.#journal.record(name, old, wallMs);
    } catch (error) {
      this.#refuse(knob, set, `the journal cannot be written: ${(error as Error).message}`);
      return;
    }
    const failed = await this.#applyAndVerify(knob, value);
    if (failed !== undefined) {
      const back = await this.#applyAndVerify(knob, old);
      this.#refuse(
        knob,
        set,
        back === undefined ? failed : `${failed}; going back failed: ${back}`,
      );
      return;
    }
    this.#appliedWallMs.set(name, this.#options.clock.wallMs());
    this.#answer(knob, set);
    const data = { knob: name, old, value, by: set.by, id: set.id };
    this.#tell(`${name} turned from ${old} to ${value} by ${set.by}`, data);
  }

  /** Why the value does not hold afterwards, or undefined when it does. Never throws. */
  async #applyAndVerify(knob: OfferedKnob, value: KnobValue): Promise<string | undefined> {
    try {
      await this.#inTime(Promise.resolve(knob.apply(value)));
      const now = knob.read();
      return now === value ? undefined : `${value} was applied but ${now} reads back`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #inTime(applied: Promise<void>): Promise<void> {
    let cancel: (() => void) | undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.#options.clock.after(APPLY_TIMEOUT_MS, () =>
        reject(new Error(`not applied within ${APPLY_TIMEOUT_MS / 1000} s`)),
      );
    });
    try {
      await Promise.race([applied, late]);
    } finally {
      cancel?.();
    }
  }

  /** Puts back what a killed process left turned, the newest first. */
  async #putBack(unclosed: UnclosedJournal): Promise<void> {
    const by = `journal of process ${unclosed.pid}`;
    const stuck: JournalEntry[] = [];
    for (const entry of unclosed.entries.toReversed()) {
      const { knob: name, old } = entry;
      const knob = this.#knobs.get(name);
      const value = knob?.read() ?? null;
      const failed =
        knob === undefined
          ? 'there is no such knob any more'
          : (refusalOf(knob.def, old) ?? (await this.#applyAndVerify(knob, old)));
      const data = { knob: name, old: value, value: old, by, id: '' };
      if (failed === undefined) {
        this.#tell(`${name} put back to ${old}: a killed process left it turned`, data);
        continue;
      }
      // A knob that exists and would not go back is tried again at the next start.
      if (knob !== undefined) stuck.unshift(entry);
      this.#tell(`${name} could not be put back to ${old}: ${failed}`, {
        ...data,
        refused: failed,
      });
    }
    if (stuck.length === 0) this.#journal.close();
    else this.#journal.keep(stuck);
  }

  #refuse(knob: OfferedKnob, set: AskedTurn, refused: string): void {
    this.#answer(knob, set, refused);
    const { name } = knob.def;
    this.#tell(`${name} refused a turn by ${set.by}: ${refused}`, {
      knob: name,
      by: set.by,
      id: set.id,
      refused,
    });
  }

  #answer(knob: OfferedKnob, set: { id: string; by: string }, refused?: string): void {
    const { bus, lab, owner } = this.#options;
    const state: KnobState = {
      def: knob.def,
      value: knob.read(),
      appliedWallMs: this.#appliedWallMs.get(knob.def.name) ?? this.#startWallMs,
      by: set.by,
      id: set.id,
      ...(refused === undefined ? {} : { refused }),
    };
    bus.publish(topic.knobState(lab, owner, knob.def.name), state, { retain: true, qos: 1 });
  }

  #tell(text: string, data: NonNullable<LabEvent['data']>): void {
    const { bus, lab, host, owner, clock } = this.#options;
    const event: LabEvent = {
      wallMs: clock.wallMs(),
      kind: 'knob',
      text,
      data: { owner, ...data },
    };
    bus.publish(topic.event(lab, host, owner), event, { qos: 1 });
  }
}

interface AskedTurn {
  id: string;
  by: string;
  value: unknown;
}

/** A person may send just {"value":"immediate"}; whatever else came is shown in the refusal. */
function readSet(message: unknown): AskedTurn {
  const isObject = typeof message === 'object' && message !== null;
  const { id, by, value } = (isObject ? message : {}) as Partial<AskedTurn>;
  return { id: label(id, ''), by: label(by, 'somebody'), value: isObject ? value : message };
}

function label(text: unknown, fallback: string): string {
  return typeof text === 'string' ? text.slice(0, LABEL_LENGTH_MAX) : fallback;
}
