// The other side of a knob: asks its owner over the bus to turn it and waits for the answer.

import { randomBytes } from 'node:crypto';
import type { Bus } from '#core/bus/bus.ts';
import { topic } from '#core/bus/topic.ts';
import { WsarError } from '#core/errors.ts';
import type { KnobSet, KnobState, KnobValue } from '#core/knob/knob.ts';

export interface TurnKnobOptions {
  lab: string;
  /** 'server', 'load' or 'tee'. */
  owner: string;
  name: string;
  value: KnobValue;
  /** Who turns it: 'lab', 'top', a person's name. */
  by: string;
  timeoutMs: number;
}

/** What one bus has heard from one owner. One subscription serves all turns. */
interface Listener {
  subscribed: Promise<void>;
  waiting: Map<string, (state: KnobState) => void>;
  names: Set<string>;
}

const LISTENERS = new WeakMap<Bus, Map<string, Listener>>();

/**
 * Turns a knob; resolves with the owner's answer, which holds `refused` when it did not turn.
 * @throws WsarError WSAR_ERR_UNREACHABLE when the owner does not answer in time, WSAR_ERR_USAGE when it
 * is there and has no such knob.
 */
export async function turnKnob(bus: Bus, options: TurnKnobOptions): Promise<KnobState> {
  const { lab, owner, name, value, by, timeoutMs } = options;
  const listener = listen(bus, lab, owner);
  await listener.subscribed;
  const id = randomBytes(8).toString('hex');
  return await new Promise<KnobState>((resolve, reject) => {
    const timer = setTimeout(() => {
      listener.waiting.delete(id);
      reject(noAnswer(options, listener.names));
    }, timeoutMs);
    listener.waiting.set(id, (state) => {
      clearTimeout(timer);
      listener.waiting.delete(id);
      resolve(state);
    });
    bus.publish(topic.knobSet(lab, owner, name), { id, value, by } satisfies KnobSet, { qos: 1 });
  });
}

function listen(bus: Bus, lab: string, owner: string): Listener {
  const ofBus = LISTENERS.get(bus) ?? new Map<string, Listener>();
  LISTENERS.set(bus, ofBus);
  const filter = topic.knobState(lab, owner, '+');
  const known = ofBus.get(filter);
  if (known !== undefined) return known;
  const listener: Listener = {
    subscribed: Promise.resolve(),
    waiting: new Map(),
    names: new Set(),
  };
  ofBus.set(filter, listener);
  listener.subscribed = bus.subscribe(filter, (name, value) => {
    listener.names.add(name.split('/')[4]!);
    const state = value as KnobState | null;
    if (typeof state?.id === 'string') listener.waiting.get(state.id)?.(state);
  });
  listener.subscribed.catch(() => ofBus.delete(filter));
  return listener;
}

function noAnswer({ owner, name, timeoutMs }: TurnKnobOptions, names: Set<string>): WsarError {
  if (names.size > 0 && !names.has(name)) {
    const known = [...names].sort().join(', ');
    return new WsarError(
      'WSAR_ERR_USAGE',
      `'${owner}' has no knob '${name}'`,
      `turn one that it has: ${known}`,
    );
  }
  return new WsarError(
    'WSAR_ERR_UNREACHABLE',
    `the owner '${owner}' did not answer the turn of '${name}' within ${timeoutMs} ms`,
    'check that its process runs and is on the same bus and lab',
  );
}
