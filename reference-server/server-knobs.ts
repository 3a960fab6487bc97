// The knobs of a running server. Their definitions are data: an experiment is checked against them
// before any server runs.

import type { KnobDef, KnobValue } from '#core/knob/knob.ts';
import type { OfferedKnob } from '#core/knob/offer-knobs.ts';
import { FLUSH_DELAY_US_MAX, GATHER_US_MAX, SPIN_US_MAX } from '#core/socket/reactor-options.ts';
import { REFERENCE_LENGTH_MAX } from '#reference-server/edge/departures.ts';
import type { Server } from '#reference-server/server.ts';
import { DEFAULT_SETTINGS, type WorkerSettings } from '#reference-server/worker/worker-control.ts';

export const INJECTED_US_MAX = 1000;
/** A PUBACK is looked for by walking the window. */
const WINDOW_MAX = 1000;
/** Counted in a byte. */
const REDELIVERIES_MAX = 254;
const INJECTED_BYTES_MAX = 1024 * 1024;
const INJECTED_CALLS_MAX = 1000;
/** Most that `--workers` takes. */
export const WORKERS_MAX = 64;
const ACCEPT_BATCH_MAX = 256;
const LINK_WAKE_BYTES_MAX = 65_536;
const LINK_HOLD_US_MAX = 10_000;
const GC_IDLE_MS_MAX = 60_000;
const GC_IDLE_FULL_S_MAX = 86_400;
const DRAIN_PER_S_MAX = 1_000_000;
/** A tebibyte. */
const MEMORY_MIB_MAX = 1024 * 1024;
const PACKET_BYTES_MAX = DEFAULT_SETTINGS.packetBytes;
const SLOW_MS_MAX = 600_000;
export const SYS_INTERVAL_S_MAX = 3600;
const INJECTED_SLEEP_US_MAX = 100_000;
const INJECTED_FREEZE_MS_MAX = 30_000;

