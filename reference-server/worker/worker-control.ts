// How the main thread turns the settings of running workers, in shared memory: it stores the wished
// values and wakes the workers; each obeys in its next turn, stores what it now does and says so.
//
//   word 0            1 = stop
//   word 1            version, rises with every wish
//   word 2            the lock of injector `lock`
//   word 3            1 = the memory of the host is short (memory/memory-guard.ts)
//   words 4 ..        wished settings, in the order of SETTINGS
//   then, each worker: version it has obeyed, its settings
//
// Every setting is a whole number here; those with names are their position in the list of names.

import { assert } from '#core/assert.ts';
import type { ReactorKnobs } from '#core/socket/reactor.ts';
import { DEFAULT_LIMITS, type ReceiptMode } from '#reference-server/limits.ts';

export interface WorkerSettings {
  flush: 'turn' | 'immediate';
  /** How long output waits for company, us; see `flushDelayUs` of a reactor. */
  flushDelayUs: number;
  arming: 'poll' | 'recv';
  /** How long a loop gathers events before it serves them, us; see `gatherUs` of a reactor. */
  gatherUs: number;
  /** How long a loop with nothing to do looks for work before it sleeps, us. */
  spinUs: number;
  /** How often an idle worker collects its young garbage, ms, and all of it, s; 0 = never. */
  gcIdleMs: number;
  gcIdleFullS: number;
  /** Connections that may wait to be accepted, each listener. */
  backlog: number;
  /** Most connections of a listener that a turn takes; 0 = as many as come. */
  acceptBatch: number;
  /** Workers that new connections are spread over, the first so many; 0 = all. */
  acceptWorkers: number;
  /** Whether users are to go elsewhere, and how many of those that are here each second; see edge/departures.ts. */
  drain: 'off' | 'refuse' | 'move' | 'spread';
  drainPerS: number;
  /** Bytes of frames that are worth waking another worker, and how long fewer wait for more, us. */
  linkWakeBytes: number;
  linkHoldUs: number;
  /** Stored messages of one user; what is there already stays. */
  mailboxMessages: number;
  /** Their payload, bytes. */
  mailboxBytes: number;
  /** Messages that wait for one session of the general lane. */
  sessionMessages: number;
  /** Sent and not accepted, one receiver. */
  windowMessages: number;
  /** Whether figures of single queues and receivers are kept and swept. */
  statistics: 'on' | 'off';
  /** A response that takes so long makes a receiver a slow one, ms. */
  slowMs: number;
  /** Lost connections after which a message is put aside. */
  redeliveries: number;
  receipts: ReceiptMode;
  /** How long receipts gather, ms. */
  receiptCoalesceMs: number;
  /** How long a user is away before others hear of it, ms. */
  presenceDelayMs: number;
  /** Largest packet of a client that has logged in. */
  packetBytes: number;
  /** Output that waits for one connection beyond which what may be dropped is. */
  outputBytes: number;
  /** Messages that one connection may publish in a second, 0 = any number; five times as many at once. */
  publishPerS: number;
  /** Before login: bytes of a CONNECT, ms until it is whole, and how many in a second are taken, 0 = any number. */
  connectBytes: number;
  loginTimeoutMs: number;
  loginsPerS: number;
  /** Longest keep-alive of clients of MQTT 5, 0 = as they like; how long sessions outlive connections, s. */
  keepAliveS: number;
  sessionExpiryS: number;
  /** User properties of a message, and bytes of all its properties. */
  userProperties: number;
  propertyBytes: number;
  /** Of topics and filters; subscriptions and memberships of one user, members of a group. */
  topicBytes: number;
  topicLevels: number;
  subscriptions: number;
  groupMembers: number;
  /** Free memory below which, and resident memory above which logins and messages are refused, MiB; 0 = no bound. */
  memoryReserveMib: number;
  memoryResidentMib: number;
  /** How often $SYS is told, s; 0 = never. The main thread's, like nothing else here. */
  sysIntervalS: number;
  /** Microseconds burnt for each accepted message. */
  injectedUs: number;
  /** Other planted faults, for each delivered message; see injectors.ts. */
  injectAllocBytes: number;
  injectSyscalls: number;
  injectLockUs: number;
  /** Slept after each turn with messages. */
  injectQueueUs: number;
  /** When it is set, the last worker stands still once for so long. */
  injectFreezeMs: number;
}

