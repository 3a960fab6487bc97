// The knobs of a running load: what each is called, how far it goes, and what it turns. They are offered on
// the bus of a lab (lab-link.ts) and may be named in an experiment (lab/experiment/turnable-knobs.ts).
//
// What is read back is asked of the memory that the workers obey.

import { WsarError } from '#core/errors.ts';
import type { KnobDef, KnobValue } from '#core/knob/knob.ts';
import type { OfferedKnob } from '#core/knob/offer-knobs.ts';
import type { LoadSettings, TurnName } from '#loadgen/load-settings.ts';
import { READ_BYTES_PER_S_MIN } from '#loadgen/network-mix.ts';
import { type ChangeList, RATE_PER_S_MAX } from '#loadgen/plan-changes.ts';
import { READ_BYTES_PER_S_MAX } from '#loadgen/slow-readers.ts';
import { BLOCKS } from '#loadgen/user-blocks.ts';
import { PAYLOAD_BYTES_MIN } from '#loadgen/user-packets.ts';

/** Receivers of one message: a group of the usual size, and the largest broadcast of a phone's list. */
export const FAN_OUT_MAX = 256;
/** Ten times the planned rate. */
export const SPIKE_PERCENT_MAX = 900;
/** Half of what may wait on one connection. */
export const LIVE_PAYLOAD_BYTES_MAX = 32_768;
const PING_S_MAX = 65_535;

type KnobName =
  | 'load.rate'
  | 'load.spike'
  | 'load.fanout'
  | 'load.payload'
  | 'load.media'
  | 'load.ping'
  | 'load.slow.share'
  | 'load.slow.rate'
  | 'load.block.down';

const float = (max: number): KnobDef['type'] => ({ kind: 'float', min: 0, max });
const int = (min: number, max: number): KnobDef['type'] => ({ kind: 'int', min, max });

/** Defaults are those of a load that was told nothing. */
export const LOAD_KNOBS: readonly (KnobDef & { name: KnobName })[] = [
  {
    name: 'load.rate',
    type: float(RATE_PER_S_MAX),
    unit: '{message}/s',
    default: 0,
    help: 'messages of all users together; 0 pauses them',
  },
  {
    name: 'load.spike',
    type: float(SPIKE_PERCENT_MAX),
    unit: '%',
    default: 0,
    help: 'how much more than the planned rate, whatever the plan is',
  },
  {
    name: 'load.fanout',
    type: int(1, FAN_OUT_MAX),
    unit: '{receiver}',
    default: 1,
    help: 'receivers of each message; the rate counts it once',
  },
  {
    name: 'load.payload',
    type: int(PAYLOAD_BYTES_MIN, LIVE_PAYLOAD_BYTES_MAX),
    unit: 'By',
    default: 64,
    help: 'size of a message',
  },
  {
    name: 'load.media',
    type: float(100),
    unit: '%',
    default: 0,
    help: 'messages that carry the link and thumbnail of a picture',
  },
  {
    name: 'load.ping',
    type: float(PING_S_MAX),
    unit: 's',
    default: 60,
    help: 'nobody is silent for longer: he pings before; 0 = no pings',
  },
  {
    name: 'load.slow.share',
    type: float(100),
    unit: '%',
    default: 0,
    help: 'users who read slowly',
  },
  {
    name: 'load.slow.rate',
    type: int(READ_BYTES_PER_S_MIN, READ_BYTES_PER_S_MAX),
    unit: 'By/s',
    default: 1024,
    help: 'what a slow reader reads',
  },
  {
    name: 'load.block.down',
    type: int(0, BLOCKS),
    unit: '',
    default: 0,
    help: `which of ${BLOCKS} blocks of users is cut off and stays away; 0 = none`,
  },
];

/** What a running load lets itself be turned at. */
export interface TurnableLoad {
  /** What is obeyed now. */
  settings: LoadSettings;
  ratePerS(): number;
  /** Turns something; false when it was turned too often to remember, or lies ahead already. */
  turn(name: TurnName, value: number): boolean | Promise<boolean>;
  /** Keep-alive that was told at the logins, s; 0 = none. */
  keepAliveS: number;
  /** A server that echoes has messages of one size and no pings. */
  isEcho: boolean;
}

const TURNS: Record<KnobName, TurnName> = {
  'load.rate': 'rate',
  'load.spike': 'spike',
  'load.fanout': 'fanOut',
  'load.payload': 'payloadBytes',
  'load.media': 'mediaPercent',
  'load.ping': 'pingS',
  'load.slow.share': 'slowPercent',
  'load.slow.rate': 'slowBytesPerS',
  'load.block.down': 'downBlock',
};
const NOT_FOR_ECHO: ReadonlySet<string> = new Set(['load.payload', 'load.media', 'load.ping']);

/** The knobs of a load, with its own values as defaults. */
export function knobsOf(load: TurnableLoad): OfferedKnob[] {
  return LOAD_KNOBS.filter(({ name }) => !(load.isEcho && NOT_FOR_ECHO.has(name))).map((def) => ({
    def: { ...def, default: read(load, def.name) },
    read: () => read(load, def.name),
    apply: (value) => turn(load, def.name, Number(value)),
  }));
}

function read({ settings, ratePerS }: TurnableLoad, name: KnobName): KnobValue {
  const turned = TURNS[name];
  switch (turned) {
    case 'rate':
      return ratePerS();
    case 'spike':
      return last(settings.schedule.spike, 0);
    case 'fanOut':
      return last(settings.schedule.fanOut, 1);
    default:
      return settings.live[turned];
  }
}

async function turn(load: TurnableLoad, name: KnobName, value: number): Promise<void> {
  const { keepAliveS } = load;
  if (name === 'load.ping' && keepAliveS > 0 && (value === 0 || value > keepAliveS)) {
    throw refused(
      `who is silent for longer than the ${keepAliveS} s that he told at his login is cut off`,
      `take up to ${keepAliveS} s, or start with a longer --keepalive`,
    );
  }
  if (await load.turn(TURNS[name], value)) return;
  if (load.settings.isOver) {
    throw refused('the steady phase of this load is over', 'start another load');
  }
  if (name !== 'load.rate') {
    throw refused(`${name} was turned too often to remember`, 'start another load');
  }
  throw refused(
    'the rate of this load is planned (--stages, --day, --spike), or was turned too often to remember',
    'turn load.spike, or start another load without such a plan',
  );
}

function last(list: ChangeList, none: number): number {
  return list.count === 0 ? none : list.value(list.count - 1);
}

function refused(message: string, hint: string): WsarError {
  return new WsarError('WSAR_ERR_LIMIT', message, hint);
}