export const SERVER_KNOBS: readonly KnobDef[] = [
  {
    name: 'write.flush',
    type: { kind: 'enum', values: ['turn', 'immediate'] },
    unit: '',
    default: 'turn',
    help: 'output leaves once at the end of a turn, or with every packet at once',
  },
  number(
    'write.delay',
    FLUSH_DELAY_US_MAX,
    'us',
    'output waits for so long for what later turns add, or for 16 KiB; with write.flush = turn',
  ),
  {
    name: 'receive.arming',
    type: { kind: 'enum', values: ['poll', 'recv'] },
    unit: '',
    default: 'poll',
    help: 'idle connections wait by poll (least kernel memory) or by receive (engine ring only)',
  },
  number(
    'turn.gather',
    GATHER_US_MAX,
    'us',
    'a loop that served events gathers for so long before it serves again: fewer wake-ups, later messages',
    DEFAULT_SETTINGS.gatherUs,
  ),
  number('turn.spin', SPIN_US_MAX, 'us', 'a loop looks for work for so long before it sleeps'),
  number(
    'gc.idle',
    GC_IDLE_MS_MAX,
    'ms',
    'a worker that has received nothing for 5 ms collects its young garbage, at most so often; 0 = never',
  ),
  number(
    'gc.idle_full',
    GC_IDLE_FULL_S_MAX,
    's',
    'the same for all garbage, which takes 5 to 40 ms; 0 = never',
  ),
  {
    name: 'accept.backlog',
    type: { kind: 'int', min: 1, max: 65_535 },
    unit: '{connection}',
    default: DEFAULT_SETTINGS.backlog,
    help: 'connections that may wait to be accepted (engine ring; net.core.somaxconn caps it)',
  },
  number(
    'accept.batch',
    ACCEPT_BATCH_MAX,
    '{connection}',
    'connections of a listener that a turn takes; 0 = as many as come',
  ),
  number(
    'accept.workers',
    WORKERS_MAX,
    '{thread}',
    'new connections go to the first so many workers, at random; 0 = to all, by their address',
  ),
  {
    name: 'drain',
    type: { kind: 'enum', values: ['off', 'refuse', 'move', 'spread'] },
    unit: '',
    default: DEFAULT_SETTINGS.drain,
    help: 'logins are sent away (refuse), who is here too (move), or off workers without accepts (spread)',
  },
  bound('drain.rate', 1, DRAIN_PER_S_MAX, '{connection}/s', 'drainPerS', 'who is asked to go'),
  {
    name: 'drain.reference',
    type: { kind: 'text', lengthMax: REFERENCE_LENGTH_MAX },
    unit: '',
    default: '',
    help: 'Server Reference that clients of MQTT 5 are told, like other.example:1883',
  },
  number('link.wake', LINK_WAKE_BYTES_MAX, 'By', 'frames that are worth waking another worker'),
  {
    name: 'link.hold',
    type: { kind: 'int', min: 0, max: LINK_HOLD_US_MAX },
    unit: 'us',
    default: DEFAULT_SETTINGS.linkHoldUs,
    help: 'how long fewer bytes than link.wake wait for more',
  },
  {
    name: 'queue.mailbox_bytes',
    type: { kind: 'int', min: 1024, max: 1024 * 1024 * 1024 },
    unit: 'By',
    default: DEFAULT_SETTINGS.mailboxBytes,
    help: 'bytes stored for one user; what is there already stays',
  },
  {
    name: 'queue.session',
    type: { kind: 'int', min: 1, max: 1_000_000 },
    unit: '{message}',
    default: DEFAULT_SETTINGS.sessionMessages,
    help: 'messages that wait for one session of the general lane; what is there already stays',
  },
  {
    name: 'queue.mailbox',
    type: { kind: 'int', min: 1, max: 1_000_000 },
    unit: '{message}',
    default: DEFAULT_SETTINGS.mailboxMessages,
    help: 'messages stored for one user; what is there already stays',
  },
  {
    name: 'queue.window',
    type: { kind: 'int', min: 1, max: WINDOW_MAX },
    unit: '{message}',
    default: DEFAULT_SETTINGS.windowMessages,
    help: 'messages sent to one receiver and not accepted',
  },
  bound(
    'queue.redeliveries',
    0,
    REDELIVERIES_MAX,
    '{connection}',
    'redeliveries',
    'lost connections that may leave the same message first; with the next it is parked',
  ),
  {
    name: 'receipts',
    type: { kind: 'enum', values: ['server', 'client', 'none'] },
    unit: '',
    default: DEFAULT_SETTINGS.receipts,
    help: 'who makes second check marks: the server, clients by publishing to r/<uid>, nobody',
  },
  bound('receipt.coalesce', 0, 1000, 'ms', 'receiptCoalesceMs', 'how long receipts gather'),
  bound(
    'presence.delay',
    0,
    600_000,
    'ms',
    'presenceDelayMs',
    'how long a user is away before who watches hears of it',
  ),
  bound(
    'quota.packet',
    128,
    DEFAULT_SETTINGS.packetBytes,
    'By',
    'packetBytes',
    'largest packet of a client; a larger one ends its connection (0x95)',
  ),
  bound(
    'quota.output',
    1024,
    DEFAULT_SETTINGS.outputBytes,
    'By',
    'outputBytes',
    'output that waits for a client before QoS 0 is dropped; twice as much, and it is not read',
  ),
  bound(
    'quota.publish',
    0,
    100_000,
    '{message}/s',
    'publishPerS',
    'messages of one connection in a second, 0 = any number; more are refused (0x97)',
  ),
  bound('quota.connect', 128, PACKET_BYTES_MAX, 'By', 'connectBytes', 'largest CONNECT'),
  bound('quota.login', 100, 600_000, 'ms', 'loginTimeoutMs', 'from accept to a whole CONNECT'),
  bound(
    'quota.logins',
    0,
    1_000_000,
    '{login}/s',
    'loginsPerS',
    'logins in a second, 0 = any number; more are refused (0x9F)',
  ),
  bound(
    'quota.keep_alive',
    0,
    65_535,
    's',
    'keepAliveS',
    'longest keep-alive of clients of MQTT 5 that log in, who are told so; 0 = as they like',
  ),
  bound(
    'quota.session_expiry',
    1,
    DEFAULT_SETTINGS.sessionExpiryS,
    's',
    'sessionExpiryS',
    'how long a session outlives its connection at the most',
  ),
  bound(
    'quota.user_properties',
    0,
    65_535,
    '1',
    'userProperties',
    'user properties of a message; one with more is refused (0x97)',
  ),
  bound(
    'quota.properties',
    16,
    PACKET_BYTES_MAX,
    'By',
    'propertyBytes',
    'properties of a message; one with more is refused (0x97)',
  ),
  bound('quota.topic', 8, 65_535, 'By', 'topicBytes', 'longest topic and filter'),
  bound('quota.levels', 1, 65_535, '{level}', 'topicLevels', 'levels of a topic and filter'),
  bound('quota.subscriptions', 1, 100_000, '1', 'subscriptions', 'subscriptions of one user'),
  bound('quota.group', 1, 65_535, '{member}', 'groupMembers', 'members of a group'),
  bound(
    'memory.reserve',
    0,
    MEMORY_MIB_MAX,
    'MiBy',
    'memoryReserveMib',
    'free memory of the host or control group below which logins and messages are refused; 0 = no bound',
  ),
  bound(
    'memory.resident',
    0,
    MEMORY_MIB_MAX,
    'MiBy',
    'memoryResidentMib',
    'resident memory of the server above which they are; 0 = no bound',
  ),
  {
    name: 'statistics',
    type: { kind: 'enum', values: ['on', 'off'] },
    unit: '',
    default: DEFAULT_SETTINGS.statistics,
    help: 'figures of single mailboxes and receivers are kept and swept, or left alone',
  },
  {
    name: 'slow.threshold',
    type: { kind: 'int', min: 1, max: SLOW_MS_MAX },
    unit: 'ms',
    default: DEFAULT_SETTINGS.slowMs,
    help: 'a receiver whose PUBACK takes so long is a slow one',
  },
  {
    name: 'sys.interval',
    type: { kind: 'int', min: 0, max: SYS_INTERVAL_S_MAX },
    unit: 's',
    default: DEFAULT_SETTINGS.sysIntervalS,
    help: 'how often the topics under $SYS/ are told; 0 = never',
  },
  number(
    'inject.cpu',
    INJECTED_US_MAX,
    'us',
    'CPU time burnt for each accepted message: a planted slow-down that a lab must find',
  ),
  number('inject.alloc', INJECTED_BYTES_MAX, 'By', 'garbage made for each delivered message'),
  number('inject.syscall', INJECTED_CALLS_MAX, '{call}', 'system calls for each delivered message'),
  number(
    'inject.lock',
    INJECTED_US_MAX,
    'us',
    'a lock of all workers held, each delivered message',
  ),
  number('inject.queue', INJECTED_SLEEP_US_MAX, 'us', 'sleep after a turn that had messages'),
  number(
    'inject.freeze',
    INJECTED_FREEZE_MS_MAX,
    'ms',
    'the last worker stands still once for so long, when this is set',
  ),
];