/** What a server does that nobody told otherwise. */
export const DEFAULT_SETTINGS: WorkerSettings = {
  flush: 'turn',
  flushDelayUs: 0,
  arming: 'poll',
  gatherUs: 500,
  spinUs: 0,
  gcIdleMs: 0,
  gcIdleFullS: 0,
  backlog: 4096,
  acceptBatch: 0,
  acceptWorkers: 0,
  drain: 'off',
  drainPerS: 1000,
  linkWakeBytes: 0,
  linkHoldUs: 1000,
  mailboxMessages: DEFAULT_LIMITS.mailboxMessagesMax,
  mailboxBytes: DEFAULT_LIMITS.mailboxBytesMax,
  sessionMessages: DEFAULT_LIMITS.broker.queueMessagesMax,
  windowMessages: DEFAULT_LIMITS.windowMessagesMax,
  statistics: 'on',
  slowMs: 500,
  redeliveries: DEFAULT_LIMITS.redeliveriesMax,
  receipts: DEFAULT_LIMITS.receipts.mode,
  receiptCoalesceMs: DEFAULT_LIMITS.receipts.coalesceMs,
  presenceDelayMs: DEFAULT_LIMITS.presenceDelayMs,
  packetBytes: DEFAULT_LIMITS.packetBytesMax,
  outputBytes: DEFAULT_LIMITS.outputBytesSoftMax,
  publishPerS: DEFAULT_LIMITS.publishPerS,
  connectBytes: DEFAULT_LIMITS.connectBytesMax,
  loginTimeoutMs: DEFAULT_LIMITS.loginTimeoutMs,
  loginsPerS: DEFAULT_LIMITS.loginsPerS,
  keepAliveS: DEFAULT_LIMITS.keepAliveMaxS,
  sessionExpiryS: DEFAULT_LIMITS.broker.sessionExpiryMaxS,
  userProperties: DEFAULT_LIMITS.userPropertiesMax,
  propertyBytes: DEFAULT_LIMITS.propertyBytesMax,
  topicBytes: DEFAULT_LIMITS.broker.topicLengthMax,
  topicLevels: DEFAULT_LIMITS.broker.levelsMax,
  subscriptions: DEFAULT_LIMITS.broker.sessionSubscriptionsMax,
  groupMembers: DEFAULT_LIMITS.broker.groupMembersMax,
  memoryReserveMib: 128,
  memoryResidentMib: 0,
  sysIntervalS: 10,
  injectedUs: 0,
  injectAllocBytes: 0,
  injectSyscalls: 0,
  injectLockUs: 0,
  injectQueueUs: 0,
  injectFreezeMs: 0,
};

const SETTINGS = Object.keys(DEFAULT_SETTINGS) as (keyof WorkerSettings)[];
const NAMES: Partial<Record<keyof WorkerSettings, readonly string[]>> = {
  flush: ['turn', 'immediate'],
  arming: ['poll', 'recv'],
  drain: ['off', 'refuse', 'move', 'spread'],
  statistics: ['on', 'off'],
  receipts: ['server', 'client', 'none'],
};
const STOP = 0;
const VERSION = 1;
const LOCK = 2;
const SHORT = 3;
const WISHED = 4;
const OBEYED = WISHED + SETTINGS.length;
const WORDS_PER_WORKER = 1 + SETTINGS.length;
const OBEY_TIMEOUT_MS = 2000;

