// Every metric of source `server`, and where its value comes from. One list: the schema on the bus, the
// rows, and the manual's table are the same.

import type { MetricDef } from '#core/metric/row.ts';
import { REACTOR_STAT } from '#core/socket/reactor.ts';
import type { SaveFigures } from '#reference-server/snapshot/save-figures.ts';
import { CLOSE_CAUSES } from '#reference-server/statistics/close-cause.ts';
import { STAT, STAT_CLOSED } from '#reference-server/statistics/worker-stats.ts';

/** A sum over workers of one figure of theirs, or of the reactor's. */
type Source =
  | { stat: number }
  | { reactor: number }
  | { snapshot: SnapshotFigure }
  | { special: SpecialMetric };

/** What snapshots came to; see snapshot/save-figures.ts. */
export type SnapshotFigure = Exclude<keyof SaveFigures, 'restored' | 'note'>;

/** Figures that are no plain sum. */
export type SpecialMetric =
  | 'connections'
  | 'closed'
  | 'malformed'
  | 'refused'
  | 'queueLength'
  | 'queueLongest'
  | 'queueNonempty'
  | 'queueOldest'
  | 'queueDelay'
  | 'queueDrain'
  | 'cpuUs'
  | 'rss'
  | 'memoryFree'
  | 'memoryShort'
  | 'workers'
  | 'turnUsMax'
  | 'turnCpuUsMax'
  | 'collectionUsMax'
  | 'frontRefused'
  | 'busiest'
  | 'idlest'
  | 'sysShed'
  | 'alerts'
  | 'stuck'
  | 'slow'
  | 'slowResponse'
  | 'slowRefused';

export interface ServerMetric extends MetricDef {
  source: Source;
}

const stat = (name: keyof typeof STAT): Source => ({ stat: STAT[name] });
const reactor = (name: keyof typeof REACTOR_STAT): Source => ({ reactor: REACTOR_STAT[name] });
const snapshot = (name: SnapshotFigure): Source => ({ snapshot: name });
const special = (name: SpecialMetric): Source => ({ special: name });

function counter(
  name: string,
  short: string,
  unit: string,
  source: Source,
  help: string,
): ServerMetric {
  return { name: `wsar.server.${name}`, short, unit, kind: 'counter', help, source };
}

function gauge(
  name: string,
  short: string,
  unit: string,
  source: Source,
  help: string,
): ServerMetric {
  return { name: `wsar.server.${name}`, short, unit, kind: 'gauge', help, source };
}

const CONNECTION = '{connection}';
const MESSAGE = '{message}';