/** A whole number whose default is that of the setting. */
function bound(
  name: string,
  min: number,
  max: number,
  unit: string,
  setting: keyof WorkerSettings,
  help: string,
): KnobDef {
  return { name, type: { kind: 'int', min, max }, unit, default: DEFAULT_SETTINGS[setting], help };
}

/** A whole number from 0, which is its default and means off. */
function number(name: string, max: number, unit: string, help: string, value = 0): KnobDef {
  return { name, type: { kind: 'int', min: 0, max }, unit, default: value, help };
}

/** Where each knob stands in the settings of the workers. */
const SETTING: Record<string, keyof WorkerSettings> = {
  'write.flush': 'flush',
  'write.delay': 'flushDelayUs',
  'receive.arming': 'arming',
  'turn.gather': 'gatherUs',
  'turn.spin': 'spinUs',
  'gc.idle': 'gcIdleMs',
  'gc.idle_full': 'gcIdleFullS',
  'accept.backlog': 'backlog',
  'accept.batch': 'acceptBatch',
  'accept.workers': 'acceptWorkers',
  drain: 'drain',
  'drain.rate': 'drainPerS',
  'link.wake': 'linkWakeBytes',
  'link.hold': 'linkHoldUs',
  'queue.mailbox_bytes': 'mailboxBytes',
  'queue.session': 'sessionMessages',
  'queue.mailbox': 'mailboxMessages',
  'queue.window': 'windowMessages',
  statistics: 'statistics',
  'slow.threshold': 'slowMs',
  'queue.redeliveries': 'redeliveries',
  receipts: 'receipts',
  'receipt.coalesce': 'receiptCoalesceMs',
  'presence.delay': 'presenceDelayMs',
  'quota.packet': 'packetBytes',
  'quota.output': 'outputBytes',
  'quota.publish': 'publishPerS',
  'quota.connect': 'connectBytes',
  'quota.login': 'loginTimeoutMs',
  'quota.logins': 'loginsPerS',
  'quota.keep_alive': 'keepAliveS',
  'quota.session_expiry': 'sessionExpiryS',
  'quota.user_properties': 'userProperties',
  'quota.properties': 'propertyBytes',
  'quota.topic': 'topicBytes',
  'quota.levels': 'topicLevels',
  'quota.subscriptions': 'subscriptions',
  'quota.group': 'groupMembers',
  'memory.reserve': 'memoryReserveMib',
  'memory.resident': 'memoryResidentMib',
  'sys.interval': 'sysIntervalS',
  'inject.cpu': 'injectedUs',
  'inject.alloc': 'injectAllocBytes',
  'inject.syscall': 'injectSyscalls',
  'inject.lock': 'injectLockUs',
  'inject.queue': 'injectQueueUs',
  'inject.freeze': 'injectFreezeMs',
};

/** The knobs of `server`, applied in all its workers and read back from them. */
export function serverKnobs(server: Server): OfferedKnob[] {
  return SERVER_KNOBS.map((def) => {
    if (def.name === 'drain.reference') {
      const apply = (value: KnobValue): void => void (server.reference = String(value));
      return { def, read: () => server.reference, apply };
    }
    const setting = SETTING[def.name]!;
    return {
      def,
      read: (): KnobValue => server.settings[setting],
      apply: (value: KnobValue) => server.change({ [setting]: value } as Partial<WorkerSettings>),
    };
  });
}