export class WorkerControl {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** What `settings` leaves out is as in DEFAULT_SETTINGS. */
  static create(workers: number, settings: Partial<WorkerSettings>): WorkerControl {
    const words = OBEYED + WORDS_PER_WORKER * workers;
    const control = new WorkerControl(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
    const whole = { ...DEFAULT_SETTINGS, ...settings };
    control.#store(WISHED, whole);
    for (let worker = 0; worker < workers; worker++) control.obeyed(worker, whole);
    return control;
  }

  get workers(): number {
    return (this.#words.length - OBEYED) / WORDS_PER_WORKER;
  }

  get wished(): WorkerSettings {
    return this.#load(WISHED);
  }

  get isStopping(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  /** Whether the memory of the host is short; workers look when they are woken. */
  get isMemoryShort(): boolean {
    return this.#words[SHORT] === 1;
  }

  set isMemoryShort(isShort: boolean) {
    Atomics.store(this.#words, SHORT, isShort ? 1 : 0);
  }

  /** The word of injector `lock`. */
  get lock(): Int32Array<SharedArrayBuffer> {
    return this.#words.subarray(LOCK, LOCK + 1);
  }

  /** What `worker` does now, by its own word. */
  actual(worker: number): WorkerSettings {
    return this.#load(OBEYED + worker * WORDS_PER_WORKER + 1);
  }

  /** The main thread asks the workers to stop; it wakes them afterwards. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  /** Changes settings and resolves when all workers have obeyed; `wake` wakes them all. Rejects after two seconds. */
  async change(part: Partial<WorkerSettings>, wake: () => void): Promise<void> {
    this.#store(WISHED, { ...this.wished, ...part });
    const version = Atomics.add(this.#words, VERSION, 1) + 1;
    wake();
    for (let worker = 0; worker < this.workers; worker++) {
      const at = OBEYED + worker * WORDS_PER_WORKER;
      for (;;) {
        const seen = Atomics.load(this.#words, at);
        if (seen >= version) break;
        const waiting = Atomics.waitAsync(this.#words, at, seen, OBEY_TIMEOUT_MS);
        const result = waiting.async ? await waiting.value : waiting.value;
        if (result === 'timed-out') throw new Error(`worker ${worker} did not obey in 2 s`);
      }
    }
  }

  /** The version a worker should obey when it looks at `wished` afterwards. */
  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  obeyedVersion(worker: number): number {
    return Atomics.load(this.#words, OBEYED + worker * WORDS_PER_WORKER);
  }

  /** A worker says what it does now. */
  obeyed(worker: number, settings: WorkerSettings, version = 0): void {
    assert(worker < this.workers, 'a worker has its place in the control words');
    const at = OBEYED + worker * WORDS_PER_WORKER;
    this.#store(at + 1, settings);
    Atomics.store(this.#words, at, version);
    Atomics.notify(this.#words, at);
  }

  #load(at: number): WorkerSettings {
    const pairs = SETTINGS.map((name, index) => {
      const value = Atomics.load(this.#words, at + index);
      return [name, NAMES[name]?.[value] ?? value];
    });
    return Object.fromEntries(pairs) as WorkerSettings;
  }

  #store(at: number, settings: WorkerSettings): void {
    SETTINGS.forEach((name, index) => {
      const value = settings[name];
      Atomics.store(
        this.#words,
        at + index,
        typeof value === 'number' ? value : NAMES[name]!.indexOf(value),
      );
    });
  }
}

/** The part of the settings that a worker's reactor obeys. */
export function reactorKnobs(settings: WorkerSettings): ReactorKnobs {
  const { flush, flushDelayUs, arming, gatherUs, spinUs, backlog, acceptBatch } = settings;
  const acceptAmong = settings.acceptWorkers;
  return { flush, flushDelayUs, arming, gatherUs, spinUs, backlog, acceptBatch, acceptAmong };
}
