// How full the accept queues of listening sockets are: connections that the kernel has completed and the
// program has not accepted yet. At the limit the next ones are dropped (tcp.listen.overflows).
//
// The kernel tells this over netlink (sock_diag(7)) for listening sockets alone, at a cost that does not grow
// with the connections; /proc/net/tcp6 would walk all of them (measured: 20 ms with 9,000 in TIME_WAIT), and so
// does `ss -l`, which asks for sockets in state CLOSE as well (measured: 45 ms with 300,000 connections).
// `ss -tnH state listening` of iproute2 asks for us: a process of 10 ms of CPU, so not in the tick itself, every 5 s
// while connections wait in some queue, every 30 s while new ones come, and once a minute while none does: then no
// queue can fill. One question at a time, with a time limit; values older than three periods are none, and
// how old they are is a metric.

import { execFile, spawnSync } from 'node:child_process';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge, instanceName } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const WAITING_PERIOD_US = 5e6;
const OPENING_PERIOD_US = 30e6;
const QUIET_PERIOD_US = 60e6;
const PERIODS_MAX = 3;
const TIMEOUT_MS = 5000;
const BYTES_MAX = 1024 * 1024;
/** Ports with metrics of their own; the maximum counts all. */
const PORTS_MAX = 32;

/** One listening port; several sockets that share it (SO_REUSEPORT) are added up. */
export interface ListenPort {
  port: number;
  length: number;
  limit: number;
}

/** Gives what listens now, or undefined when that cannot be known. */
export type AskListeners = () => Promise<ListenPort[] | undefined>;

export class ListenQueueSource implements Source {
  readonly id = 'listen';
  readonly budgetUs = 20_000;
  readonly #ask: AskListeners;
  readonly #slots = new Map<number, [length: number, limit: number]>();
  #isAsking = false;
  /** Connections came in since the last question. */
  #isOpening = false;
  #askedUs = -Infinity;
  #answer: ListenPort[] | undefined;
  #answerUs = 0;
  #nowUs = 0;
  #longest = -1;
  #fullest = -1;
  #count = -1;
  #age = -1;
  #metrics!: MetricScope;

  constructor(ask: AskListeners = askSs) {
    this.#ask = ask;
  }

  probe(): Capability {
    return spawnSync('ss', ['-V']).status === 0
      ? { state: 'ok' }
      : {
          state: 'absent',
          reason: 'ss (package iproute2), which is asked for them, cannot be run',
        };
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    this.#longest = metrics.declare(
      gauge('tcp.listen.queue.longest', 'lq', '{connection}', 'longest accept queue'),
    );
    this.#fullest = metrics.declare(
      gauge('tcp.listen.queue.utilization', '%lq', '1', 'fullest accept queue, of its own limit'),
    );
    this.#count = metrics.declare(
      gauge('tcp.listen.ports', 'lports', '{port}', 'TCP ports that are listened at'),
    );
    this.#age = metrics.declare(
      gauge('tcp.listen.age', 'lage', 's', 'how old the figures of the accept queues are'),
    );
  }

  sample(table: SampleTable, nowUs: number): number {
    this.#nowUs = nowUs;
    const answer = this.#answer;
    const isWaiting = answer?.some(({ length }) => length > 0) === true;
    // A queue grows only by connections that others opened.
    const opened = table.value(table.registry.slotOf('tcp.connections.opened{type=passive}'));
    if (opened > 0) this.#isOpening = true;
    const quietUs = this.#isOpening ? OPENING_PERIOD_US : QUIET_PERIOD_US;
    const periodUs = isWaiting ? WAITING_PERIOD_US : quietUs;
    if (!this.#isAsking && nowUs - this.#askedUs >= periodUs) this.#question();
    const ageUs = nowUs - this.#answerUs;
    if (answer === undefined || ageUs > PERIODS_MAX * QUIET_PERIOD_US) return Freshness.stale;
    this.#write(answer, table);
    table.gauge(this.#age, ageUs / 1e6);
    return Freshness.now;
  }

  close(): void {}

  #question(): void {
    this.#isAsking = true;
    this.#isOpening = false;
    this.#askedUs = this.#nowUs;
    // Not within the tick: starting a process takes a millisecond or two of this thread.
    setImmediate(() => {
      this.#ask().then(
        (answer) => {
          this.#answer = answer;
          this.#answerUs = this.#nowUs;
          this.#isAsking = false;
        },
        () => {
          // ss is missing or hangs: the old answer becomes too old.
          this.#isAsking = false;
        },
      );
    });
  }

  #write(answer: readonly ListenPort[], table: SampleTable): void {
    let longest = 0;
    let fullest = 0;
    for (const { port, length, limit } of answer) {
      longest = Math.max(longest, length);
      if (limit > 0) fullest = Math.max(fullest, length / limit);
      const slots = this.#slotsOf(port);
      if (slots === undefined) continue;
      table.gauge(slots[0], length);
      table.gauge(slots[1], limit);
    }
    table.gauge(this.#longest, longest);
    table.gauge(this.#fullest, fullest);
    table.gauge(this.#count, answer.length);
  }

  #slotsOf(port: number): [number, number] | undefined {
    const known = this.#slots.get(port);
    if (known !== undefined || this.#slots.size >= PORTS_MAX) return known;
    const declare = (what: string, short: string, help: string): number =>
      this.#metrics.declare(
        gauge(instanceName(`tcp.listen.queue.${what}`, 'port', port), short, '{connection}', help),
      );
    const slots: [number, number] = [
      declare('length', `lq${port}`, `connections that wait to be accepted at port ${port}`),
      declare('limit', `lqm${port}`, `connections that may wait at port ${port}`),
    ];
    this.#slots.set(port, slots);
    return slots;
  }
}

async function askSs(): Promise<ListenPort[] | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { timeout: TIMEOUT_MS, maxBuffer: BYTES_MAX };
  execFile('ss', ['-tnH', 'state', 'listening'], options, (error, stdout) => {
    if (error === null) resolve(stdout);
    else reject(error);
  });
  return parseListeners(await promise);
}

/** Reads `0 511 127.0.0.1:1883 0.0.0.0:*` lines: what waits, how much may wait, address and port. */
export function parseListeners(text: string): ListenPort[] {
  const ports = new Map<number, ListenPort>();
  for (const line of text.split('\n')) {
    const match = /^(\d+)\s+(\d+)\s+\S*:(\d+)\s/.exec(line);
    if (match === null) continue;
    const [length, limit, port] = match.slice(1).map(Number) as [number, number, number];
    const known = ports.get(port);
    if (known === undefined) ports.set(port, { port, length, limit });
    else {
      known.length += length;
      known.limit += limit;
    }
  }
  return [...ports.values()];
}