export const SERVER_METRICS: readonly ServerMetric[] = [
  gauge('connections', 'conns', CONNECTION, special('connections'), 'open connections'),
  gauge('sessions', 'sess', '{session}', stat('sessions'), 'users that are logged in'),
  counter('accepted', 'acc', CONNECTION, reactor('accepted'), 'connections taken'),
  counter('logins', 'login', '{login}', stat('logins'), 'CONNECT packets that were accepted'),
  counter('closed', 'close', CONNECTION, special('closed'), 'connections that ended'),
  counter(
    'malformed',
    'malf',
    CONNECTION,
    special('malformed'),
    'connections closed for input that is no MQTT; each kind is a metric closed.<cause> of its own',
  ),
  counter(
    'refused',
    'refus',
    '1',
    special('refused'),
    'connections, logins and messages refused for want of room or right',
  ),
  counter('logins.refused', 'lgref', '{login}', stat('loginsRefused'), 'CONNACK with a reason'),
  counter('messages.received', 'msgin', MESSAGE, stat('received'), 'PUBLISH taken from senders'),
  counter(
    'messages.delivered',
    'msgout',
    MESSAGE,
    stat('delivered'),
    'accepted by a receiver: PUBACK for QoS 1, written for QoS 0',
  ),
  counter('messages.withheld', 'withh', MESSAGE, stat('withheld'), 'not stored, not acknowledged'),
  counter('messages.dropped', 'drop', MESSAGE, stat('dropped'), 'QoS 0 without a reader in time'),
  counter('messages.discarded', 'disc', MESSAGE, stat('discarded'), 'lost with a clean session'),
  counter(
    'accepts.refused',
    'accRf',
    CONNECTION,
    stat('acceptsRefused'),
    'beyond max_connections: reset',
  ),
  counter('messages.too_large', 'large', MESSAGE, stat('tooLarge'), 'refused: payload too large'),
  counter('messages.foreign', 'forgn', MESSAGE, stat('foreign'), 'to topics without subscribers'),
  counter('messages.redelivered', 'redel', MESSAGE, stat('redelivered'), 'sent again with DUP'),
  counter('receipts', 'rcpt', '{receipt}', stat('receipts'), 'second check marks sent'),
  counter(
    'receipts.dropped',
    'rcdrop',
    '{receipt}',
    stat('receiptsDropped'),
    'receipts without room, or that gave it to a message',
  ),
  counter(
    'groups.given_up',
    'grpup',
    MESSAGE,
    stat('groupReceiptsLost'),
    'messages to groups whose remaining receipts were given up for newer ones',
  ),
  counter(
    'quota.publish_refused',
    'rateref',
    MESSAGE,
    stat('rateRefused'),
    'more than their connection may publish in a second',
  ),
  counter(
    'quota.properties_refused',
    'prprej',
    '{message}',
    stat('propertiesRefused'),
    'messages with more properties than allowed',
  ),
  counter(
    'memory.refused',
    'memref',
    MESSAGE,
    stat('memoryRefused'),
    'messages refused because those that wait take 60 % of --memory, or memory.short',
  ),
  gauge('memory.bytes', 'membyt', 'By', stat('memoryBytes'), 'memory of messages that wait'),
  counter(
    'presence.shed',
    'shed',
    '{message}',
    stat('presenceShed'),
    'presence that was not told, while messages were refused for want of memory',
  ),
  gauge('groups.members', 'memb', '{membership}', stat('memberships'), 'memberships in groups'),
  counter('acks.unknown', 'ackun', '1', stat('acksUnknown'), 'PUBACK for nothing that waited'),
  counter(
    'subscriptions.refused',
    'subref',
    '1',
    stat('subscriptionsRefused'),
    'filters answered with SUBACK 0x80 or another refusal',
  ),
  counter(
    'messages.rejected',
    'rej',
    MESSAGE,
    stat('rejected'),
    'refused by their receiver, with a reason',
  ),
  counter(
    'messages.expired',
    'expir',
    MESSAGE,
    stat('expired'),
    'worth nothing before they were sent',
  ),
  counter(
    'messages.parked',
    'park',
    MESSAGE,
    stat('parked'),
    'put aside: the first of six lost connections',
  ),
  counter(
    'broker.routed',
    'route',
    MESSAGE,
    stat('routed'),
    'published to other topics than mailboxes',
  ),
  counter(
    'broker.refused',
    'brref',
    MESSAGE,
    stat('queueRefused'),
    'copies that found the queue of a session full',
  ),
  counter('broker.wills', 'wills', MESSAGE, stat('wills'), 'wills that were published'),
  counter(
    'broker.retained_refused',
    'rtref',
    MESSAGE,
    stat('retainedRefused'),
    'retained messages without room',
  ),
  gauge(
    'broker.sessions',
    'brses',
    '{session}',
    stat('brokerSessions'),
    'sessions that use more than their mailbox',
  ),
  gauge(
    'broker.subscriptions',
    'subs',
    '{subscription}',
    stat('subscriptions'),
    'subscriptions of these',
  ),
  gauge(
    'broker.retained',
    'retnd',
    MESSAGE,
    stat('retained'),
    'retained messages, counted in every worker',
  ),
  gauge(
    'broker.queue_bytes',
    'brbyt',
    'By',
    stat('brokerQueuedBytes'),
    'messages that wait for these sessions',
  ),
  counter(
    'transport.preludes_refused',
    'preref',
    CONNECTION,
    stat('preludesRefused'),
    'ended for a wrong PROXY header or WebSocket handshake',
  ),
  counter(
    'transport.web_socket_flaws',
    'wsflaw',
    CONNECTION,
    stat('webSocketFlaws'),
    'ended for a wrong WebSocket frame',
  ),
  counter(
    'front.refused',
    'fronref',
    CONNECTION,
    special('frontRefused'),
    'refused by the front: TLS handshake failed, too many at a time, unlisted proxy',
  ),
  gauge('queue.length', 'qlen', MESSAGE, special('queueLength'), 'stored and not accepted'),
  gauge('queue.longest', 'qmax', MESSAGE, special('queueLongest'), 'the longest mailbox'),
  gauge('queue.nonempty', 'qbusy', '{queue}', special('queueNonempty'), 'mailboxes with messages'),
  gauge('queue.oldest', 'qold', 's', special('queueOldest'), 'age of the oldest message'),
  gauge(
    'queue.delay',
    'qdelay',
    's',
    special('queueDelay'),
    'what a message that comes now waits: length by the dequeue rate',
  ),
  gauge(
    'queue.drain',
    'qdrain',
    's',
    special('queueDrain'),
    'when all are empty, by the present rates; left out while they do not shrink',
  ),
  gauge('queue.bytes', 'qbytes', 'By', stat('queuedBytes'), 'blocks of stored payload'),
  counter('queue.enqueued', 'enq', MESSAGE, stat('enqueued'), 'stored'),
  counter('queue.dequeued', 'deq', MESSAGE, stat('dequeued'), 'accepted or discarded'),
  gauge(
    'receivers.stuck',
    'stuck',
    '{user}',
    special('stuck'),
    'online, and their oldest message waits for 10 s or longer',
  ),
  gauge('receivers.slow', 'slow', '{user}', special('slow'), 'whose PUBACK was slow lately'),
  gauge(
    'receivers.slow_response',
    'slowms',
    'ms',
    special('slowResponse'),
    'from sending to PUBACK, of the slowest of them',
  ),
  counter(
    'receivers.slow_refused',
    'slowrf',
    '1',
    special('slowRefused'),
    'slow messages of receivers that found no place in the list',
  ),
  gauge('alerts', 'alert', '{alert}', special('alerts'), 'alerts that are raised now'),
  gauge(
    'snapshot.age',
    'snpage',
    's',
    snapshot('ageS'),
    'since the last snapshot was begun that was written, or since the start',
  ),
  gauge('snapshot.duration', 'snpdur', 's', snapshot('durationS'), 'what it took; 0 = none yet'),
  gauge('snapshot.bytes', 'snpbyt', 'By', snapshot('bytes'), 'size of it'),
  gauge(
    'snapshot.users',
    'snpusr',
    '{user}',
    snapshot('users'),
    'users with a session or mail in it',
  ),
  gauge('snapshot.messages', 'snpmsg', MESSAGE, snapshot('messages'), 'messages in it'),
  counter('snapshot.saves', 'snaps', '{snapshot}', snapshot('saves'), 'snapshots written'),
  counter(
    'snapshot.failures',
    'snpfail',
    '{snapshot}',
    snapshot('failures'),
    'snapshots that could not be written: the older file stays',
  ),
  counter(
    'snapshot.restored_users',
    'rstusr',
    '{user}',
    snapshot('restoredUsers'),
    'taken from a snapshot at the start',
  ),
  counter(
    'snapshot.restored_messages',
    'rstmsg',
    MESSAGE,
    snapshot('restoredMessages'),
    'taken from it: in mailboxes, queues and retained',
  ),
  counter(
    'snapshot.restore_refused',
    'rstref',
    '1',
    snapshot('restoreRefused'),
    'messages and subscriptions of it that found no room',
  ),
  counter('throttled', 'thrtl', '1', stat('throttled'), 'times reading a client was put off'),
  counter('link.frames', 'link', '{frame}', stat('linkFrames'), 'frames between workers'),
  counter('link.refused', 'lnkref', MESSAGE, stat('linkRefused'), 'refused: a link was behind'),
  counter('cpu_us', 'cpu', 'us', special('cpuUs'), 'user and system time of the whole process'),
  gauge(
    'memory.free',
    'memfre',
    'By',
    special('memoryFree'),
    'what the host or a control group has left for it',
  ),
  gauge(
    'memory.short',
    'memsht',
    '1',
    special('memoryShort'),
    '1 while that is below knob memory.reserve, or rss above memory.resident',
  ),
  gauge('rss', 'rss', 'By', special('rss'), 'resident memory of the process'),
  gauge('workers', 'wrk', '{thread}', special('workers'), 'reactor threads'),
  counter('rx_bytes', 'rxby', 'By', reactor('rxBytes'), 'bytes received'),
  counter('tx_bytes', 'txby', 'By', reactor('txBytes'), 'bytes sent'),
  gauge('output_bytes', 'outby', 'By', reactor('outputBytes'), 'output that waits for readers'),
  gauge('heap', 'heap', 'By', stat('heapBytes'), 'JavaScript heaps of the workers'),
  counter('gc.count', 'gc', '{collection}', stat('collections'), 'collections of these heaps'),
  counter(
    'gc.idle.count',
    'gcidle',
    '{collection}',
    stat('collectionsIdle'),
    'of these, by knob gc.idle or gc.idle_full while there was nothing to do',
  ),
  counter('gc.time_us', 'gctime', 'us', stat('collectionUs'), 'their pauses in all'),
  gauge('gc.max_us', 'gcmax', 'us', special('collectionUsMax'), 'longest pause of the interval'),
  counter('loop.work_us', 'work', 'us', reactor('workUs'), 'time the reactors worked'),
  counter('loop.sleep_us', 'sleep', 'us', reactor('sleepUs'), 'time the reactors slept'),
  counter(
    'loop.spin_us',
    'spin',
    'us',
    reactor('spinUs'),
    'time the reactors looked for work in vain',
  ),
  gauge('loop.busiest', 'busy', '%', special('busiest'), 'working time of the busiest worker'),
  gauge('loop.idlest', 'idle', '%', special('idlest'), 'working time of the least busy worker'),
  counter('sys.shed', 'sysshd', '1', special('sysShed'), 'times that $SYS was due and left out'),
  counter('loop.turns', 'turns', '{turn}', reactor('turns'), 'rounds of the event loops'),
  counter('loop.enters', 'enter', '{call}', reactor('enters'), 'io_uring_enter calls'),
  counter('loop.sends', 'sends', '{send}', reactor('sends'), 'sends handed to the kernel'),
  counter('loop.receives', 'recvs', '{receive}', reactor('receives'), 'receives completed'),
  counter('loop.wakes', 'wakes', '1', reactor('wakes'), 'wake-ups from other threads'),
  gauge('loop.turn_max_us', 'turnmx', 'us', special('turnUsMax'), 'longest turn of the interval'),
  gauge(
    'loop.turn_cpu_max_us',
    'turncpu',
    'us',
    special('turnCpuUsMax'),
    'CPU time of the longest turn, of those that took 2 ms; 2 ms too much at the most',
  ),
  ...CLOSE_CAUSES.map((cause, index) =>
    counter(
      `closed.${snakeCase(cause)}`,
      snakeCase(cause),
      CONNECTION,
      { stat: STAT_CLOSED + index },
      `connections that ended by ${cause}`,
    ),
  ),
];

/** The schema alone, as it goes out. */
export const SERVER_METRIC_DEFS: MetricDef[] = SERVER_METRICS.map(
  ({ name, short, unit, kind, help }) => ({ name, short, unit, kind, help }),
);

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
